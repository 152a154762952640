"""The encoder and the decoder: multilayer perceptrons that return distributions."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae import registry
from kvae.models.initialization import Initialization
from kvae.models.posteriors import DiagonalNormal


class Encoder(keras.Model):
    """q(z|x): tanh layers, then the posterior's heads.

    Maps float images `[batch, height, width, channels]` to a distribution with batch shape
    `[batch]` and event shape `[latent]`.

    Args:
        latent: Number of latent dimensions.
        hidden: Units of the hidden layers, in order.
        initial_stddev: As in `kvae.config.ModelConfig`.
        seed: Decides the initial weights.
    """

    def __init__(
        self,
        latent: int,
        hidden: Sequence[int],
        initial_stddev: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        initialization = Initialization(initial_stddev, seed, stream=0)
        self.flatten = keras.layers.Flatten()
        self.hidden = [initialization.dense(units, activation="tanh") for units in hidden]
        self.posterior = DiagonalNormal(latent, initialization)

    def call(self, images: tf.Tensor) -> tfd.Distribution:
        features = self.flatten(images)
        for layer in self.hidden:
            features = layer(features)
        return self.posterior(features)


class Decoder(keras.Model):
    """p(x|z): the encoder's hidden layers mirrored, then the likelihood's heads.

    Maps latents `[batch, latent]` to a distribution with batch shape `[batch]` and event shape
    `[height, width, channels]`.

    Args:
        image_shape: Height, width, channels.
        hidden: Units of the encoder's hidden layers; used in reverse.
        likelihood: A name in `kvae.registry.LIKELIHOODS`.
        mean_activation: `sigmoid` or `linear`, for Gaussian likelihoods.
        initial_stddev: As in `kvae.config.ModelConfig`.
        seed: Decides the initial weights.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        hidden: Sequence[int],
        likelihood: str = "bernoulli",
        mean_activation: str = "sigmoid",
        initial_stddev: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        initialization = Initialization(initial_stddev, seed, stream=1)
        self.hidden = [initialization.dense(units, activation="tanh") for units in hidden[::-1]]
        self.likelihood = registry.resolve(registry.LIKELIHOODS, likelihood)(
            image_shape, mean_activation, initialization
        )

    def call(self, latents: tf.Tensor) -> tfd.Distribution:
        features = latents
        for layer in self.hidden:
            features = layer(features)
        return self.likelihood(features)
