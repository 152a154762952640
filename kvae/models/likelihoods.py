"""p(x|z): Keras layers from the decoder's last hidden layer to a distribution over images.

Each maps `[batch, units]` to a distribution with batch shape `[batch]` and event shape
`[height, width, channels]`, and is made with the image shape, the activation of the mean, and the
initialisation of its weights.
"""

import math

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.models.elementary import softplus
from kvae.models.initialization import Initialization

MIN_LOG_VARIANCE = -2 * math.log(256)
"""No pixel is modelled more finely than one of 256 grey levels.

Without a bound the density of a pixel that never changes grows without limit.
"""


def bounded_log_variance(free: tf.Tensor) -> tf.Tensor:
    """`free` where it is large, never below `MIN_LOG_VARIANCE`, smooth between."""
    return MIN_LOG_VARIANCE + softplus(free - MIN_LOG_VARIANCE)


class QuickBernoulli(tfd.Bernoulli):
    """`tfd.Bernoulli` by its logits, whose `log_prob` takes one softplus a pixel instead of two."""

    def _log_prob(self, event: tf.Tensor) -> tf.Tensor:
        return event * self.logits - softplus(self.logits)


class _Likelihood(keras.layers.Layer):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        mean_activation: str,
        initialization: Initialization,
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.mean_activation = keras.activations.get(mean_activation)
        self.initialization = initialization

    def _pixels(self, name: str) -> keras.layers.Dense:
        return self.initialization.dense(math.prod(self.image_shape), name=name)

    def _image(self, flat: tf.Tensor) -> tf.Tensor:
        return tf.reshape(flat, (-1, *self.image_shape))


class Bernoulli(_Likelihood):
    """Independent Bernoulli pixels, from logits. Grey levels count as probabilities.

    Kingma & Welling (2014), Appendix C.1.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.logits = self._pixels("logits")

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(QuickBernoulli(logits=self._image(self.logits(hidden))), 3)


class Normal(_Likelihood):
    """Independent Gaussian pixels, each with a mean and a log-variance from the decoder.

    Kingma & Welling (2014), Appendix C.2, where a sigmoid keeps the mean in (0, 1).
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.mean = self._pixels("mean")
        self.log_variance = self._pixels("log_variance")

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        mean = self.mean_activation(self._image(self.mean(hidden)))
        log_variance = bounded_log_variance(self._image(self.log_variance(hidden)))
        return tfd.Independent(tfd.Normal(mean, tf.exp(0.5 * log_variance)), 3)


class NormalShared(_Likelihood):
    """Independent Gaussian pixels with one learned standard deviation for all of them."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.mean = self._pixels("mean")
        self.log_variance = self.add_weight(shape=(), initializer="zeros", name="log_variance")

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        mean = self.mean_activation(self._image(self.mean(hidden)))
        stddev = tf.exp(0.5 * bounded_log_variance(tf.convert_to_tensor(self.log_variance)))
        return tfd.Independent(tfd.Normal(mean, stddev), 3)
