"""A masked network gives probabilities that sum to one, and its samples follow them."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from kvae.models.networks import masked


def all_images(height, width):
    """All binary images, float32 `[2^(height * width), height, width, 1]`."""
    every = list(itertools.product((0.0, 1.0), repeat=height * width))
    return np.array(every, np.float32).reshape(-1, height, width, 1)


@pytest.fixture(scope="module")
def binary(small_pixel_model):
    """A model of 2 x 3 binary pixels, all images of them, and their probabilities."""
    model, images = small_pixel_model((2, 3, 1)), all_images(2, 3)
    return model, images, np.exp(model.log_prob(images).numpy().astype(np.float64))


def test_probabilities_of_all_binary_images_sum_to_one(binary):
    _, images, probabilities = binary
    assert len(images) == 64
    assert probabilities.sum() == pytest.approx(1, abs=1e-6)
    assert probabilities.max() > 4 * probabilities.min()


def test_pixels_that_are_drawn_anew_have_the_same_mean_likelihood(binary):
    model, images, probabilities = binary
    means = np.random.default_rng(0).uniform(size=(1, 2, 3, 1)).astype(np.float32)
    drawn = np.prod(np.where(images == 1, means, 1 - means), axis=(1, 2, 3))
    found = model.expected_log_prob(images, np.repeat(means, 64, axis=0)).numpy()
    assert drawn @ found == pytest.approx(drawn @ np.log(probabilities), rel=1e-5)
    assert drawn @ found**2 < drawn @ np.log(probabilities) ** 2
    # Where no pixel is drawn at random, it is log p(x).
    same = model.expected_log_prob(images, images).numpy()
    np.testing.assert_allclose(same, np.log(probabilities), rtol=1e-5)


def test_samples_are_as_frequent_as_they_are_probable(binary):
    model, _, probabilities = binary
    count = 4000
    samples = model.sample(count, seed=1).numpy().reshape(count, -1)
    numbers = (samples @ 2 ** np.arange(5, -1, -1)).astype(int)
    expected = count * probabilities
    deviations = (np.bincount(numbers, minlength=64) - expected) / np.sqrt(expected)
    # A sum of 64 squares whose expectation is 63 and whose standard deviation is about 11.
    assert np.sum(deviations**2) < 63 + 5 * 11


def test_completions_keep_the_upper_half_and_follow_the_lower_one(binary):
    model, images, probabilities = binary
    given = np.tile(images[37:38], (4000, 1, 1, 1))
    drawn = model.complete(given, seed=2).numpy()
    np.testing.assert_array_equal(drawn[:, :1], given[:, :1])
    numbers = (drawn[:, 1].reshape(-1, 3) @ [4, 2, 1]).astype(int)
    # The upper half is the first three bits of the number 37.
    conditional = probabilities[32:40] / probabilities[32:40].sum()
    expected = 4000 * conditional
    deviations = (np.bincount(numbers, minlength=8) - expected) / np.sqrt(expected)
    assert np.sum(deviations**2) < 7 + 5 * 4


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(4, 5, 1), (3, 3, 2)])
def test_each_pixel_sees_all_pixels_before_it_and_no_other(small_pixel_model, shape):
    model = small_pixel_model(shape, levels=256, layers=4, filters=16)
    rows, columns = model.network.shape
    # A map of symbols enters by its levels, which have a derivative.
    features = tf.random.stateless_uniform((1, rows, columns, 1), [1, 2])
    model.network.features = lambda symbols: symbols
    with tf.GradientTape() as tape:
        tape.watch(features)
        logits = tf.reshape(model.network(features)[..., :3], (rows * columns, 3))
        outputs = tf.reduce_sum(logits**2, axis=1)
    jacobian = tape.jacobian(outputs, features).numpy().reshape(rows * columns, -1)
    np.testing.assert_array_equal(jacobian != 0, np.tri(rows * columns, k=-1, dtype=bool))


@pytest.mark.parametrize(("shape", "levels"), [((5, 4, 1), 2), ((2, 3, 3), 256)])
def test_what_is_drawn_is_what_the_likelihood_scores(small_pixel_model, shape, levels):
    """Symbols drawn with the cache are those of the whole network, position by position."""
    model = small_pixel_model(shape, levels, layers=3)
    network, seed = model.network, tf.constant([3, 0])
    drawn = model._symbols(model.sample(5, seed)).numpy()
    noise = tf.random.stateless_uniform(drawn.shape, seed, alg="philox").numpy()
    cumulative = np.cumsum(tf.nn.softmax(network(tf.constant(drawn))).numpy(), axis=-1)
    expected = np.minimum((cumulative <= noise[..., None]).sum(axis=-1), levels - 1)
    np.testing.assert_array_equal(drawn, expected)


def test_samples_of_a_seed_do_not_depend_on_their_number(small_pixel_model, monkeypatch):
    model = small_pixel_model((4, 4, 1))
    few, many = (model.sample(count, seed=5).numpy() for count in (3, 300))
    np.testing.assert_array_equal(few, many[:3])
    assert len(many) == 300
    assert model.sample(0, seed=5).shape == (0, 4, 4, 1)


def test_scores_do_not_depend_on_how_many_are_made_at_a_time(binary, monkeypatch):
    model, images, probabilities = binary
    monkeypatch.setattr(masked, "AT_ONCE", 7 * 6 * 4 * 16)
    for compiled in False, True:
        score = tf.function(model.log_prob, jit_compile=compiled)
        np.testing.assert_allclose(np.exp(score(tf.constant(images))), probabilities, rtol=1e-5)


def test_an_untrained_network_gives_all_images_the_same_probability(small_pixel_model):
    model = small_pixel_model((2, 2, 1), 256)
    model.network.logits_layer.kernel.assign(tf.zeros_like(model.network.logits_layer.kernel))
    model.network.logits_layer.bias.assign(tf.zeros_like(model.network.logits_layer.bias))
    images = np.random.default_rng(0).uniform(size=(3, 2, 2, 1)).astype(np.float32)
    np.testing.assert_allclose(model.log_prob(images), -4 * np.log(256), rtol=1e-6)
