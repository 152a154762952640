"""The autoregressive model of pixels."""

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from kvae.config import Config
from kvae.data import Dataset
from kvae.models.base import Model, Statistics
from kvae.models.initialization import Initialization
from kvae.models.networks.drawing import Sampler
from kvae.models.networks.masked import MaskedNetwork
from kvae.models.plan import NewOptimizer, Plan


class PixelModel(Model):
    """A masked network over the levels of pixels (van den Oord et al., 2016).

    The channels of a pixel are columns one after the other: green is given red, and blue is given
    both.

    Args:
        config: The configuration that the model is built from; it is saved with the model.
    """

    draws_pixels = True

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        model, training = config.model, config.training
        height, width, channels = model.image_shape
        self.network = MaskedNetwork(
            shape=(height, width * channels),
            levels=model.pixel_levels,
            ordered=True,
            period=channels,
            layers=model.layers,
            filters=model.filters,
            dropout=model.dropout,
            initialization=Initialization(None, training.seed, stream=0),
            jit=training.jit,
        )
        self._sampler = Sampler(self.network)
        self.built = True

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """log p(x) of each image; Keras calls this for `model(images)`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return self.log_prob(images)

    def log_prob(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """log p(x) of each image, exactly: `[batch]`, in nats.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1]; a pixel counts as the
                nearest of its levels.
            dropout_seed: int32 `[2]`; decides which features are dropped. None drops none.
        """
        return self.network.log_prob(self._symbols(self.checked(images)), dropout_seed)

    def expected_log_prob(
        self, images: tf.Tensor, means: tf.Tensor, dropout_seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The expectation of log p of each pixel, drawn anew after those of `images` before it,
        summed over pixels: `[batch]`, in nats.

        Over images that are drawn from the same means it has the mean of `log_prob`, and a smaller
        variance (Rao-Blackwell), because the pixels of a binarized image are independent.

        Args:
            images: float32 `[batch, height, width, channels]`, 0 or 1.
            means: The probability of each white pixel, of the same shape.
            dropout_seed: int32 `[2]`; decides which features are dropped. None drops none.
        """
        white = tf.reshape(self.checked(means), (-1, *self.network.shape))
        probabilities = tf.stack([1 - white, white], axis=-1)
        symbols = self._symbols(self.checked(images))
        return self.network.expected_log_prob(symbols, probabilities, dropout_seed)

    def sample(self, count: int | tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """New images: float32 `[count, height, width, channels]` in [0, 1].

        Args:
            count: The number of images.
            seed: An integer or int32 `[2]`. The first images of a seed are the same, whatever the
                count is.
        """
        return self._images(self._sampler.sample(count, seed))

    def complete(self, images: tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """Images with the same upper half, `height // 2` rows, and another lower half.

        The lower half is drawn from its exact distribution given the upper half.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1]. Their lower halves are not
                used.
            seed: An integer or int32 `[2]`; decides the random numbers.
        """
        rows = self.config.model.image_shape[0] // 2
        known = self._symbols(self.checked(images))
        return self._images(self._sampler.complete(known, rows, seed))

    @property
    def measure(self) -> str:
        """What log p(x) is of: `binary` is the probability of black and white pixels, and `levels`
        is the probability of 256 levels."""
        return "binary" if self.config.model.pixel_levels == 2 else "levels"

    def statistics(self, images: tf.Tensor, seed: tf.Tensor) -> Statistics:
        """log p(x) of each image, exactly, by the name of a bound.

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them.
            seed: Not used: there is nothing to sample.
        """
        return Statistics({"elbo": self.log_prob(images)}, None, {})

    def scalars(self, embeddings: np.ndarray | None) -> Mapping[str, float | int]:
        """No metrics are computed from all images together.

        Args:
            embeddings: None: the model does not embed images.
        """
        return {}

    def log_weights(self, images: tf.Tensor) -> Callable[[int, tf.Tensor], tf.Tensor]:
        """log p(x), for whoever asks for log importance weights: without latents all are the same.

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them.

        Returns:
            A function from a number of samples and a seed, which is not used, to log weights
            `[samples, batch]`, in nats.
        """
        found = self.log_prob(images)
        return lambda samples, seed: tf.tile(found[None], [samples, 1])

    def plan(self, dataset: Dataset, new_optimizer: NewOptimizer) -> Plan:
        """A new plan, which maximises the log-likelihood.

        Args:
            dataset: The images that the model will be trained and validated on.
            new_optimizer: Makes the configuration's optimizer for some weights.
        """
        from kvae.models.pixel.plan import LikelihoodPlan

        return LikelihoodPlan(self, dataset, new_optimizer)

    def _symbols(self, images: tf.Tensor) -> tf.Tensor:
        """The numbers of levels, int32 `[batch, height, width * channels]`."""
        levels = tf.round((self.config.model.pixel_levels - 1) * images)
        return tf.reshape(tf.cast(levels, tf.int32), (-1, *self.network.shape))

    def _images(self, symbols: tf.Tensor) -> tf.Tensor:
        """Images of numbers of levels, float32 `[batch, height, width, channels]`."""
        levels = tf.cast(symbols, tf.float32) / (self.config.model.pixel_levels - 1)
        return tf.reshape(levels, (-1, *self.config.model.image_shape))


def build(config: Config, images: np.ndarray | None = None) -> PixelModel:
    """Build a new model, with the initial weights that the configuration's seed decides.

    Args:
        config: The configuration of a model of pixels.
        images: Not used: no weight starts from training images.
    """
    return PixelModel(config)
