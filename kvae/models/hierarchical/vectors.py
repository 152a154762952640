"""The layers of a model whose levels are vectors, with the networks that flat models have.

`kvae.models.hierarchical.maps` has functions of the same names for levels that are maps.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from kvae import registry
from kvae.models.hierarchical.config import ModelConfig
from kvae.models.initialization import Initialization
from kvae.models.networks.mlp import MLP


class Joined(keras.layers.Layer):
    """A network of several feature vectors, one after the other.

    Args:
        network: The layer from vectors to features, which takes a dropout seed.
    """

    def __init__(self, network: keras.layers.Layer) -> None:
        super().__init__(name="joined")
        self.network = network

    def call(self, parts: Sequence[tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """The features of the vectors.

        Args:
            parts: Tensors `[batch, ...]`, of two axes each.
            dropout_seed: int32 `[2]`; decides which units are dropped. None drops none.
        """
        return self.network(tf.concat(list(parts), axis=-1), dropout_seed)


class Gaussian(keras.layers.Layer):
    """The mean and the standard deviation of each dimension of a Gaussian, from features.

    Args:
        dimensions: The number of dimensions.
        initialization: Makes the initial weights.
    """

    def __init__(self, dimensions: int, initialization: Initialization) -> None:
        super().__init__(name="gaussian")
        self.mean = initialization.dense(dimensions, name="mean")
        self.log_variance = initialization.dense(dimensions, name="log_variance")

    def call(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Means and standard deviations, each `[batch, dimensions]`.

        Args:
            features: `[batch, units]`.
        """
        return self.mean(features), tf.exp(0.5 * self.log_variance(features))


class Features(keras.layers.Layer):
    """The features of images for each level, each computed from those for the level below.

    Args:
        networks: The layers that compute them, from the image upwards.
    """

    def __init__(self, networks: Sequence[keras.layers.Layer]) -> None:
        super().__init__(name="features")
        self.networks = list(networks)

    def call(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> list[tf.Tensor]:
        """The features for each level, from the image upwards, each `[batch, ...]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which units are dropped. None drops none.
        """
        found = [images]
        for level, network in enumerate(self.networks):
            found.append(network(found[-1], of_level(dropout_seed, level)))
        return found[1:]


def multilayer(
    config: ModelConfig, units: tuple[int, ...], initialization: Initialization, jit: bool
) -> MLP:
    """A multilayer network with a model's activation and dropout.

    Args:
        config: The model's configuration.
        units: The number of units of each layer, in order.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """
    return MLP(units, config.activation, config.dropout, initialization, jit)


def between(config: ModelConfig) -> tuple[int, ...]:
    """The units of the hidden layers from the latents of a level to those of the level above.

    Args:
        config: The model's configuration.
    """
    return config.level_hidden or config.hidden


def features(config: ModelConfig, initialization: Initialization, jit: bool) -> Features:
    """The layer from images to the features for each level.

    Args:
        config: The model's configuration.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """
    first = registry.resolve(registry.NETWORKS, config.network)
    upper = [multilayer(config, config.hidden, initialization, jit) for _ in config.levels[1:]]
    return Features([first.from_images(config, initialization, jit), *upper])


def context(config: ModelConfig, level: int, initialization: Initialization, jit: bool) -> Joined:
    """The layer from the latents of the level above and their context to the context of a level.

    Args:
        config: The model's configuration.
        level: The index of the level, from 0, next to the image.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """
    return Joined(multilayer(config, between(config)[::-1], initialization, jit))


def joint(config: ModelConfig, level: int, initialization: Initialization, jit: bool) -> Joined:
    """The layer from the features of the image for a level and its context to both together.

    Args:
        config: The model's configuration.
        level: The index of the level, from 0, next to the image.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """
    return Joined(multilayer(config, config.hidden[-1:], initialization, jit))


def gaussian(config: ModelConfig, level: int, initialization: Initialization) -> Gaussian:
    """The layer from features for a level to a Gaussian over its latents.

    Args:
        config: The model's configuration.
        level: The index of the level, from 0, next to the image.
        initialization: Makes the initial weights.
    """
    return Gaussian(config.levels[level], initialization)


def image(config: ModelConfig, initialization: Initialization, jit: bool) -> Joined:
    """The layer from the lowest level's latents, and their context if the image sees all levels, to
    what the likelihood takes.

    Args:
        config: The model's configuration.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """
    network = registry.resolve(registry.NETWORKS, config.network)
    return Joined(network.from_latents(config, initialization, jit))


def of_level(seed: tf.Tensor | None, level: int) -> tf.Tensor | None:
    """The seed of the dropout of one level's networks; None where nothing is dropped.

    Args:
        seed: int32 `[2]`, of all levels; None drops none.
        level: The index of the level.
    """
    return None if seed is None else tf.random.experimental.stateless_fold_in(seed, level)
