"""Lower bounds on log p(x) over all levels of latents."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.data import random_numbers
from kvae.models.estimates import divergence
from kvae.models.hierarchical.posterior import Inferred, Posterior
from kvae.models.hierarchical.prior import JointPrior, JointPriorGiven

Image = Callable[[Inferred], tfd.Distribution]
"""From a point of the latent space to p(x|u)."""


class Terms(NamedTuple):
    """The objective and the parts of the ELBO of each image, each `[batch]`, in nats.

    Attributes:
        objective: What training maximises.
        elbo: The evidence lower bound, `reconstruction - kl`.
        reconstruction: E_q[log p(x|u)].
        kl: KL(q(u|x) || p(u)), the sum of those of the levels.
        levels: The KL of each level, from the image upwards.
    """

    objective: tf.Tensor
    elbo: tf.Tensor
    reconstruction: tf.Tensor
    kl: tf.Tensor
    levels: list[tf.Tensor]


@dataclass(frozen=True)
class Weighting:
    """How an objective differs from the bound that it is derived from.

    Attributes:
        betas: Weight of the KL of each level, from the image upwards (Higgins et al., 2017). The
            objective is a bound only if all are 1.
        free_bits: Nats of each latent dimension's KL that are not penalised (Kingma et al., 2016),
            counted for each level as a whole. The objective is a bound only with 0.
        samples: The number of samples of the latents for each image.
    """

    betas: list[float | tf.Tensor]
    free_bits: float = 0.0
    samples: int = 1


def noise(images: tf.Tensor, latents: int, samples: int, seed: tf.Tensor) -> tf.Tensor:
    """Standard normal random numbers, the same for any number of devices.

    Args:
        images: Those of the batch that this device has, `[rows, ...]`.
        latents: The number of latents of all levels together.
        samples: The number of samples for each image.
        seed: int32 `[2]`; decides the numbers of all rows of the batch.

    Returns:
        `[samples * rows, latents]`, those of the first sample of all images first.
    """
    shape = tf.stack([tf.shape(images)[0], samples, latents])
    each = random_numbers.normal(shape, seed)
    return tf.reshape(tf.transpose(each, [1, 0, 2]), (-1, latents))


def elbo(
    found: Inferred,
    prior: JointPrior | JointPriorGiven,
    log_likelihood: tf.Tensor,
    weighting: Weighting,
) -> Terms:
    """The evidence lower bound, estimated from one reparameterised sample of the latents an image.

    Vahdat & Kautz (2020), Equation 1: the sum of the expected KL of each level, which has a closed
    form given the levels above.

    Args:
        found: The sample of each image, and what is inferred there.
        prior: The prior of all levels.
        log_likelihood: log p(x|u) at each sample, `[batch]`, in nats.
        weighting: How the objective differs from the ELBO; `samples` does not matter.
    """
    kls = level_kls(found, prior)
    kl = tf.add_n(kls)
    cost = tf.add_n(
        [
            beta * _floored(each, weighting.free_bits * level.latents.shape[-1])
            for beta, each, level in zip(weighting.betas, kls, found.levels, strict=True)
        ]
    )
    return Terms(log_likelihood - cost, log_likelihood - kl, log_likelihood, kl, kls)


def level_kls(found: Inferred, prior: JointPrior | JointPriorGiven) -> list[tf.Tensor]:
    """The KL of each level from its prior, from the image upwards, each `[batch]`, in nats.

    Args:
        found: A sample of each image, and what is inferred there.
        prior: The prior of all levels.
    """
    *below, top = found.levels
    cost = divergence(top.posterior, prior.of_top(), top.latents, found.log_q[-1])
    return [*(tf.reduce_sum(level.kl, axis=-1) for level in below), cost]


def _floored(kl: tf.Tensor, floor: float) -> tf.Tensor:
    """The KL of a level with free bits (Kingma et al., 2016, Equation 15).

    If its mean over the batch is below `floor`, in nats, `floor` is counted instead, which has no
    gradient.
    """
    return tf.where(tf.reduce_mean(kl) > floor, kl, floor) if floor else kl


def log_priors(found: Inferred, prior: JointPrior | JointPriorGiven) -> list[tf.Tensor]:
    """log p of each level, from the image upwards, each `[rows]`, in nats.

    Args:
        found: A point of the latent space for each row, and what is inferred there.
        prior: The prior of all levels.
    """
    standard = tfd.Normal(0.0, 1.0)
    *below, top = found.levels
    log_p = [tf.reduce_sum(standard.log_prob(level.latents), axis=-1) for level in below]
    # The labels of a conditional model are those of one sample of each image.
    of_top = prior.of_top()
    shape = tf.concat([[-1], of_top.batch_shape_tensor(), [top.latents.shape[-1]]], axis=0)
    each = of_top.log_prob(tf.reshape(top.latents, shape))
    return [*log_p, tf.reshape(each, (-1,))]


def log_ratios(found: Inferred, prior: JointPrior | JointPriorGiven) -> list[tf.Tensor]:
    """log q - log p of each level, from the image upwards, each `[rows]`, in nats.

    Args:
        found: A point of the latent space for each row, and what is inferred there.
        prior: The prior of all levels.
    """
    return [q - p for q, p in zip(found.log_q, log_priors(found, prior), strict=True)]


def iwae(
    found: Inferred,
    prior: JointPrior | JointPriorGiven,
    log_likelihood: tf.Tensor,
    weighting: Weighting,
) -> Terms:
    """The importance-weighted bound (Burda et al., 2016, Equation 8) over all levels together.

    Args:
        found: The samples, those of the first sample of all images first, and what is inferred
            there.
        prior: The prior of all levels.
        log_likelihood: log p(x|u) at each sample, `[samples * batch]`, in nats.
        weighting: How the objective differs from the bound; `free_bits` does not matter.
    """
    samples = weighting.samples
    likelihood, *ratios = (
        tf.reshape(each, (samples, -1)) for each in (log_likelihood, *log_ratios(found, prior))
    )
    log_weight = likelihood - tf.add_n(
        [beta * ratio for beta, ratio in zip(weighting.betas, ratios, strict=True)]
    )
    means = [tf.reduce_mean(each, axis=0) for each in ratios]
    reconstruction, kl = tf.reduce_mean(likelihood, axis=0), tf.add_n(means)
    objective = tf.reduce_logsumexp(log_weight, axis=0) - math.log(samples)
    return Terms(objective, reconstruction - kl, reconstruction, kl, means)


def doubly_reparameterized(
    posterior: Posterior,
    found: Inferred,
    prior: JointPrior | JointPriorGiven,
    log_likelihood: Callable[[Inferred], tf.Tensor],
    weighting: Weighting,
) -> Terms:
    """The bound `iwae` with the gradient of Tucker et al. (2019), Equation 8, for the posterior.

    All levels together are one sample u from q(u|x). Tucker et al. leave out the gradient of log q
    with respect to its parameters at a fixed u, and weight the gradient along u otherwise. Here u
    is fixed first, log q is computed there, and the gradient along u is taken apart from that with
    respect to the weights. The generative path is a part of q as well as of p(x|u): its weights get
    the gradient of each.

    Args:
        posterior: q(u|x).
        found: The samples, those of the first sample of all images first.
        prior: The prior of all levels.
        log_likelihood: From a point for each sample to log p(x|u), `[samples * batch]`, in nats.
        weighting: How the objective differs from the bound; the weights of the KL must be equal.
    """
    samples, beta = weighting.samples, weighting.betas[0]
    fixed = tf.stop_gradient(found.latents)
    with tf.GradientTape() as along:
        along.watch(fixed)
        at = posterior.at(fixed)
        likelihood = log_likelihood(at)
        terms = iwae(at, prior, likelihood, weighting)
        log_p = tf.add_n(log_priors(at, prior))
        log_weight = likelihood + beta * (log_p - tf.add_n(at.log_q))
    slope = tf.stop_gradient(along.gradient(log_weight, fixed))
    weight = tf.stop_gradient(tf.nn.softmax(tf.reshape(log_weight, (samples, -1)), axis=0))
    # Let w be the normalised importance weight of a sample. The factor of the gradient along the
    # sample is w (1 - beta (1 - w)), which is w^2 where beta is 1 (Tucker et al., 2019,
    # Equation 6).
    path = tf.reshape(weight * (1.0 - beta * (1.0 - weight)), (-1,))
    of_posterior = path * tf.reduce_sum(slope * found.latents, axis=-1)
    of_model = tf.reshape(weight, (-1,)) * (likelihood + beta * log_p)
    surrogate = tf.reduce_sum(tf.reshape(of_posterior + of_model, (samples, -1)), axis=0)
    value = tf.stop_gradient(terms.objective - surrogate) + surrogate
    return terms._replace(objective=value)
