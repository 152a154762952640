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

LEVELS = 255
"""Steps between the grey levels of 8-bit pixels."""

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


class DiscretizedLogistic(tfd.Logistic):
    """A logistic distribution gathered into 256 grey levels 0, 1/255, ... 1, the tails in the ends.

    Salimans et al. (2017), Equation 2. Sums to one over the levels.
    """

    def _log_prob(self, event: tf.Tensor) -> tf.Tensor:
        half = 0.5 / LEVELS
        above = (event + half - self.loc) / self.scale
        below = (event - half - self.loc) / self.scale
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), which cannot cancel.
        left, right = -softplus(-above), -softplus(below)
        width = tf.math.log(-tf.math.expm1(-2 * half / self.scale))
        inside = left + right + width
        return tf.where(event < half, left, tf.where(event > 1 - half, right, inside))

    def _sample_n(self, count: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        draws = tf.clip_by_value(super()._sample_n(count, seed), 0.0, 1.0)
        return tf.round(LEVELS * draws) / LEVELS

    def _mean(self) -> tf.Tensor:
        # The sum of P(x > level) over the levels, by the integral that it is the midpoint rule of:
        # a difference of softplus, which cancels where the scale is large.
        low = -self.loc / self.scale
        ends = softplus(-low) - softplus(-low - 1 / self.scale)
        wide = tf.math.expm1(tf.minimum(1 / self.scale, 1.0))
        stable = tf.math.log1p(tf.sigmoid(-low - 1 / self.scale) * wide)
        return self.scale * tf.where(self.scale > 1, stable, ends)


class Likelihood(keras.layers.Layer):
    """A map from the decoder's features to p(x|z).

    A likelihood must implement `call`, whose distribution must have `log_prob`, samples and a mean
    (estimated from samples where it has no closed form). It makes its heads in `build`, by
    `_pixels`. Adding one is a class and a line in `kvae.registry.LIKELIHOODS`.

    Args:
        image_shape: Height, width, channels.
        mean_activation: The function that the mean passes through; a name of `keras.activations`.
        initialization: Of the weights.
    """

    measure = "density"
    """What `log_prob` is of: a `density` over [0, 1], or the probability of black and white
    pixels (`binary`) or of 256 grey levels (`levels`)."""

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


class Bernoulli(Likelihood):
    """Independent Bernoulli pixels, from logits. Grey levels count as probabilities.

    Kingma & Welling (2014), Appendix C.1.
    """

    measure = "binary"

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.logits = self._pixels("logits")

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(QuickBernoulli(logits=self._image(self.logits(hidden))), 3)


class Normal(Likelihood):
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


class NormalShared(Likelihood):
    """Independent Gaussian pixels with one learned standard deviation for all of them."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.mean = self._pixels("mean")
        self.log_variance = self.add_weight(shape=(), initializer="zeros", name="log_variance")

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        mean = self.mean_activation(self._image(self.mean(hidden)))
        stddev = tf.exp(0.5 * bounded_log_variance(tf.convert_to_tensor(self.log_variance)))
        return tfd.Independent(tfd.Normal(mean, stddev), 3)


class ContinuousBernoulli(Likelihood):
    """Independent continuous Bernoulli pixels, from logits: a density of grey levels.

    Loaiza-Ganem & Cunningham (2019), which a Bernoulli of grey levels is not.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.logits = self._pixels("logits")

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        logits = self._image(self.logits(hidden))
        return tfd.Independent(tfd.ContinuousBernoulli(logits=logits), 3)


class Logistic(Likelihood):
    """Independent discretized logistic pixels, each with a mean and a log-scale."""

    measure = "levels"

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.mean = self._pixels("mean")
        self.log_scale = self._pixels("log_scale")

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        mean = self.mean_activation(self._image(self.mean(hidden)))
        log_variance = bounded_log_variance(2 * self._image(self.log_scale(hidden)))
        return tfd.Independent(DiscretizedLogistic(mean, tf.exp(0.5 * log_variance)), 3)
