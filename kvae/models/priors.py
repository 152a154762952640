"""p(z): layers whose `distribution()` is a distribution over latents.

A Keras 3 layer cannot be called without an input, hence the method.
"""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd


class StandardNormal(keras.layers.Layer):
    """N(0, I): no weights.

    Args:
        latent: Number of dimensions.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent

    def distribution(self) -> tfd.Distribution:
        """Batch shape `[]`, event shape `[latent]`."""
        return tfd.Independent(tfd.Normal(tf.zeros(self.latent), tf.ones(self.latent)), 1)
