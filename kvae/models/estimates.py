"""Means, standard deviations and KL divergences of distributions.

They are exact where there is a closed form, and otherwise estimated from samples.
"""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

SAMPLES = 64
"""Samples that moments without a closed form are estimated from."""


def mean(distribution: tfd.Distribution) -> tf.Tensor:
    """The mean, `[*batch_shape, *event_shape]`.

    Where the distribution has no closed form it is that of `SAMPLES` samples, which are the same in
    every call.
    """
    try:
        return distribution.mean()
    except NotImplementedError:
        return tf.reduce_mean(_samples(distribution), axis=0)


def stddev(distribution: tfd.Distribution) -> tf.Tensor:
    """The standard deviation, `[*batch_shape, *event_shape]`.

    Where the distribution has no closed form it is that of `SAMPLES` samples, which are the same in
    every call.
    """
    try:
        return distribution.stddev()
    except NotImplementedError:
        return tf.math.reduce_std(_samples(distribution), axis=0)


def divergence(
    posterior: tfd.Distribution, prior: tfd.Distribution, latents: tf.Tensor, log_q: tf.Tensor
) -> tf.Tensor:
    """KL(q(z|x) || p(z)), `[batch]`, in nats; without a closed form estimated from `latents`.

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        prior: p(z), event shape `[latent]`.
        latents: One sample of the posterior an image, `[batch, latent]`.
        log_q: The posterior's log density of each sample, `[batch]`.
    """
    try:
        return tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        return log_q - prior.log_prob(latents)


def _samples(distribution: tfd.Distribution) -> tf.Tensor:
    return distribution.sample(SAMPLES, seed=tf.constant([0, 0]))
