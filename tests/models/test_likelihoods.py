"""p(x|z) of the likelihoods of grey levels, against SciPy, TFP and sums over all levels."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from kvae import registry
from kvae.models.initialization import Initialization

GREY = np.arange(256) / 255
MODERATE = list(itertools.product([-2.0, 0.0, 3.0], repeat=2))
EXTREME = list(itertools.product([-50.0, -5.0, 0.0, 5.0, 20.0, 50.0], repeat=2))


def layer(likelihood: str, mean_activation: str, *outputs: object) -> tuple[object, list]:
    """A likelihood whose heads give `outputs`, one array a head, and those heads' biases."""
    shape = (len(outputs[0]), 1, 1)
    made = registry.resolve(registry.LIKELIHOODS, likelihood)(
        shape, mean_activation, Initialization(None, 0, 0)
    )
    made(tf.zeros((1, 1)))
    biases = [weight for weight in made.weights if weight.name == "bias"]
    for bias, output in zip(biases, outputs, strict=True):
        bias.assign(output)
    return made, biases


def pixels(likelihood: str, *outputs: object, mean_activation: str = "sigmoid"):
    """Pixels' distributions for these outputs of the decoder: batch shape `[1, pixels, 1, 1]`."""
    made, _ = layer(likelihood, mean_activation, *outputs)
    return made(tf.zeros((1, 1))).distribution


def table(distribution, levels: np.ndarray = GREY) -> np.ndarray:
    """Log-probabilities, `[levels, pixels]`."""
    values = tf.constant(levels.reshape(-1, 1, 1, 1, 1), tf.float32)
    return distribution.log_prob(values).numpy().reshape(len(levels), -1).astype(np.float64)


def means(distribution) -> np.ndarray:
    """Means, `[pixels]`."""
    return distribution.mean().numpy().ravel()


def outputs_of(likelihood: str, grid: list[tuple[float, float]]) -> list[np.ndarray]:
    """Each head's outputs; those with one head get the first of each pair."""
    heads = np.transpose(grid)
    return list(heads[:1] if "bernoulli" in likelihood else heads)


@pytest.mark.parametrize("grid", [MODERATE, EXTREME], ids=["moderate", "extreme"])
@pytest.mark.parametrize("likelihood", ["bernoulli", "discretized-logistic"])
def test_probabilities_of_all_levels_sum_to_one(likelihood, grid):
    levels = np.array([0, 1]) if likelihood == "bernoulli" else GREY
    sums = np.exp(table(pixels(likelihood, *outputs_of(likelihood, grid)), levels)).sum(axis=0)
    wrong = {pair: total for pair, total in zip(grid, sums, strict=True) if abs(total - 1) > 1e-4}
    assert not wrong


@pytest.mark.parametrize(
    "likelihood", ["bernoulli", "discretized-logistic", "continuous-bernoulli"]
)
def test_gradients_are_finite_whatever_the_network_says(likelihood):
    made, biases = layer(likelihood, "sigmoid", *outputs_of(likelihood, EXTREME))
    images = np.broadcast_to(GREY[:, None, None, None], (256, len(EXTREME), 1, 1))
    with tf.GradientTape() as tape:
        density = made(tf.zeros((256, 1))).log_prob(tf.constant(images, tf.float32))
    assert np.all(np.isfinite(density))
    for gradient in tape.gradient(density, biases):
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient.numpy() != 0)


LOCS = (-0.5, 0.0, 0.3, 0.999, 1.0, 1.7)
LOGISTIC = list(itertools.product(LOCS, (-6.0, -3.0, -1.0, 0.0, 3.0)))


def logistic(grid: list[tuple[float, float]]):
    return pixels("discretized-logistic", *np.transpose(grid), mean_activation="linear")


def test_discretized_logistic_is_tfps_quantized_one():
    distribution = logistic(LOGISTIC)
    parameters = distribution.loc, distribution.scale
    loc, scale = (255 * each.numpy().ravel().astype(np.float64) for each in parameters)
    assert scale.min() == pytest.approx(1, abs=0.2)
    # Rounded to the nearest level, where TFP would round up.
    shifted = tfd.TransformedDistribution(
        tfd.Logistic(loc, scale), tfb.Shift(np.float64(-0.5)), name="shifted"
    )
    expected = tfd.QuantizedDistribution(shifted, low=0.0, high=255.0).log_prob(
        np.arange(256.0)[:, None]
    )
    np.testing.assert_allclose(table(distribution), expected, rtol=1e-6, atol=1e-4)


# The last: far wider than the picture, where all levels but black and white have next to nothing.
@pytest.mark.parametrize("log_scales", [(-6.0, -3.0, -1.0), (0.0, 3.0, 6.0), (12.0, 20.0)])
def test_mean_of_a_discretized_logistic_is_the_sum_over_levels(log_scales):
    distribution = logistic(list(itertools.product(LOCS, log_scales)))
    expected = GREY @ np.exp(table(distribution))
    # A fiftieth of a grey level.
    np.testing.assert_allclose(means(distribution), expected, atol=0.02 / 255)


def test_samples_are_grey_levels_with_their_probabilities():
    distribution = pixels("discretized-logistic", *np.transpose(MODERATE))
    samples = distribution.sample(20_000, seed=[1, 2]).numpy().reshape(20_000, -1)
    levels = np.round(255 * samples)
    np.testing.assert_allclose(samples, levels / 255, atol=1e-7)
    probabilities = np.exp(table(distribution))
    # The share of samples up to each level, by the central limit theorem.
    shares = np.stack([np.mean(levels <= level, axis=0) for level in range(256)])
    expected = np.cumsum(probabilities, axis=0)
    error = np.sqrt(np.clip(expected * (1 - expected), 1e-4, None) / len(samples))
    assert np.all(np.abs(shares - expected) < 6 * error)


def test_continuous_bernoulli_integrates_to_one_and_to_its_mean():
    logits = np.array([-200, -20, -3, -0.3, -0.01, 0, 0.01, 0.3, 3, 20, 200])
    distribution = pixels("continuous-bernoulli", logits)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    grey, mass = (nodes + 1) / 2, weights / 2
    density = np.exp(table(distribution, grey))
    np.testing.assert_allclose(mass @ density, 1, rtol=2e-5)
    np.testing.assert_allclose(means(distribution), (mass * grey) @ density, rtol=2e-5)
