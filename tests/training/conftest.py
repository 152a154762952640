"""What tests of estimators share: the exact likelihood of a VAE that is a probabilistic PCA."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import kvae
from kvae.models.likelihoods import bounded_log_variance


class PrincipalComponents(NamedTuple):
    """Probabilistic PCA in closed form (Tipping & Bishop, 1999), in nats an image."""

    def log_likelihood(self, model: kvae.VAE, images: np.ndarray) -> float:
        """Mean log p(x) under the decoder's loadings, mean and noise (their Equation 6)."""
        likelihood = model.decoder.likelihood
        loadings = likelihood.mean.kernel.numpy().T
        variance = np.exp(bounded_log_variance(likelihood.log_variance.numpy()))
        covariance = loadings @ loadings.T + variance * np.eye(len(loadings))
        exact = multivariate_normal(likelihood.mean.bias.numpy(), covariance)
        return exact.logpdf(images.reshape(len(images), -1) / 255).mean()

    def maximum(self, images: np.ndarray, latent: int) -> float:
        """The largest that mean log p(x) can be: at their Equations 14 and 15."""
        pixels = images.reshape(len(images), -1) / 255
        eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(pixels.T, bias=True)))[::-1]
        eigenvalues[latent:] = eigenvalues[latent:].mean()
        return -0.5 * (np.log(2 * np.pi * eigenvalues) + 1).sum()

    def perturb(self, model: kvae.VAE) -> None:
        """Move the decoder's weights well away from where they are."""
        rng, likelihood = np.random.default_rng(1), model.decoder.likelihood
        for weight, size in (likelihood.mean.kernel, 0.1), (likelihood.mean.bias, 0.05):
            weight.assign_add(size * rng.standard_normal(weight.shape))
        likelihood.log_variance.assign_add(1.0)


@pytest.fixture(scope="session")
def principal_components() -> PrincipalComponents:
    """Exact likelihoods of the models of `linear_gaussian`."""
    return PrincipalComponents()
