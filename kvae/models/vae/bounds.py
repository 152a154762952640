"""Lower bounds on log p(x): pure functions of three distributions, a batch and a seed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.models.estimates import divergence
from kvae.models.vae.posteriors import detached, sample_and_log_prob

Decode = Callable[[tf.Tensor], tfd.Distribution]


class Terms(NamedTuple):
    """What a model says of each image of a batch, in nats; each is `[batch]`.

    Attributes:
        objective: What training maximises.
        elbo: The evidence lower bound, `reconstruction - kl`.
        reconstruction: E_q[log p(x|z)].
        kl: KL(q(z|x) || p(z)).
    """

    objective: tf.Tensor
    elbo: tf.Tensor
    reconstruction: tf.Tensor
    kl: tf.Tensor


@dataclass(frozen=True)
class Weighting:
    """How an objective differs from the bound that it is made of.

    Attributes:
        beta: Weight of the KL (Higgins et al., 2017); the objective is a bound only with 1.
        free_bits: Nats of each latent dimension's KL that cost nothing (Kingma et al., 2016); the
            objective is a bound only with 0.
        samples: Samples of z an image.
        doubly_reparameterized: Whether the encoder's gradient is that of Tucker et al. (2019).
    """

    beta: float | tf.Tensor = 1.0
    free_bits: float = 0.0
    samples: int = 1
    doubly_reparameterized: bool = False


PLAIN = Weighting()
"""The weighting whose objective is the bound itself."""


def elbo(
    posterior: tfd.Distribution,
    decode: Decode,
    prior: tfd.Distribution,
    images: tf.Tensor,
    seed: tf.Tensor,
    weighting: Weighting = PLAIN,
) -> Terms:
    """The evidence lower bound by one reparameterised sample of z an image.

    Kingma & Welling (2014), Equations 8 and 10, and 7 where the KL has no closed form.

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        decode: From latents `[batch, latent]` to p(x|z).
        prior: p(z), event shape `[latent]`.
        images: float32 `[batch, height, width, channels]`.
        seed: int32 `[2]`.
        weighting: `beta` and `free_bits` of the objective.
    """
    latents, log_q = sample_and_log_prob(posterior, seed)
    reconstruction = decode(latents).log_prob(images)
    kl = divergence(posterior, prior, latents, log_q)
    cost = _floored(posterior, prior, kl, weighting.free_bits) if weighting.free_bits else kl
    return Terms(reconstruction - weighting.beta * cost, reconstruction - kl, reconstruction, kl)


def _floored(
    posterior: tfd.Distribution, prior: tfd.Distribution, kl: tf.Tensor, free: float
) -> tf.Tensor:
    """The KL, of which no less than `free` nats a dimension are counted on average over the batch.

    Kingma et al. (2016), Equation 15. Each dimension is a group of its own where the distributions
    have independent dimensions; otherwise all dimensions are one group.
    """
    if all(isinstance(each, tfd.Independent) for each in (posterior, prior)):
        groups = tfd.kl_divergence(posterior.distribution, prior.distribution)
        floor = free
    else:
        groups = kl[:, None]
        floor = free * posterior.event_shape[0]
    # A group has the KL's own gradient where its mean is above the floor, elsewhere none.
    return tf.reduce_sum(tf.where(tf.reduce_mean(groups, axis=0) > floor, groups, floor), axis=1)


def iwae(
    posterior: tfd.Distribution,
    decode: Decode,
    prior: tfd.Distribution,
    images: tf.Tensor,
    seed: tf.Tensor,
    weighting: Weighting = PLAIN,
) -> Terms:
    """The importance-weighted bound (Burda et al., 2016, Equation 8).

    With `doubly_reparameterized` the gradient with respect to the encoder's weights is that of
    Tucker et al. (2019), Equation 8: the same in expectation, with less noise near the true
    posterior.

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        decode: From latents `[batch, latent]` to p(x|z).
        prior: p(z), event shape `[latent]`.
        images: float32 `[batch, height, width, channels]`.
        seed: int32 `[2]`.
        weighting: `beta`, `samples` and `doubly_reparameterized` of the objective.

    Raises:
        NotImplementedError: The doubly reparameterised gradient is asked of a posterior whose
            parameters cannot be changed.
    """
    samples, factors = weighting.samples, list[tf.Tensor]()
    latents, log_q = sample_and_log_prob(posterior, seed, (samples,))
    if weighting.doubly_reparameterized:
        # The gradient with respect to z is multiplied by a factor that is known only once z is
        # decoded. The backward pass comes after that.
        @tf.custom_gradient
        def path(values: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
            return values, lambda upstream: upstream * factors[0][..., None]

        latents = path(latents)
        log_q = detached(posterior).log_prob(latents)
    likelihood = _likelihood(decode, latents, images)
    kl = log_q - prior.log_prob(latents)
    weights = likelihood - weighting.beta * kl
    # The pathwise gradient of each sample is weighted by w (1 - beta (1 - w)), with w its
    # normalised importance weight: w^2 where beta is 1. This is their Equation 6 for q^beta, in
    # which the score function's part takes beta (w - w^2) away from w.
    normalized = tf.stop_gradient(tf.nn.softmax(weights, axis=0))
    factors.append(1.0 - weighting.beta * (1.0 - normalized))
    means = [tf.reduce_mean(each, axis=0) for each in (likelihood - kl, likelihood, kl)]
    return Terms(tf.reduce_logsumexp(weights, axis=0) - math.log(samples), *means)


def log_weights(
    posterior: tfd.Distribution,
    decode: Decode,
    prior: tfd.Distribution,
    images: tf.Tensor,
    samples: int,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Log importance weights, log p(x|z) + log p(z) - log q(z|x), of samples of z.

    Burda et al. (2016), Equation 8: the log of the mean weight is a lower bound on log p(x) in
    expectation, the tighter the more samples; its limit is log p(x).

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        decode: From latents `[batch, latent]` to p(x|z).
        prior: p(z), event shape `[latent]`.
        images: float32 `[batch, height, width, channels]`.
        samples: Samples of z an image.
        seed: int32 `[2]`.

    Returns:
        `[samples, batch]`, in nats.
    """
    latents, log_q = posterior.experimental_sample_and_log_prob(samples, seed=seed)
    return _likelihood(decode, latents, images) + prior.log_prob(latents) - log_q


def _likelihood(decode: Decode, latents: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """log p(x|z), `[samples, batch]`, of latents `[samples, batch, latent]`."""
    samples = latents.shape[0]
    flat = tf.reshape(latents, (-1, latents.shape[-1]))
    repeated = tf.tile(images, (samples, 1, 1, 1))
    return tf.reshape(decode(flat).log_prob(repeated), (samples, -1))
