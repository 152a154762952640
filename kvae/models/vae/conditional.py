"""Conditional variational autoencoders: encoder, decoder and prior see the label of each image.

Kingma, Rezende, Mohamed & Welling (2014), Section 2.2, and Sohn et al. (2015): the bound is of
log p(x|y).
Every network, posterior and likelihood becomes conditional in the same way: the encoder has an
additional channel in its images, and the decoder additional latents. The prior is scaled and
shifted, and mixtures have other weights and flows other networks for each label.
"""

from typing import Any, NamedTuple, NoReturn

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.errors import UsageError
from kvae.models.base import seed_pair
from kvae.models.flows import relocated
from kvae.models.initialization import Initialization
from kvae.models.priors import Prior
from kvae.models.vae.autoencoder import Autoencoder
from kvae.models.vae.config import ModelConfig
from kvae.models.vae.model import VAE
from kvae.models.vae.networks import Encoder


def _refuse() -> NoReturn:
    raise UsageError("this model is conditional: give labels with model.given(labels)")


class ConditionalEncoder(Encoder):
    """q(z|x, y): an encoder of images with one more channel, a learned image of their label.

    Args:
        config: The model's configuration.
        seed: Decides the initial weights.
        jit: Whether training is compiled with XLA.
        linear: Whether the posterior also sees the latents of a linear model.
    """

    def __init__(
        self, config: ModelConfig, seed: int = 0, jit: bool = True, linear: bool = False
    ) -> None:
        super().__init__(config, seed, jit, linear)
        # Three axes: weight decay is for kernels, which have two or four.
        self.label_images = self.add_weight(
            shape=(len(config.classes), *config.image_shape[:2]),
            initializer=Initialization(None, seed, stream=3).normal(),
            name="label_images",
        )

    def with_labels(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """The images with one more channel: float32 `[batch, height, width, channels + 1]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
            labels: The share that each label has in an image, float32 `[batch, classes]`.
        """
        channel = tf.tensordot(labels, tf.convert_to_tensor(self.label_images), 1)
        return tf.concat([images, channel[..., None]], axis=-1)


class ConditionalPrior(keras.layers.Layer):
    """p(z|y): a prior that is scaled and shifted in another way for each label.

    It starts as the same distribution for every label.

    Args:
        base: The prior.
        classes: The number of labels.
    """

    def __init__(self, base: Prior, classes: int) -> None:
        super().__init__(name="conditional_prior")
        self.base = base
        shape = classes, base.latent
        self.shift = self.add_weight(shape=shape, initializer="zeros", name="shift")
        self.log_scale = self.add_weight(shape=shape, initializer="zeros", name="log_scale")

    def distribution(self, labels: tf.Tensor | None = None) -> tfd.Distribution:
        """p(z|y): event shape `[latent]`, batch shape `[]` or `[batch]`.

        Args:
            labels: One-hot labels, float32 `[classes]` or `[batch, classes]`.

        Raises:
            UsageError: There are no labels.
        """
        if labels is None:
            _refuse()
        shift, log_scale = (
            tf.tensordot(labels, tf.convert_to_tensor(each), 1)
            for each in (self.shift, self.log_scale)
        )
        return relocated(self.base.given(labels), shift, tf.exp(log_scale))


class ConditionalVAE(VAE):
    """A variational autoencoder of p(x|y), where y is the label of an image.

    `given(labels)` has its methods; the model's own say that labels are needed, but for `sample`.
    """

    encoder: ConditionalEncoder
    prior: ConditionalPrior

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels that the model knows, in the order of their numbers."""
        return self.config.model.classes

    def given(self, labels: Any) -> "Given":
        """The model with the labels of images fixed.

        Args:
            labels: The numbers of the labels, integers `[batch]`; or the number of one label,
                which all images have.

        Raises:
            UsageError: There are no such labels. Inside a `tf.function` that is not checked.
        """
        numbers = tf.convert_to_tensor(labels)
        if not numbers.dtype.is_integer or numbers.shape.rank not in (0, 1):
            raise UsageError(
                "labels are integers [batch], or one integer, that number the model's classes; but "
                f"these are {numbers.dtype.name} {numbers.shape}"
            )
        known = tf.get_static_value(numbers)
        count = len(self.classes)
        if known is not None and not np.all((known >= 0) & (known < count)):
            raise UsageError(
                f"labels must be from 0 to {count - 1}, the numbers of the model's classes; but "
                f"these are from {known.min()} to {known.max()}"
            )
        return self.with_one_hot(tf.one_hot(numbers, count))

    def with_one_hot(self, labels: tf.Tensor) -> "Given":
        """The model with the labels of images fixed, which are not checked.

        Args:
            labels: One-hot labels, float32 `[batch, classes]`, or `[classes]` for all images.
        """
        return Given(self, labels)

    def encode(self, images: tf.Tensor) -> tfd.Distribution:
        """Raises a `UsageError`: there are no labels."""
        _refuse()

    def decode(self, latents: tf.Tensor) -> tfd.Distribution:
        """Raises a `UsageError`: there are no labels."""
        _refuse()

    def sample(self, count: int | tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """New images of random labels, as often as training images have them.

        Args:
            count: The number of images.
            seed: An integer or int32 `[2]`; the same seed gives the same images.

        Returns:
            float32 `[count, height, width, channels]` in [0, 1].
        """
        label_seed, latent_seed = tf.unstack(
            tf.random.experimental.stateless_split(seed_pair(seed), 2)
        )
        counts = tf.constant(self.config.model.class_counts, tf.float32)
        labels = tf.random.stateless_categorical(tf.math.log(counts)[None], count, label_seed)[0]
        return self.given(labels).sample(count, latent_seed)


class Given(Autoencoder):
    """A conditional model with the labels of images fixed.

    Args:
        model: The model.
        labels: One-hot labels, float32 `[batch, classes]`, or `[classes]` for all images.
    """

    def __init__(self, model: ConditionalVAE, labels: tf.Tensor) -> None:
        self._model, self._labels = model, labels
        self.config, self.inputs = model.config, model.inputs
        self.checked, self.within_range = model.checked, model.within_range
        self.prior = PriorGiven(model.prior, labels)

    def encoder(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tfd.Distribution:
        """q(z|x, y): batch shape `[batch]`, event shape `[latent]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.

        Raises:
            UsageError: There are not as many images as labels.
        """
        network, labels = self._model.encoder, self._rows(images, "images")
        return network(network.with_labels(images, labels), dropout_seed)

    def decoder(
        self, latents: tf.Tensor, dropout_seed: tf.Tensor | None = None
    ) -> tfd.Distribution:
        """p(x|z, y): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            latents: float32 `[batch, latent]`, or several times as many: one for each label, then
                another for each label, and so on.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.

        Raises:
            UsageError: There are not as many latents as labels, nor a multiple of these.
        """
        latents = tf.convert_to_tensor(latents)
        together = tf.concat([latents, self._rows(latents, "latents", repeat=True)], axis=-1)
        return self._model.decoder(together, dropout_seed)

    def sample(self, count: int | tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """New images, which have the labels in turn. All labels see the same random numbers.

        Args:
            count: The number of images.
            seed: An integer or int32 `[2]`; the same seed gives the same images.

        Returns:
            float32 `[count, height, width, channels]` in [0, 1].
        """
        every = self._each
        drawn = self._model.with_one_hot(tf.gather(every, tf.range(count) % _length(every)))
        return drawn.mean_images(drawn.prior.distribution().sample(seed=seed_pair(seed)))

    @property
    def has_quick_posterior(self) -> bool:
        """Whether log q(z|x, y) at any z takes one pass through the networks."""
        return self._model.has_quick_posterior

    @property
    def measure(self) -> str:
        """What the bound bounds, as of the model."""
        return self._model.measure

    @property
    def _each(self) -> tf.Tensor:
        return tf.reshape(self._labels, (-1, self._labels.shape[-1]))

    def _rows(self, values: tf.Tensor, what: str, repeat: bool = False) -> tf.Tensor:
        """The one-hot label of each row of images or latents, `[rows, classes]`."""
        every = self._each
        rows, count = _length(values), _length(every)
        if isinstance(rows, int) and isinstance(count, int) and rows != count:
            several = self._labels.shape.rank == 1 or repeat
            if count == 0 or rows % count or not several:
                raise UsageError(f"there are {count:,} labels for {rows:,} {what}")
        return tf.tile(every, (rows // count, 1))


class PriorGiven(NamedTuple):
    """A conditional prior with labels fixed.

    Attributes:
        prior: The prior.
        labels: One-hot labels, float32 `[batch, classes]` or `[classes]`.
    """

    prior: ConditionalPrior
    labels: tf.Tensor

    def distribution(self) -> tfd.Distribution:
        """p(z|y): event shape `[latent]`, batch shape `[batch]` or `[]`."""
        return self.prior.distribution(self.labels)


def _length(values: tf.Tensor) -> int | tf.Tensor:
    """The number of rows, known now if that is possible."""
    return tf.shape(values)[0] if values.shape[0] is None else values.shape[0]
