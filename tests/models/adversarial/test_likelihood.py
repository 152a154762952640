"""The annealed likelihood of a linear generator is the exact one, and so is its noise."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal

from kvae.evaluation.noise import annealed_with_noise


def test_of_a_linear_generator_noise_and_likelihood_are_exact(linear_generator):
    model, images = linear_generator
    loadings, mean = model.decoder.likelihood.mean.weights

    def exact(stddev, some):
        covariance = loadings.numpy().T @ loadings.numpy() + stddev**2 * np.eye(16)
        return multivariate_normal(mean.numpy(), covariance).logpdf(some.reshape(-1, 16) / 255)

    validation, test = images[:20], images[20:]
    found = annealed_with_noise(model, validation, test)
    best = minimize_scalar(
        lambda stddev: -exact(stddev, validation).mean(), bounds=(0.01, 1), method="bounded"
    )
    # What other noise would gain is less than a tenth of a nat.
    assert exact(found.stddev, validation).mean() > -best.fun - 0.1
    # The true one, as far as 20 images of 16 pixels and 3 latents tell it.
    assert found.stddev == pytest.approx(0.08, rel=4 / np.sqrt(2 * 20 * 13))
    gap = found.annealed.bound - exact(found.stddev, test)
    assert gap.mean() == pytest.approx(0, abs=0.1)
    weights = np.exp(gap)
    assert weights.mean() == pytest.approx(1, abs=4 * weights.std() / np.sqrt(len(test)))
    assert 0.5 < found.annealed.acceptance < 0.95


def test_noise_is_no_part_of_what_is_generated(linear_generator):
    model, images = linear_generator
    latents = np.zeros((2, 3), np.float32)
    decoded = model.with_noise(0.25).decode(latents)
    np.testing.assert_allclose(decoded.mean(), model.mean_images(latents), rtol=1e-6)
    np.testing.assert_allclose(decoded.stddev(), 0.25)
    seen = model.inputs(images[:2])
    error = np.sum((seen - model.mean_images(latents)) ** 2, axis=(1, 2, 3))
    expected = -0.5 * error / 0.25**2 - 16 * np.log(0.25 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(decoded.log_prob(seen), expected, rtol=1e-4)
