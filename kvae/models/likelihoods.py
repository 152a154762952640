"""p(x|z): Keras layers that map the decoder's features to a distribution over images.

`Likelihood` says what a likelihood must offer. Adding one is a class, here or in a file of its own,
and a line in `kvae.registry.LIKELIHOODS`.
"""

import math

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.models.elementary import softplus
from kvae.models.initialization import Initialization

KERNEL = 4
"""The side of the kernel of a convolution that makes an image."""

LEVELS = 255
"""The number of steps between the 256 grey levels of 8-bit pixels."""

MIN_LOG_VARIANCE = -2 * math.log(256)
"""The smallest log-variance of a pixel: its standard deviation is at least one of 256 grey levels.

Without this limit, the density of a pixel that never changes grows without end.
"""
MIN_VARIANCE = math.exp(MIN_LOG_VARIANCE)


def bounded_log_variance(free: tf.Tensor) -> tf.Tensor:
    """A log-variance above `MIN_LOG_VARIANCE`, as a smooth function of an unbounded number.

    Args:
        free: Of any shape; far above `MIN_LOG_VARIANCE` the result is nearly equal to it.
    """
    return MIN_LOG_VARIANCE + softplus(free - MIN_LOG_VARIANCE)


class QuickBernoulli(tfd.Bernoulli):
    """`tfd.Bernoulli` by its logits, with a `log_prob` that computes one softplus for each pixel
    instead of two."""

    def _log_prob(self, event: tf.Tensor) -> tf.Tensor:
        return event * self.logits - softplus(self.logits)


class DiscretizedLogistic(tfd.Logistic):
    """The probabilities of 256 grey levels 0, 1/255, ... 1 under a logistic distribution.

    Salimans et al. (2017), Equation 2. The first and the last level include the tails, so that the
    probabilities sum to one.
    """

    def _log_prob(self, event: tf.Tensor) -> tf.Tensor:
        half = 0.5 / LEVELS
        above = (event + half - self.loc) / self.scale
        below = (event - half - self.loc) / self.scale
        # The difference of two sigmoids would lose digits by cancellation. This equal product does
        # not: sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)).
        left, right = -softplus(-above), -softplus(below)
        width = tf.math.log(-tf.math.expm1(-2 * half / self.scale))
        inside = left + right + width
        return tf.where(event < half, left, tf.where(event > 1 - half, right, inside))

    def _sample_n(self, count: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        samples = tf.clip_by_value(super()._sample_n(count, seed), 0.0, 1.0)
        return tf.round(LEVELS * samples) / LEVELS

    def _mean(self) -> tf.Tensor:
        # The mean is the sum of P(x > level) over the levels, divided by 255. That sum is the
        # midpoint rule for an integral, which is used in its place: a difference of two softplus.
        # Where the scale is large, an equal form is used that does not lose digits by cancellation.
        low = -self.loc / self.scale
        ends = softplus(-low) - softplus(-low - 1 / self.scale)
        wide = tf.math.expm1(tf.minimum(1 / self.scale, 1.0))
        stable = tf.math.log1p(tf.sigmoid(-low - 1 / self.scale) * wide)
        return self.scale * tf.where(self.scale > 1, stable, ends)


class Likelihood(keras.layers.Layer):
    """A map from the decoder's features to p(x|z).

    A likelihood must implement `call`, whose distribution must have `log_prob` and samples. Its
    mean is estimated from samples where it has no closed form. A likelihood makes its last layers
    in `build`, with `_pixels`.

    Args:
        image_shape: Height, width, channels.
        mean_activation: The function that the mean passes through; a name of `keras.activations`.
        initialization: Makes the initial weights.
    """

    measure = "density"
    """What `log_prob` is the logarithm of: `density` is a density over [0, 1], `binary` is the
    probability of black and white pixels, and `levels` is the probability of 256 grey levels."""

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

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        """p(x|z), batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            hidden: The decoder's features, `[batch, units]`, or maps of features,
                `[batch, rows, columns, units]`, of half of the image's height and width.
        """
        raise NotImplementedError

    @property
    def shared(self) -> dict[str, tf.Variable]:
        """The weights whose sum is the free log-variance for all images, if there is one.

        `level` is a scalar, and `differences` are for each number of an image.
        """
        return {}

    def _pixels(self, name: str, input_shape: tuple[int | None, ...]) -> keras.layers.Layer:
        """A layer with one output for each number of an image.

        It is dense for features, and a convolution that doubles height and width for maps.
        """
        if len(input_shape) == 2:
            return self.initialization.dense(math.prod(self.image_shape), name=name)
        return self.initialization.transposed_convolution(self.image_shape[2], KERNEL, name=name)

    def _image(self, numbers: tf.Tensor) -> tf.Tensor:
        """What a layer of `_pixels` gave, in the shape of images."""
        if numbers.shape.rank == 2:
            return tf.reshape(numbers, (-1, *self.image_shape))
        # Of an odd height or width, half is rounded up.
        return numbers[:, : self.image_shape[0], : self.image_shape[1]]


class Bernoulli(Likelihood):
    """Independent Bernoulli pixels, with logits from the decoder.

    Kingma & Welling (2014), Appendix C.1. The grey level of a pixel counts as its probability of
    being white.
    """

    measure = "binary"

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.logits = self._pixels("logits", input_shape)

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(QuickBernoulli(logits=self._image(self.logits(hidden))), 3)


class Normal(Likelihood):
    """Independent Gaussian pixels, each with a mean and a log-variance from the decoder.

    Kingma & Welling (2014), Appendix C.2, where a sigmoid keeps the mean in (0, 1).
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.mean = self._pixels("mean", input_shape)
        self.log_variance = self._pixels("log_variance", input_shape)

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        mean = self.mean_activation(self._image(self.mean(hidden)))
        log_variance = bounded_log_variance(self._image(self.log_variance(hidden)))
        return tfd.Independent(tfd.Normal(mean, tf.exp(0.5 * log_variance)), 3)


class SharedNormal(Likelihood):
    """Independent Gaussian pixels whose standard deviations are the same for all images."""

    def call(self, hidden: tf.Tensor, offset: tf.Tensor | float = 0.0) -> tfd.Distribution:
        """p(x|z), batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            hidden: The decoder's features, as for every likelihood.
            offset: What is added to the features' part of the mean, before the mean's activation;
                in the shape of the images.
        """
        mean = self.mean_activation(self._image(self.mean(hidden)) + offset)
        free = sum(tf.convert_to_tensor(weight) for weight in self.shared.values())
        return tfd.Independent(tfd.Normal(mean, tf.exp(0.5 * bounded_log_variance(free))), 3)

    def start(self, variances: np.ndarray) -> None:
        """Let the mean start as the offset alone, and the variances at some.

        Args:
            variances: float64 `[height, width, channels]`, above the square of the least standard
                deviation.
        """
        self.mean.kernel.assign(tf.zeros_like(self.mean.kernel))
        self._start_variances(variances)

    def _start_variances(self, variances: np.ndarray) -> None:
        raise NotImplementedError


def _free(variances: np.ndarray) -> np.ndarray:
    """The numbers whose `bounded_log_variance` is the logarithm of variances."""
    # log(exp(m) + exp(free)) is m + softplus(free - m).
    return np.log(variances - MIN_VARIANCE)


class NormalShared(SharedNormal):
    """Independent Gaussian pixels with one learned standard deviation for all of them."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.mean = self._pixels("mean", input_shape)
        self.log_variance = self.add_weight(shape=(), initializer="zeros", name="log_variance")

    @property
    def shared(self) -> dict[str, tf.Variable]:
        """The free log-variance."""
        return {"level": self.log_variance}

    def _start_variances(self, variances: np.ndarray) -> None:
        self.log_variance.assign(_free(variances.mean()))


class NormalPixelwise(SharedNormal):
    """Independent Gaussian pixels, each with one learned standard deviation for all images.

    With a linear decoder this is factor analysis, so a good model of this kind is better than that.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.mean = self._pixels("mean", input_shape)
        self.level = self.add_weight(shape=(), initializer="zeros", name="level")
        self.differences = self.add_weight(
            shape=self.image_shape, initializer="zeros", name="differences"
        )

    @property
    def shared(self) -> dict[str, tf.Variable]:
        """The two parts of the free log-variances."""
        return {"level": self.level, "differences": self.differences}

    def _start_variances(self, variances: np.ndarray) -> None:
        free = _free(variances)
        self.level.assign(free.mean())
        self.differences.assign(free - free.mean())


class ContinuousBernoulli(Likelihood):
    """Independent continuous Bernoulli pixels, with logits from the decoder.

    Loaiza-Ganem & Cunningham (2019). This is a density of grey levels; the Bernoulli distribution
    is not.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.logits = self._pixels("logits", input_shape)

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        logits = self._image(self.logits(hidden))
        return tfd.Independent(tfd.ContinuousBernoulli(logits=logits), 3)


class Logistic(Likelihood):
    """Independent discretized logistic pixels; the decoder gives each a mean and a log-scale."""

    measure = "levels"

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.mean = self._pixels("mean", input_shape)
        self.log_scale = self._pixels("log_scale", input_shape)

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        mean = self.mean_activation(self._image(self.mean(hidden)))
        log_variance = bounded_log_variance(2 * self._image(self.log_scale(hidden)))
        return tfd.Independent(DiscretizedLogistic(mean, tf.exp(0.5 * log_variance)), 3)
