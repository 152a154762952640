"""Measures of how much a model uses each of its latent dimensions."""

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.models.estimates import mean, stddev

ACTIVE_VARIANCE = 0.01
"""A dimension is active if the variance of its posterior mean over the data is above this."""


def active_units(posterior_means: np.ndarray) -> int:
    """The number of latent dimensions whose posterior mean changes with the image.

    Burda et al. (2016), Section 5: a dimension is active if the variance of its posterior mean over
    the data is above 0.01.

    Args:
        posterior_means: The mean of q(z|x) of each image, `[count, latent]`.
    """
    return int(np.sum(np.var(posterior_means, axis=0) > ACTIVE_VARIANCE))


def perplexity(counts: np.ndarray) -> float:
    """The perplexity of codes: the exponential of the entropy of their frequencies.

    It is the number of codes if all are equally frequent, and 1 if there is only one.

    Args:
        counts: How often each code is taken, `[codes]`.
    """
    shares = counts[counts > 0] / counts.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


def kl_per_dimension(posterior: tfd.Distribution, prior: tfd.Distribution) -> tf.Tensor:
    """The KL of each latent dimension, `[batch, latent]`, in nats.

    Posterior and prior are replaced by Gaussians with the same means and variances. If both have
    independent Gaussian dimensions, this is exact. Otherwise it only measures how much a dimension
    is used, and the sum over dimensions is not the KL.

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        prior: p(z), batch shape `[]`, event shape `[latent]`.
    """
    ours, theirs = (tfd.Normal(mean(each), stddev(each)) for each in (posterior, prior))
    return tfd.kl_divergence(ours, theirs)
