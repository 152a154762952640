"""How a model uses its latent dimensions."""

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

ACTIVE_VARIANCE = 0.01
COLLAPSED_KL = 0.01
COLLAPSED_SHARE = 0.9


def active_units(posterior_means: np.ndarray) -> int:
    """Number of latent dimensions whose posterior mean moves with the image.

    Burda et al. (2016), Section 5: those where its variance over the data is above 0.01.

    Args:
        posterior_means: `[count, latent]`.
    """
    return int(np.sum(np.var(posterior_means, axis=0) > ACTIVE_VARIANCE))


def kl_per_dimension(posterior: tfd.Distribution, prior: tfd.Distribution) -> tf.Tensor:
    """KL of each latent dimension, `[batch, latent]`, in nats.

    Args:
        posterior: Independent dimensions, as in `tfd.Independent`.
        prior: Likewise.
    """
    return tfd.kl_divergence(posterior.distribution, prior.distribution)


def is_collapsed(kl: np.ndarray) -> bool:
    """Whether the decoder ignores the latents: 9 of 10 have a mean KL under 0.01 nats.

    Args:
        kl: Mean KL of each latent dimension, `[latent]`, in nats.
    """
    return bool(np.mean(kl < COLLAPSED_KL) >= COLLAPSED_SHARE)
