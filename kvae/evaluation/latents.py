"""How a model uses its latent dimensions."""

import math

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.evaluation.statistics import standard_error

ACTIVE_VARIANCE = 0.01
COLLAPSED_KL = 0.01
COLLAPSED_SHARE = 0.1


def active_units(posterior_means: np.ndarray) -> int:
    """Number of latent dimensions whose posterior mean moves with the image.

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
        posterior: Batch shape `[batch]`, event shape `[latent]`.
        prior: Batch shape `[]`, event shape `[latent]`.
    """
    ours, theirs = (tfd.Normal(each.mean(), each.stddev()) for each in (posterior, prior))
    return tfd.kl_divergence(ours, theirs)


def mutual_information(
    posterior: tfd.Distribution, seed: int = 0, rows: int = 64
) -> tuple[float, float]:
    """How much the latents tell of which image they are from, and how far they are from the prior.

    Hoffman & Johnson (2016): the mean KL is the mutual information of image and latents under the
    encoder, plus KL(q(z) || p(z)) of the aggregated posterior q(z), the mixture of all q(z|x).
    Estimated with one sample of z an image. It cannot be more than log(count): where it is near
    that, more images would show more.

    Args:
        posterior: q(z|x) of `count` images: batch shape `[count]`, event shape `[latent]`.
        seed: Decides the samples.
        rows: Samples at a time.

    Returns:
        The mutual information, and its standard error, in nats.
    """
    latents, own = posterior.experimental_sample_and_log_prob(seed=tf.constant([seed, 0]))
    count = latents.shape[0]

    @tf.function(jit_compile=True, autograph=False)
    def aggregated(some: tf.Tensor) -> tf.Tensor:
        each = posterior.log_prob(some[:, None, :])
        return tf.reduce_logsumexp(each, axis=1) - math.log(count)

    index = [np.arange(start, start + rows) % count for start in range(0, count, rows)]
    mixture = np.concatenate([aggregated(tf.gather(latents, some)) for some in index])[:count]
    gain = own.numpy() - mixture
    return float(gain.mean()), standard_error(gain)


def verdict(kl: np.ndarray, posterior_means: np.ndarray) -> str:
    """`collapsed`, `partly collapsed` or `healthy`.

    A dimension is in use if its KL is above 0.01 nats and its posterior mean moves with the image
    (see `active_units`). Collapsed is a model with no more than a tenth of its dimensions in use,
    partly collapsed one with some that are not.

    Args:
        kl: Mean KL of each latent dimension, `[latent]`, in nats.
        posterior_means: `[count, latent]`.
    """
    used = (kl > COLLAPSED_KL) & (np.var(posterior_means, axis=0) > ACTIVE_VARIANCE)
    if np.mean(used) <= COLLAPSED_SHARE:
        return "collapsed"
    return "healthy" if used.all() else "partly collapsed"
