"""How a model uses its latent dimensions."""

import math

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.evaluation.statistics import standard_error
from kvae.models.plan import Evaluation
from kvae.models.usage import ACTIVE_VARIANCE

COLLAPSED_KL = 0.01
COLLAPSED_SHARE = 0.1


def mutual_information(
    posterior: tfd.Distribution, seed: int = 0, rows: int = 64
) -> tuple[float, float]:
    """The mutual information of image and latents under the encoder.

    Hoffman & Johnson (2016): the mean KL is this mutual information plus KL(q(z) || p(z)) of the
    aggregated posterior q(z), the mixture of all q(z|x). It is estimated from one sample of z an
    image. The estimate is log(count) at most: near that, more images would give a larger one.

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


def verdict(found: Evaluation) -> str:
    """Whether a model is `collapsed`, `partly collapsed` or `healthy`.

    A dimension is in use if its KL is above 0.01 nats and its posterior mean changes with the image
    (see `kvae.models.usage.active_units`). A model is collapsed if no more than a tenth of its
    dimensions are in use, and partly collapsed if some are not.

    Args:
        found: What a model says of some images, with the KL of each latent dimension.
    """
    assert found.embeddings is not None
    kl, variance = found.per_dimension["kl_per_dimension"], np.var(found.embeddings, axis=0)
    used = (kl > COLLAPSED_KL) & (variance > ACTIVE_VARIANCE)
    if np.mean(used) <= COLLAPSED_SHARE:
        return "collapsed"
    return "healthy" if used.all() else "partly collapsed"


def collapse_warning(test: Evaluation) -> str | None:
    """What to do about a posterior that has collapsed; None if it has not.

    Args:
        test: What a model says of test images. Without a KL of each dimension nothing is found.
    """
    kl = test.per_dimension.get("kl_per_dimension")
    if kl is None or verdict(test) != "collapsed":
        return None
    return (
        f"the posterior has collapsed: nearly all of the {len(kl)} latent dimensions have a KL "
        "under 0.01 nats, so the decoder ignores them; try a smaller `beta`, more `epochs`, "
        "another `optimizer` or `learning_rate`, or `mean_activation=sigmoid`"
    )
