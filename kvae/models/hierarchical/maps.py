"""The layers of a model whose lower levels are maps, with convolutions between them.

A level is at a stage of the convolutional network, whose height and width it has. As in ladder VAEs
(Sønderby et al., 2016; Child, 2021), features of the image are taken from that stage, and the
context of the levels above is enlarged to it. Levels of side 1 are vectors, above all maps.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kvae.models.hierarchical import vectors
from kvae.models.hierarchical.config import ModelConfig
from kvae.models.initialization import Initialization
from kvae.models.networks.conv import BLOCK_KERNEL, KERNEL, ResidualBlock, sizes
from kvae.models.networks.dropout import Dropout


class Down(keras.layers.Layer):
    """Stages of stride 2, then residual blocks, for one level.

    Args:
        config: The model's configuration.
        start: The number of stages that are done before.
        end: The number of stages that are done after it.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(
        self, config: ModelConfig, start: int, end: int, initialization: Initialization, jit: bool
    ) -> None:
        super().__init__(name="down")
        self.activation = keras.activations.get(config.activation)
        self.dropout = Dropout(config.dropout, jit)
        channels = config.channels[start:end]
        self.stages = [initialization.convolution(count, KERNEL, strides=2) for count in channels]
        self.blocks = residual_blocks(config, end, initialization)

    def call(self, maps: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Maps of features, `[batch, rows, columns, channels]`.

        Args:
            maps: Images or maps, `[batch, rows, columns, channels]`.
            dropout_seed: int32 `[2]`; decides which units are dropped. None drops none.
        """
        for stage in self.stages:
            maps = self.activation(stage(maps))
        for block in self.blocks:
            maps = block(maps)
        return self.dropout(maps, dropout_seed, 0)


class Up(keras.layers.Layer):
    """Latents and their context to maps of features at a lower stage.

    Args:
        config: The model's configuration.
        start: The stage of the latents; None if they are a vector.
        end: The stage of the result.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(
        self,
        config: ModelConfig,
        start: int | None,
        end: int,
        initialization: Initialization,
        jit: bool,
    ) -> None:
        super().__init__(name="up")
        self.activation = keras.activations.get(config.activation)
        self.dropout = Dropout(config.dropout, jit)
        first = len(config.channels) if start is None else start
        self.sizes = sizes(config.image_shape, len(config.channels))
        self.first, self.end, self.is_vector = first, end, start is None
        self.shape = (-1, *self.sizes[first], config.channels[first - 1])
        height, width = self.sizes[first]
        self.merge = (
            initialization.dense(height * width * config.channels[first - 1])
            if start is None
            else initialization.convolution(config.channels[first - 1], BLOCK_KERNEL)
        )
        self.stages = [
            initialization.transposed_convolution(config.channels[stage - 1], KERNEL)
            for stage in range(first - 1, end - 1, -1)
        ]
        self.blocks = residual_blocks(config, end, initialization)

    def call(self, parts: Sequence[tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Maps of features, `[batch, rows, columns, channels]`.

        Args:
            parts: The latents, `[batch, dimensions]`, and their context, `[batch, units]` or
                `[batch, rows, columns, channels]`, if they have one. A vector is the same at all
                places of a map.
            dropout_seed: int32 `[2]`; decides which units are dropped. None drops none.
        """
        latents, *context = parts
        if not self.is_vector:
            height, width = self.sizes[self.first]
            latents = tf.reshape(
                latents, (-1, height, width, latents.shape[-1] // (height * width))
            )
            if context and context[0].shape.rank == 2:
                context = [tf.tile(context[0][:, None, None], (1, height, width, 1))]
        maps = self.activation(self.merge(tf.concat([latents, *context], axis=-1)))
        maps = tf.reshape(maps, self.shape)
        for stage, layer in zip(range(self.first - 1, self.end - 1, -1), self.stages, strict=True):
            height, width = self.sizes[stage]
            maps = self.activation(layer(maps)[:, :height, :width])
        for block in self.blocks:
            maps = block(maps)
        return self.dropout(maps, dropout_seed, 0)


class JoinedMaps(keras.layers.Layer):
    """A convolution of several maps, one after the other.

    Args:
        config: The model's configuration.
        stage: The stage of the maps.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(
        self, config: ModelConfig, stage: int, initialization: Initialization, jit: bool
    ) -> None:
        super().__init__(name="joined_maps")
        self.activation = keras.activations.get(config.activation)
        self.dropout = Dropout(config.dropout, jit)
        self.convolution = initialization.convolution(config.channels[stage - 1], BLOCK_KERNEL)

    def call(self, parts: Sequence[tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Maps of features, `[batch, rows, columns, channels]`.

        Args:
            parts: Maps `[batch, rows, columns, channels]`.
            dropout_seed: int32 `[2]`; decides which units are dropped. None drops none.
        """
        maps = self.activation(self.convolution(tf.concat(list(parts), axis=-1)))
        return self.dropout(maps, dropout_seed, 0)


class GaussianMaps(keras.layers.Layer):
    """The mean and the standard deviation of each number of a map of latents, from features.

    Args:
        channels: The number of channels of the latents.
        initialization: Makes the initial weights.
    """

    def __init__(self, channels: int, initialization: Initialization) -> None:
        super().__init__(name="gaussian_maps")
        self.mean = initialization.convolution(channels, BLOCK_KERNEL)
        self.log_variance = initialization.convolution(channels, BLOCK_KERNEL)

    def call(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Means and standard deviations, each `[batch, rows * columns * channels]`.

        Args:
            features: `[batch, rows, columns, units]`.
        """
        count = features.shape[1] * features.shape[2] * self.mean.filters
        mean, log_variance = (
            tf.reshape(layer(features), (-1, count)) for layer in (self.mean, self.log_variance)
        )
        return mean, tf.exp(0.5 * log_variance)


def residual_blocks(
    config: ModelConfig, stage: int, initialization: Initialization
) -> list[ResidualBlock]:
    """The residual blocks of a level: as many as a stage has.

    Args:
        config: The model's configuration.
        stage: The stage, whose channels they have.
        initialization: Makes the initial weights.
    """
    return [
        ResidualBlock(config.channels[stage - 1], config.activation, initialization)
        for _ in range(config.blocks)
    ]


def features(config: ModelConfig, initialization: Initialization, jit: bool) -> Any:
    """The layer from images to the features for each level.

    Args:
        config: The model's configuration.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """
    networks, done = list[keras.layers.Layer](), 0
    for stage in config.stages:
        if stage is None:
            # The network flattens maps.
            networks.append(vectors.multilayer(config, config.hidden, initialization, jit))
        else:
            networks.append(Down(config, done, stage, initialization, jit))
            done = stage
    return vectors.Features(networks)


def context(config: ModelConfig, level: int, initialization: Initialization, jit: bool) -> Any:
    """The layer from the latents of the level above and their context to the context of a level.

    Args:
        config: The model's configuration.
        level: The index of the level, from 0, next to the image.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """
    above, own = config.stages[level + 1], config.stages[level]
    if own is None:
        return vectors.context(config, level, initialization, jit)
    return Up(config, above, own, initialization, jit)


def joint(config: ModelConfig, level: int, initialization: Initialization, jit: bool) -> Any:
    """The layer from the features of the image for a level and its context to both together.

    Args:
        config: The model's configuration.
        level: The index of the level, from 0, next to the image.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """
    stage = config.stages[level]
    if stage is None:
        return vectors.joint(config, level, initialization, jit)
    return JoinedMaps(config, stage, initialization, jit)


def gaussian(config: ModelConfig, level: int, initialization: Initialization) -> Any:
    """The layer from features for a level to a Gaussian over its latents.

    Args:
        config: The model's configuration.
        level: The index of the level, from 0, next to the image.
        initialization: Makes the initial weights.
    """
    if config.stages[level] is None:
        return vectors.gaussian(config, level, initialization)
    return GaussianMaps(config.levels[level], initialization)


def image(config: ModelConfig, initialization: Initialization, jit: bool) -> Up:
    """The layer from the lowest level's latents, and their context if the image sees all levels, to
    maps of half of the image's height and width.

    Args:
        config: The model's configuration.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """
    return Up(config, config.stages[0], 1, initialization, jit)
