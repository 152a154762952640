"""Small hierarchical models that tests share."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import kvae
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.models.hierarchical.config import ModelConfig, ObjectiveConfig
from kvae.models.likelihoods import MIN_LOG_VARIANCE

TINY = {
    "hidden": (8,),
    "levels": (3, 2),
    "epochs": 3,
    "batch_size": 50,
    "learning_rate": 0.02,
    "jit": False,
}


@pytest.fixture(scope="session")
def tiny(few_digits) -> Callable[..., Config]:
    """Makes the configuration of a tiny model of digits."""
    return lambda **options: kvae.configure(few_digits, family="hierarchical", **TINY | options)


def regression(
    target: np.ndarray, given: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, float]:
    """The coefficients and the variance of a number given others, all linear in u ~ N(0, I).

    Args:
        target: The number as a function of u, `[latents]`.
        given: The others as functions of u, `[count, latents]`.
        noise: The variance of the noise that is added to each of these, `[count]`.
    """
    coefficients = np.linalg.solve(given @ given.T + np.diag(noise), given @ target)
    return coefficients, float(target @ target - coefficients @ given @ target)


@pytest.fixture(scope="session")
def linear() -> Callable[..., tuple[Any, np.ndarray, np.ndarray]]:
    """Makes a linear Gaussian hierarchy of three levels, with images and their exact log p(x).

    z_3 = u_3, z_2 = a z_3 + s_2 u_2, z_1 = b_2 z_2 + b_3 z_3 + s_1 u_1, and x is m + W z + noise.
    Without hidden layers the context of a level is the latents above it, so the decoder is such a
    model. The image is linear in u, which is N(0, I): its covariance is G G^T + noise^2 I, where G
    is its derivative by u.

    Each level's posterior is the exact one, a linear regression on what inference has before it;
    then its standard deviation is multiplied by `stretch`. Inference from the bottom up is exact if
    each level depends on the next alone, so b_3 and the upper levels' rows of W are zero there.
    """
    side, noise = 3, 0.1

    def make(
        count: int = 200, stretch: float = 1.0, inference: str = "top-down"
    ) -> tuple[Any, np.ndarray, np.ndarray]:
        rng, pixels, chain = np.random.default_rng(0), side * side, inference == "bottom-up"
        model = kvae.build(
            Config(
                "own",
                "hierarchical",
                DataConfig("made"),
                ModelConfig(
                    (side, side, 1), (1, 1, 1), (), "normal-shared", "linear",
                    inference=inference, image_from="lowest" if chain else "all",
                ),
                ObjectiveConfig(),
                TrainingConfig(epochs=1, batch_size=100, jit=False),
            )
        )  # fmt: skip
        mean, loadings = rng.uniform(0.45, 0.55, pixels), 0.1 * rng.standard_normal((3, pixels))
        a, b = np.array([[0.8]]), np.array([[0.9], [0.0 if chain else -0.6]])
        s_1, s_2 = 0.7, 0.5
        if chain:
            loadings = loadings[:1]
        z_3 = np.array([0.0, 0.0, 1.0])
        z_2 = a[0] * z_3 + np.array([0.0, s_2, 0.0])
        z_1 = b[0] * z_2 + b[1] * z_3 + np.array([s_1, 0.0, 0.0])
        z = np.stack([z_1, z_2, z_3])
        by_u = loadings.T @ z[: len(loadings)]
        likelihood, network = model.decoder.likelihood, model.encoder
        for prior, kernel, stddev in zip(model.decoder.priors, (b, a), (s_1, s_2), strict=True):
            assign(prior, kernel, 0.0, stddev)
        likelihood.mean.kernel.assign(loadings)
        likelihood.mean.bias.assign(mean)
        # The inverse of the bounded log-variance.
        excess = np.log(noise**2) - MIN_LOG_VARIANCE
        likelihood.log_variance.assign(MIN_LOG_VARIANCE + np.log(np.expm1(excess)))
        for level, head in enumerate(network.heads):
            # From the top down, a level's posterior is one of u given x and z above it; from the
            # bottom up, it is one of z given z below it, or given x.
            above, below = z[level + 1 :], z[level - 1 : level] if level else by_u
            given = below if chain else np.concatenate([by_u, above])
            noises = np.zeros(len(given))
            if not chain or not level:
                noises[:pixels] = noise**2
            kernel, variance = regression(z[level] if chain else np.eye(3)[level], given, noises)
            bias = -mean @ kernel[:pixels] if noises.any() else 0.0
            # From the top down, offsets of means are in the units of z.
            unit = 1.0 if chain else (s_1, s_2, 1.0)[level]
            assign(head, unit * kernel[:, None], unit * bias, stretch * np.sqrt(variance))
        draws = mean + rng.standard_normal((count, 3)) @ by_u.T
        draws += noise * rng.standard_normal(draws.shape)
        images = np.round(np.clip(draws, 0, 1) * 255).astype(np.uint8)
        covariance = by_u @ by_u.T + noise**2 * np.eye(pixels)
        exact = multivariate_normal(mean, covariance).logpdf(images.reshape(count, -1) / 255)
        return model, images.reshape(count, side, side, 1), exact

    return make


def assign(gaussian: Any, kernel: np.ndarray, bias: float, stddev: float) -> None:
    """Make a layer a Gaussian that is linear in its input, with one standard deviation."""
    gaussian.mean.kernel.assign(kernel)
    gaussian.mean.bias.assign([bias])
    gaussian.log_variance.kernel.assign(np.zeros_like(kernel))
    gaussian.log_variance.bias.assign([2 * np.log(stddev)])
