"""The two halves of the autoencoder: from images to maps of vectors, and back to p(x|codes)."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae import registry
from kvae.models.initialization import Initialization
from kvae.models.networks.conv import BLOCK_KERNEL, KERNEL, ResidualBlock, sizes
from kvae.models.networks.mlp import MLP
from kvae.models.quantized.config import ModelConfig

ACTIVATION = "silu"


class MapEncoder(keras.layers.Layer):
    """Stages of stride 2, then residual blocks: images to maps of vectors.

    Args:
        config: The model's configuration.
        size: The dimensions of a vector.
        initialization: Makes the initial weights.
        jit: Not used: there is no dropout.
    """

    def __init__(
        self, config: ModelConfig, size: int, initialization: Initialization, jit: bool
    ) -> None:
        super().__init__(name="encoder")
        self.activation = keras.activations.get(ACTIVATION)
        self.stages = [initialization.convolution(n, KERNEL, strides=2) for n in config.channels]
        self.blocks = [
            ResidualBlock(config.channels[-1], ACTIVATION, initialization)
            for _ in range(config.blocks)
        ]
        self.last = initialization.convolution(size, 1)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Maps of vectors, float32 `[batch, rows, columns, size]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
        """
        maps = images
        for stage in self.stages:
            maps = self.activation(stage(maps))
        for block in self.blocks:
            maps = block(maps)
        return self.last(maps)


class VectorEncoder(keras.layers.Layer):
    """Dense layers: images to maps of vectors that have one row.

    Args:
        config: The model's configuration.
        size: The dimensions of a vector.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(
        self, config: ModelConfig, size: int, initialization: Initialization, jit: bool
    ) -> None:
        super().__init__(name="encoder")
        self.dense = MLP(config.hidden, ACTIVATION, 0.0, initialization, jit)
        self.last = initialization.dense(config.code_positions * size)
        self.shape = (-1, 1, config.code_positions, size)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Maps of vectors, float32 `[batch, 1, code_positions, size]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
        """
        return tf.reshape(self.last(self.dense(images)), self.shape)


class MapFeatures(keras.layers.Layer):
    """Residual blocks, then stages that double height and width: maps of vectors to features.

    Args:
        config: The model's configuration.
        initialization: Makes the initial weights.
        jit: Not used: there is no dropout.
    """

    def __init__(self, config: ModelConfig, initialization: Initialization, jit: bool) -> None:
        super().__init__()
        self.activation = keras.activations.get(ACTIVATION)
        self.first = initialization.convolution(config.channels[-1], BLOCK_KERNEL)
        self.blocks = [
            ResidualBlock(config.channels[-1], ACTIVATION, initialization)
            for _ in range(config.blocks)
        ]
        self.stages = [
            initialization.transposed_convolution(n, KERNEL) for n in config.channels[-2::-1]
        ]
        # From twice the smallest maps to half of the image: the likelihood makes the image.
        self.sizes = sizes(config.image_shape, len(config.channels))[-2:0:-1]

    def call(self, vectors: tf.Tensor) -> tf.Tensor:
        """Maps of features of half of the image's height and width, rounded up.

        Args:
            vectors: float32 `[batch, rows, columns, size]`.
        """
        maps = self.first(vectors)
        for block in self.blocks:
            maps = block(maps)
        maps = self.activation(maps)
        for (height, width), stage in zip(self.sizes, self.stages, strict=True):
            maps = self.activation(stage(maps)[:, :height, :width])
        return maps


class VectorFeatures(keras.layers.Layer):
    """Dense layers: maps of vectors to features `[batch, units]`.

    Args:
        config: The model's configuration.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(self, config: ModelConfig, initialization: Initialization, jit: bool) -> None:
        super().__init__()
        self.dense = MLP(config.hidden[::-1], ACTIVATION, 0.0, initialization, jit)

    def call(self, vectors: tf.Tensor) -> tf.Tensor:
        """The features of maps of vectors, `[batch, units]`.

        Args:
            vectors: float32 `[batch, rows, columns, size]`.
        """
        return self.dense(vectors)


ENCODERS: dict[str, Any] = {"conv": MapEncoder, "mlp": VectorEncoder}
FEATURES: dict[str, Any] = {"conv": MapFeatures, "mlp": VectorFeatures}
"""The two halves by the name of the network."""


class Decoder(keras.Model):
    """p(x|codes): a network from the codes' vectors to features, then the likelihood.

    Args:
        config: The model's configuration.
        seed: Decides the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(self, config: ModelConfig, seed: int, jit: bool) -> None:
        super().__init__(name="decoder")
        initialization = Initialization(None, seed, stream=1)
        self.features = FEATURES[config.network](config, initialization, jit)
        likelihood = registry.resolve(registry.LIKELIHOODS, config.likelihood)
        # Under a discretized logistic, pixels are likely to be quite black or white only where its
        # mean may be outside of [0, 1].
        mean = "linear" if config.likelihood == "discretized-logistic" else "sigmoid"
        self.likelihood = likelihood(config.image_shape, mean, initialization)

    def call(self, vectors: tf.Tensor) -> tfd.Distribution:
        """p(x|codes): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            vectors: The vectors of the codes, float32 `[batch, rows, columns, size]`.
        """
        return self.likelihood(self.features(vectors))
