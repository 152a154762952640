"""Lower bounds on log p(x): pure functions of three distributions, a batch and a seed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.models.vae.posteriors import detached, sample_and_log_prob

Decode = Callable[[tf.Tensor], tfd.Distribution]


class Terms(NamedTuple):
    """What a model says of each image of a batch, in nats; each is `[batch]`.

    Attributes:
        objective: What training maximises.
        elbo: The evidence lower bound; `reconstruction - kl`.
        reconstruction: E_q[log p(x|z)].
        kl: KL(q(z|x) || p(z)).
    """

    objective: tf.Tensor
    elbo: tf.Tensor
    reconstruction: tf.Tensor
    kl: tf.Tensor


@dataclass(frozen=True)
class Weighting:
    """What makes an objective of a bound.

    Attributes:
        beta: Weight of the KL; with any but 1 the objective is no bound (Higgins et al., 2017).
        free_bits: Nats that each latent dimension's KL may have for nothing (Kingma et al., 2016);
            with any but 0 the objective is no bound.
        samples: Draws of z an image.
        doubly_reparameterized: Whether the encoder's gradient is that of Tucker et al. (2019).
    """

    beta: float | tf.Tensor = 1.0
    free_bits: float = 0.0
    samples: int = 1
    doubly_reparameterized: bool = False


PLAIN = Weighting()
"""The bound itself."""


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
    latents, density = sample_and_log_prob(posterior, seed)
    reconstruction = decode(latents).log_prob(images)
    kl = divergence(posterior, prior, latents, density)
    cost = _floored(posterior, prior, kl, weighting.free_bits) if weighting.free_bits else kl
    return Terms(reconstruction - weighting.beta * cost, reconstruction - kl, reconstruction, kl)


def _floored(
    posterior: tfd.Distribution, prior: tfd.Distribution, kl: tf.Tensor, free: float
) -> tf.Tensor:
    """The KL with its mean over the batch kept from falling below what is free.

    Kingma et al. (2016), Equation 15: in groups of one dimension where the distributions have
    independent ones, otherwise in one group of all of them.
    """
    if all(isinstance(each, tfd.Independent) for each in (posterior, prior)):
        groups = tfd.kl_divergence(posterior.distribution, prior.distribution)
        floor = free
    else:
        groups = kl[:, None]
        floor = free * posterior.event_shape[0]
    # Where a group's mean is above the floor its gradient is the KL's own, elsewhere nothing.
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
        posterior: As in `elbo`.
        decode: Likewise.
        prior: Likewise.
        images: Likewise.
        seed: Likewise.
        weighting: `beta`, `samples` and `doubly_reparameterized`.

    Raises:
        NotImplementedError: a doubly reparameterised gradient of a posterior that is no Gaussian.
    """
    samples, factors = weighting.samples, list[tf.Tensor]()
    latents, density = sample_and_log_prob(posterior, seed, (samples,))
    if weighting.doubly_reparameterized:
        # The gradient along z is to be multiplied by what is not known before z is decoded, but
        # will be when the gradient is asked for.
        @tf.custom_gradient
        def path(values: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
            return values, lambda upstream: upstream * factors[0][..., None]

        latents = path(latents)
        density = detached(posterior).log_prob(latents)
    likelihood = _likelihood(decode, latents, images)
    kl = density - prior.log_prob(latents)
    weights = likelihood - weighting.beta * kl
    # Each path counts by its weight, and by its weight squared where beta is 1: by their Equation
    # 6 for q^beta, the score's part takes beta (w - w^2) away.
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
    """Log importance weights, log p(x|z) + log p(z) - log q(z|x), of `samples` draws of z an image.

    Burda et al. (2016), Equation 8: the log of the mean weight is a lower bound on log p(x) in
    expectation, the tighter the more samples; its limit is log p(x).

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        decode: From latents `[batch, latent]` to p(x|z).
        prior: p(z), event shape `[latent]`.
        images: float32 `[batch, height, width, channels]`.
        samples: Draws of z an image.
        seed: int32 `[2]`.

    Returns:
        `[samples, batch]`, in nats.
    """
    latents, density = posterior.experimental_sample_and_log_prob(samples, seed=seed)
    return _likelihood(decode, latents, images) + prior.log_prob(latents) - density


def _likelihood(decode: Decode, latents: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """log p(x|z), `[samples, batch]`, of latents `[samples, batch, latent]`."""
    samples = latents.shape[0]
    flat = tf.reshape(latents, (-1, latents.shape[-1]))
    repeated = tf.tile(images, (samples, 1, 1, 1))
    return tf.reshape(decode(flat).log_prob(repeated), (samples, -1))


def divergence(
    posterior: tfd.Distribution, prior: tfd.Distribution, latents: tf.Tensor, density: tf.Tensor
) -> tf.Tensor:
    """KL(q(z|x) || p(z)), `[batch]`: in closed form where there is one, otherwise by `latents`.

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        prior: p(z), event shape `[latent]`.
        latents: One sample of the posterior an image, `[batch, latent]`.
        density: The posterior's log density of each, `[batch]`.
    """
    try:
        return tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        return density - prior.log_prob(latents)
