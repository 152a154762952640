"""The losses and their penalties are those of discriminators whose gradients are known."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from kvae.models.adversarial.losses import LOSSES

RNG = np.random.default_rng(0)
REAL, MADE = RNG.random((2, 5, 3, 4, 1), np.float32)
SLOPE = RNG.standard_normal((3, 4, 1)).astype(np.float32)
SEED = tf.constant([0, 1])


def linear(slope, images):
    """A discriminator whose gradient by an image is the same everywhere."""
    return tf.reduce_sum(slope * images, axis=[1, 2, 3])


def judged(loss, score):
    real, made = tf.constant(REAL), tf.constant(MADE)
    return LOSSES[loss]().discriminator(score, real, made, SEED, "philox")


def test_the_logistic_loss_is_a_cross_entropy():
    found = judged("non-saturating", lambda images: linear(SLOPE, images))
    scores = [np.sum(SLOPE * images, axis=(1, 2, 3)) for images in (REAL, MADE)]
    expected = -np.log(expit(scores[0])) - np.log(1 - expit(scores[1]))
    np.testing.assert_allclose(found.loss, expected, rtol=1e-5)
    generator = LOSSES["non-saturating"]().generator(tf.constant(scores[1]))
    np.testing.assert_allclose(generator, -np.log(expit(scores[1])), rtol=1e-5)


def test_r1_is_the_gradient_at_real_images():
    # The gradient of half the square of an image is the image itself.
    found = judged("non-saturating", lambda images: linear(images, images) / 2)
    np.testing.assert_allclose(found.penalty, np.sum(REAL**2, axis=(1, 2, 3)) / 2, rtol=1e-5)


def test_the_penalty_of_wasserstein_wants_a_slope_of_one():
    norm = np.linalg.norm(SLOPE)
    for slope in SLOPE, SLOPE / norm:
        found = judged("wasserstein", lambda images, slope=slope: linear(slope, images))
        expected = (np.linalg.norm(slope) - 1) ** 2
        np.testing.assert_allclose(found.penalty, expected, atol=1e-5)
        differences = np.sum(slope * (MADE - REAL), axis=(1, 2, 3))
        np.testing.assert_allclose(found.loss, differences, rtol=1e-4)


def test_the_slope_of_wasserstein_is_taken_between_real_and_generated_images():
    found = judged("wasserstein", lambda images: linear(images, images) / 2)
    # The norm of the gradient is that of the image between the two.
    norms = 1 + np.sqrt(found.penalty)
    shares = np.linspace(0, 1, 101)[:, None, None, None, None]
    between = np.linalg.norm((shares * REAL + (1 - shares) * MADE).reshape(101, 5, -1), axis=2)
    assert np.all((norms > between.min(axis=0) - 1e-4) & (norms < between.max(axis=0) + 1e-4))


@pytest.mark.parametrize("loss", LOSSES)
def test_penalties_have_the_gradient_of_a_discriminator(loss):
    slope = tf.Variable(SLOPE)
    with tf.GradientTape() as tape:
        penalty = judged(loss, lambda images: linear(slope, images)).penalty[0]
    norm = np.linalg.norm(SLOPE)
    expected = SLOPE if loss == "non-saturating" else 2 * (norm - 1) * SLOPE / norm
    np.testing.assert_allclose(tape.gradient(penalty, slope), expected, rtol=1e-4)


def last_places(weight, steps=400, rate=0.2):
    """The last places of a generator of one image of one pixel, where the only real one is 0.

    The discriminator is linear (Mescheder et al., 2018, Section 2).
    """
    loss, place, slope = LOSSES["non-saturating"](), tf.Variable([[[[1.0]]]]), tf.Variable(1.0)
    real, places = tf.zeros((1, 1, 1, 1)), []

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            found = loss.discriminator(lambda x: linear(slope, x), real, place, SEED, "philox")
            total = tf.reduce_sum(found.loss + weight * found.penalty)
        slope.assign_sub(rate * tape.gradient(total, slope))
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(loss.generator(linear(slope, place)))
        place.assign_sub(rate * tape.gradient(total, place))

    for _ in range(steps):
        step()
        places.append(float(tf.squeeze(place)))
    return np.array(places[-100:])


def test_generator_and_discriminator_meet_only_with_the_penalty():
    assert np.abs(last_places(weight=1.0)).max() < 0.01
    assert np.abs(last_places(weight=0.0)).max() > 0.2
