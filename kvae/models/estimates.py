"""Means, standard deviations and KL divergences of distributions.

They are exact where there is a closed form, and otherwise estimated from samples.
"""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

SAMPLES = 64
"""The number of samples from which moments without a closed form are estimated."""


def mean(distribution: tfd.Distribution) -> tf.Tensor:
    """The mean of a distribution, `[*batch_shape, *event_shape]`.

    Without a closed form it is the mean of `SAMPLES` samples, which are the same in every call.

    Args:
        distribution: A distribution with samples.
    """
    try:
        return distribution.mean()
    except NotImplementedError:
        return tf.reduce_mean(_samples(distribution), axis=0)


def stddev(distribution: tfd.Distribution) -> tf.Tensor:
    """The standard deviation of a distribution, `[*batch_shape, *event_shape]`.

    Without a closed form it is the standard deviation of `SAMPLES` samples, which are the same in
    every call.

    Args:
        distribution: A distribution with samples.
    """
    try:
        return distribution.stddev()
    except NotImplementedError:
        return tf.math.reduce_std(_samples(distribution), axis=0)


def divergence(
    posterior: tfd.Distribution, prior: tfd.Distribution, latents: tf.Tensor, log_q: tf.Tensor
) -> tf.Tensor:
    """KL(q(z|x) || p(z)), `[batch]`, in nats.

    Without a closed form it is estimated by log q(z|x) - log p(z) at one sample of z.

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        prior: p(z), event shape `[latent]`.
        latents: One sample of z from q(z|x) for each image, `[batch, latent]`.
        log_q: log q(z|x) at each sample, `[batch]`, in nats.
    """
    try:
        return tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        return log_q - prior.log_prob(latents)


def _samples(distribution: tfd.Distribution) -> tf.Tensor:
    return distribution.sample(SAMPLES, seed=tf.constant([0, 0]))
