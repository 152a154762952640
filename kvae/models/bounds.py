"""Lower bounds on log p(x): pure functions of three distributions, a batch and a seed."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd


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


def elbo(
    posterior: tfd.Distribution,
    decode: Callable[[tf.Tensor], tfd.Distribution],
    prior: tfd.Distribution,
    images: tf.Tensor,
    seed: tf.Tensor,
    beta: float = 1.0,
) -> Terms:
    """The evidence lower bound by one reparameterised sample of z an image.

    Kingma & Welling (2014), Equations 8 and 10. With `beta` other than 1 the objective is that of
    Higgins et al. (2017), Equation 4, and no longer a bound; `elbo` stays one.

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        decode: From latents `[batch, latent]` to p(x|z).
        prior: p(z), event shape `[latent]`.
        images: float32 `[batch, height, width, channels]`.
        seed: int32 `[2]`.
        beta: Weight of the KL in the objective.
    """
    latents = posterior.sample(seed=seed)
    reconstruction = decode(latents).log_prob(images)
    kl = divergence(posterior, prior, latents)
    return Terms(reconstruction - beta * kl, reconstruction - kl, reconstruction, kl)


def log_weights(
    posterior: tfd.Distribution,
    decode: Callable[[tf.Tensor], tfd.Distribution],
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
    latents = posterior.sample(samples, seed=seed)
    flat = tf.reshape(latents, (-1, latents.shape[-1]))
    repeated = tf.tile(images, (samples, 1, 1, 1))
    likelihood = tf.reshape(decode(flat).log_prob(repeated), (samples, -1))
    return likelihood + prior.log_prob(latents) - posterior.log_prob(latents)


def divergence(
    posterior: tfd.Distribution, prior: tfd.Distribution, latents: tf.Tensor
) -> tf.Tensor:
    """KL(q(z|x) || p(z)), `[batch]`: in closed form where TFP has one, otherwise by `latents`.

    Args:
        latents: One sample of the posterior an image, `[batch, latent]`.
    """
    try:
        return tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        return posterior.log_prob(latents) - prior.log_prob(latents)
