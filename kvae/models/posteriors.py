"""q(z|x): Keras layers from the encoder's last hidden layer to a distribution over latents."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.models.initialization import Initialization


class DiagonalNormal(keras.layers.Layer):
    """A Gaussian with independent dimensions, from two linear heads: mean and log-variance.

    Kingma & Welling (2014), Appendix C.2. Maps `[batch, units]` to a distribution with batch shape
    `[batch]` and event shape `[latent]`.
    """

    def __init__(self, latent: int, initialization: Initialization) -> None:
        super().__init__()
        self.mean = initialization.dense(latent, name="mean")
        self.log_variance = initialization.dense(latent, name="log_variance")

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        stddev = tf.exp(0.5 * self.log_variance(hidden))
        return tfd.Independent(tfd.Normal(self.mean(hidden), stddev), 1)
