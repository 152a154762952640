"""Measures how a model uses its latents, and finds a posterior that has collapsed."""

import math

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.evaluation.statistics import standard_error
from kvae.models.chunks import in_chunks
from kvae.models.plan import Evaluation
from kvae.models.usage import ACTIVE_VARIANCE

COLLAPSED_KL = 0.01
"""A dimension whose KL, in nats, is not above this is not in use."""
COLLAPSED_SHARE = 0.1
"""A model is collapsed if no larger share of its dimensions is in use."""


def mutual_information(
    posterior: tfd.Distribution, seed: int = 0, rows: int = 64
) -> tuple[float, float]:
    """The mutual information of images and latents under q(z|x).

    Hoffman & Johnson (2016): the mean KL is this mutual information plus KL(q(z) || p(z)), where
    the aggregated posterior q(z) is the mixture of all q(z|x). It is estimated from one sample of z
    for each image. The estimate is at most log(count). If it is near that, it would be larger with
    more images.

    Args:
        posterior: q(z|x) of `count` images: batch shape `[count]`, event shape `[latent]`.
        seed: Decides the samples.
        rows: How many samples are evaluated at a time.

    Returns:
        The mutual information, and its standard error, in nats.
    """
    latents, log_q = posterior.experimental_sample_and_log_prob(seed=tf.constant([seed, 0]))
    count = latents.shape[0]

    @tf.function(jit_compile=True, autograph=False)
    def log_aggregated(some: tf.Tensor) -> tf.Tensor:
        each = posterior.log_prob(some[:, None, :])
        return tf.reduce_logsumexp(each, axis=1) - math.log(count)

    def chunk(_: int, some: np.ndarray) -> tf.Tensor:
        return log_aggregated(tf.gather(latents, some))

    gain = log_q.numpy() - in_chunks(chunk, count, rows)
    return float(gain.mean()), standard_error(gain)


def in_use(found: Evaluation) -> np.ndarray:
    """Whether each latent dimension is in use, `[latent]`.

    It is if its KL is above 0.01 nats and its posterior mean changes with the image (see
    `kvae.models.usage.active_units`).

    Args:
        found: The model's metrics on some images, with the KL of each latent dimension.
    """
    assert found.embeddings is not None
    kl, variance = found.per_dimension["kl_per_dimension"], np.var(found.embeddings, axis=0)
    return (kl > COLLAPSED_KL) & (variance > ACTIVE_VARIANCE)


def verdict(found: Evaluation) -> str:
    """Whether a model is `collapsed`, `partly collapsed` or `healthy`.

    A model is collapsed if no more than a tenth of its dimensions are in use, and partly collapsed
    if some are not.

    Args:
        found: The model's metrics on some images, with the KL of each latent dimension.
    """
    used = in_use(found)
    if np.mean(used) <= COLLAPSED_SHARE:
        return "collapsed"
    return "healthy" if used.all() else "partly collapsed"


def collapse_warning(test: Evaluation) -> str | None:
    """A sentence that says what to do about a posterior that has collapsed; None if it has not.

    Args:
        test: The model's metrics on test images. Without the KL of each dimension there is no
            warning.
    """
    kl = test.per_dimension.get("kl_per_dimension")
    if kl is None or verdict(test) != "collapsed":
        return None
    return (
        f"the posterior has collapsed: nearly all of the {len(kl)} latent dimensions have a KL "
        "under 0.01 nats, so the decoder ignores them; try a smaller `beta`, more `epochs`, "
        "another `optimizer` or `learning_rate`, or `mean_activation=sigmoid`"
    )
