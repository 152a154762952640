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
    """The objective and the parts of the ELBO of each image, each `[batch]`, in nats.

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


def in_own_units(terms: Terms, log_scale: float) -> Terms:
    """The terms of rows in their columns' own units, from those of standardised rows.

    Args:
        terms: The terms of standardised rows.
        log_scale: `kvae.config.DataConfig.log_scale`; 0 of images, whose terms are returned.
    """
    if not log_scale:
        return terms
    objective, elbo, reconstruction = (each - log_scale for each in terms[:3])
    return Terms(objective, elbo, reconstruction, terms.kl)


@dataclass(frozen=True)
class Weighting:
    """How an objective differs from the bound that it is derived from.

    Attributes:
        beta: Weight of the KL (Higgins et al., 2017). The objective is a bound only with 1.
        free_bits: Nats of each latent dimension's KL that are not penalised (Kingma et al., 2016).
            The objective is a bound only with 0.
        samples: The number of samples of z for each image.
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
    """The evidence lower bound, estimated from one reparameterised sample of z for each image.

    Kingma & Welling (2014), Equation 7; Equation 6 where the KL has no closed form.

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        decode: From latents `[batch, latent]` to p(x|z).
        prior: p(z), event shape `[latent]`.
        images: float32 `[batch, height, width, channels]`.
        seed: int32 `[2]`; decides the samples.
        weighting: How the objective differs from the ELBO; only `beta` and `free_bits` matter.
    """
    latents, log_q = sample_and_log_prob(posterior, seed)
    reconstruction = decode(latents).log_prob(images)
    kl = divergence(posterior, prior, latents, log_q)
    cost = _floored(posterior, prior, kl, weighting.free_bits) if weighting.free_bits else kl
    return Terms(reconstruction - weighting.beta * cost, reconstruction - kl, reconstruction, kl)


def _floored(
    posterior: tfd.Distribution, prior: tfd.Distribution, kl: tf.Tensor, free: float
) -> tf.Tensor:
    """The KL with free bits: at least `free` nats are counted for each latent dimension.

    Kingma et al. (2016), Equation 15. If both distributions have independent dimensions, each
    dimension is a group; otherwise all dimensions together are one group. For a group whose KL,
    averaged over the batch, is below its free nats, the free nats are counted instead.
    """
    if all(isinstance(each, tfd.Independent) for each in (posterior, prior)):
        groups = tfd.kl_divergence(posterior.distribution, prior.distribution)
        floor = free
    else:
        groups = kl[:, None]
        floor = free * posterior.event_shape[0]
    # A group above the floor keeps the gradient of its KL. A group below has no gradient.
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
    Tucker et al. (2019), Equation 8. It is the same in expectation, with less variance where q(z|x)
    is near the true posterior.

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        decode: From latents `[batch, latent]` to p(x|z).
        prior: p(z), event shape `[latent]`.
        images: float32 `[batch, height, width, channels]`.
        seed: int32 `[2]`; decides the samples.
        weighting: How the objective differs from the bound; only `beta`, `samples` and
            `doubly_reparameterized` matter.

    Raises:
        NotImplementedError: The doubly reparameterised gradient needs a posterior with the method
            `with_parameters`.
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
    log_likelihood = _log_likelihood(decode, latents, images)
    kl = log_q - prior.log_prob(latents)
    log_weight = log_likelihood - weighting.beta * kl
    # Let w be the normalised importance weight of a sample. The bound gives the gradient along the
    # sample the factor w. The doubly reparameterised gradient has w (1 - beta (1 - w)), which is
    # w^2 where beta is 1: it is Equation 6 of Tucker et al. for q^beta, whose score function term
    # subtracts beta (w - w^2) from w.
    normalized = tf.stop_gradient(tf.nn.softmax(log_weight, axis=0))
    factors.append(1.0 - weighting.beta * (1.0 - normalized))
    means = [tf.reduce_mean(each, axis=0) for each in (log_likelihood - kl, log_likelihood, kl)]
    return Terms(tf.reduce_logsumexp(log_weight, axis=0) - math.log(samples), *means)


def log_weights(
    posterior: tfd.Distribution,
    decode: Decode,
    prior: tfd.Distribution,
    images: tf.Tensor,
    samples: int,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Log importance weights, log p(x|z) + log p(z) - log q(z|x), of samples of z.

    Burda et al. (2016), Equation 8: the expectation of the log of the mean weight is a lower bound
    on log p(x). With more samples the bound is tighter, and its limit is log p(x).

    Args:
        posterior: q(z|x), batch shape `[batch]`, event shape `[latent]`.
        decode: From latents `[batch, latent]` to p(x|z).
        prior: p(z), event shape `[latent]`.
        images: float32 `[batch, height, width, channels]`.
        samples: The number of samples of z for each image.
        seed: int32 `[2]`; decides the samples.

    Returns:
        `[samples, batch]`, in nats.
    """
    latents, log_q = posterior.experimental_sample_and_log_prob(samples, seed=seed)
    return _log_likelihood(decode, latents, images) + prior.log_prob(latents) - log_q


def _log_likelihood(decode: Decode, latents: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """log p(x|z), `[samples, batch]`, of latents `[samples, batch, latent]`."""
    samples = latents.shape[0]
    flat = tf.reshape(latents, (-1, latents.shape[-1]))
    repeated = tf.tile(images, (samples, 1, 1, 1))
    return tf.reshape(decode(flat).log_prob(repeated), (samples, -1))
