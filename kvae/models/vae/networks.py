"""The encoder and the decoder: networks that return distributions."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae import registry
from kvae.models.initialization import Initialization
from kvae.models.vae.config import ModelConfig
from kvae.models.vae.linear import Coordinates, LinearStart, Loadings


class Encoder(keras.Model):
    """q(z|x): a network that computes features of images, then the posterior.

    It maps float32 images, `[batch, height, width, channels]`, to a distribution with batch shape
    `[batch]` and event shape `[latent]`.

    Args:
        config: The model's configuration.
        seed: Decides the initial weights.
        jit: Whether training is compiled with XLA.
        linear: Whether the posterior also sees the latents of a linear model.
    """

    def __init__(
        self, config: ModelConfig, seed: int = 0, jit: bool = True, linear: bool = False
    ) -> None:
        super().__init__(name="encoder")
        initialization = Initialization(config.initial_stddev, seed, stream=0)
        network = registry.resolve(registry.NETWORKS, config.network)
        self.network = network.from_images(config, initialization, jit)
        posterior = registry.resolve(registry.POSTERIORS, config.posterior)
        self.posterior = posterior(config, initialization)
        self.linear = Coordinates(config.image_shape, config.latent) if linear else None

    def call(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tfd.Distribution:
        """q(z|x): batch shape `[batch]`, event shape `[latent]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        features = self.network(images, dropout_seed)
        if self.linear is not None:
            features = tf.concat([features, self.linear(images)], axis=-1)
        return self.posterior(features)

    def start(self, model: LinearStart) -> None:
        """Let q(z|x) start as the posterior of a linear model.

        Args:
            model: The linear model.

        Raises:
            ValueError: The encoder was made without a linear part.
        """
        if self.linear is None:
            raise ValueError("this encoder has no linear part")
        self.linear.start(model)
        self.posterior.start(model.stddev)


class Decoder(keras.Model):
    """p(x|z): a network with the encoder's layers in reverse, then the likelihood.

    It maps float32 latents, `[batch, latent]`, to a distribution with batch shape `[batch]` and
    event shape `[height, width, channels]`.

    Args:
        config: The model's configuration.
        seed: Decides the initial weights.
        jit: Whether training is compiled with XLA.
        linear: Whether the means of pixels have a linear part.
    """

    def __init__(
        self, config: ModelConfig, seed: int = 0, jit: bool = True, linear: bool = False
    ) -> None:
        super().__init__(name="decoder")
        initialization = Initialization(config.initial_stddev, seed, stream=1)
        network = registry.resolve(registry.NETWORKS, config.network)
        self.network = network.from_latents(config, initialization, jit)
        likelihood = registry.resolve(registry.LIKELIHOODS, config.likelihood)
        self.likelihood = likelihood(config.image_shape, config.mean_activation, initialization)
        self.linear = Loadings(config.image_shape, config.latent) if linear else None

    def call(self, latents: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tfd.Distribution:
        """p(x|z): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            latents: float32 `[batch, latent]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        features = self.network(latents, dropout_seed)
        if self.linear is None:
            return self.likelihood(features)
        return self.likelihood(features, self.linear(latents))

    def start(self, model: LinearStart) -> None:
        """Let p(x|z) start as a linear model.

        Args:
            model: The linear model.

        Raises:
            ValueError: The decoder was made without a linear part.
        """
        if self.linear is None:
            raise ValueError("this decoder has no linear part")
        self.linear.start(model)
        self.likelihood.start(model.variances.reshape(self.linear.image_shape))
