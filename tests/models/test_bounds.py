"""The ELBO and its parts against closed forms."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from sklearn.decomposition import PCA
from sklearn.metrics import log_loss
from tensorflow_probability import distributions as tfd

import kvae
from kvae.config import Config, DataConfig, ModelConfig, TrainingConfig
from kvae.evaluation import Evaluator
from kvae.models import bounds


def test_elbo_is_the_exact_log_likelihood_at_the_exact_posterior(linear_gaussian):
    model, images, exact = linear_gaussian()
    pixels = tf.constant(images / 255, tf.float32)
    draws = np.array([model.terms(pixels, [seed, 7]).elbo.numpy().mean() for seed in range(50)])
    error = draws.std(ddof=1) / np.sqrt(len(draws))
    assert error < 0.01
    assert draws.mean() == pytest.approx(exact.mean(), abs=4 * error + 1e-3)


@pytest.mark.parametrize("jit", [True, False])
def test_training_a_linear_model_finds_the_maximum_likelihood(linear_gaussian, grey_dataset, jit):
    exact, images, _ = linear_gaussian()
    pixels = images.reshape(len(images), -1) / 255
    maximum = PCA(exact.config.model.latent).fit(pixels).score(pixels)
    dataset = grey_dataset(images)
    training = TrainingConfig(
        epochs=600, batch_size=100, optimizer="adam", learning_rate=0.001, jit=jit
    )
    model = kvae.build(dataclasses.replace(exact.config, training=training))
    kvae.train(model, dataset)
    elbos = [Evaluator(model, "none", seed)(dataset.train.images).elbo.mean() for seed in range(10)]
    # Below the exact optimum by the noise of the last steps, and never above it.
    assert maximum - 0.06 < np.mean(elbos) < maximum + 0.02


def test_kl_is_tfps_and_the_closed_form():
    rng = np.random.default_rng(1)
    mean, stddev = rng.standard_normal((5, 4)), rng.uniform(0.1, 2, (5, 4))
    posterior = tfd.Independent(tfd.Normal(mean, stddev), 1)
    prior = tfd.Independent(tfd.Normal(tf.zeros(4, tf.float64), tf.ones(4, tf.float64)), 1)
    kl = bounds.divergence(posterior, prior, posterior.sample(seed=[0, 0])).numpy()
    # Kingma & Welling (2014), Appendix B.
    closed = -0.5 * np.sum(1 + np.log(stddev**2) - mean**2 - stddev**2, axis=1)
    np.testing.assert_allclose(kl, closed, rtol=1e-12)
    diagonal = tfd.MultivariateNormalDiag(mean, stddev)
    np.testing.assert_allclose(
        kl,
        tfd.kl_divergence(diagonal, tfd.MultivariateNormalDiag(np.zeros(4), np.ones(4))),
        rtol=1e-12,
    )


def test_kl_is_by_the_same_sample_where_there_is_no_closed_form():
    posterior = tfd.Independent(tfd.Normal(tf.constant([[0.3, -1.0]]), 0.5), 1)
    prior = tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.5, 0.5]),
        tfd.Independent(tfd.Normal(tf.constant([[1.0, 1.0], [-1.0, -1.0]]), 1.0), 1),
    )
    latents = posterior.sample(seed=[3, 4])
    kl = bounds.divergence(posterior, prior, latents)
    np.testing.assert_array_equal(kl, posterior.log_prob(latents) - prior.log_prob(latents))


def bernoulli_terms(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reconstruction terms of an untrained model, and the probabilities they are by."""
    config = Config(
        "reference",
        DataConfig("made"),
        ModelConfig(images.shape[1:], 2, (6,), "bernoulli"),
        TrainingConfig(epochs=1, batch_size=4),
    )
    model = kvae.build(config)
    pixels = tf.constant(images, tf.float32)
    latents = model.encode(pixels).sample(seed=[1, 2])
    logits = model.decode(latents).distribution.logits_parameter().numpy().astype(np.float64)
    return model.terms(pixels, [1, 2]).reconstruction.numpy(), 1 / (1 + np.exp(-logits))


def test_bernoulli_reconstruction_is_scikit_learns_log_loss():
    images = np.random.default_rng(2).integers(0, 2, (4, 5, 3, 1))
    terms, probabilities = bernoulli_terms(images)
    losses = [
        log_loss(image.ravel(), probability.ravel(), normalize=False, labels=[0, 1])
        for image, probability in zip(images, probabilities, strict=True)
    ]
    np.testing.assert_allclose(-terms, losses, rtol=1e-6)


def test_bernoulli_reconstruction_of_grey_pixels_is_the_expected_log_loss():
    images = np.random.default_rng(3).uniform(size=(4, 5, 3, 1))
    terms, p = bernoulli_terms(images)
    expected = np.sum(images * np.log(p) + (1 - images) * np.log1p(-p), axis=(1, 2, 3))
    np.testing.assert_allclose(terms, expected, rtol=1e-5)


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal", "normal-shared"])
def test_gradients_are_finite_differences(likelihood):
    config = Config(
        "reference",
        DataConfig("made"),
        ModelConfig((3, 2, 1), 2, (5, 4), likelihood),
        TrainingConfig(epochs=1, batch_size=4),
    )
    model = kvae.build(config)
    pixels = tf.constant(np.random.default_rng(4).uniform(size=(6, 3, 2, 1)), tf.float32)

    def loss() -> tf.Tensor:
        return -tf.reduce_mean(model.terms(pixels, [5, 6]).objective)

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, model.trainable_variables)
    rng = np.random.default_rng(5)
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        start = weight.numpy()
        direction = rng.standard_normal(start.shape).astype(np.float32)
        direction /= np.linalg.norm(direction)
        step = 1e-2
        weight.assign(start + step * direction)
        above = loss().numpy()
        weight.assign(start - step * direction)
        below = loss().numpy()
        weight.assign(start)
        slope = float(np.sum(gradient.numpy() * direction))
        assert (above - below) / (2 * step) == pytest.approx(slope, rel=5e-3, abs=2e-3), weight.path


def test_beta_weighs_the_objective_and_not_the_elbo(linear_gaussian):
    model, images, _ = linear_gaussian(count=6)
    pixels = tf.constant(images / 255, tf.float32)
    plain, weighted = model.terms(pixels, [0, 1]), model.terms(pixels, [0, 1], beta=4.0)
    np.testing.assert_array_equal(plain.objective, plain.elbo)
    np.testing.assert_array_equal(weighted.elbo, plain.elbo)
    np.testing.assert_allclose(weighted.objective, plain.elbo - 3 * plain.kl, rtol=1e-5)
