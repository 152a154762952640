"""How much a model uses each of its latent dimensions."""

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.models.estimates import mean, stddev

ACTIVE_VARIANCE = 0.01


def active_units(posterior_means: np.ndarray) -> int:
    """Number of latent dimensions whose posterior mean changes with the image.

    Burda et al. (2016), Section 5: those where its variance over the data is above 0.01.

    Args:
        posterior_means: `[count, latent]`.
    """
    return int(np.sum(np.var(posterior_means, axis=0) > ACTIVE_VARIANCE))


def kl_per_dimension(posterior: tfd.Distribution, prior: tfd.Distribution) -> tf.Tensor:
    """KL of each latent dimension, `[batch, latent]`, in nats.

    That of Gaussians with the same means and variances: exact where both have independent Gaussian
    dimensions, and otherwise a measure of use whose sum is not the KL.

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        prior: p(z), batch shape `[]`, event shape `[latent]`.
    """
    ours, theirs = (tfd.Normal(mean(each), stddev(each)) for each in (posterior, prior))
    return tfd.kl_divergence(ours, theirs)
