"""The convolutional network: stages that each halve, or double, the height and the width.

From images: a stage is a convolution of stride 2, then residual blocks; dense layers follow the
last stage. From latents: the same in reverse, with transposed convolutions of stride 2 (Radford et
al., 2016). The last of these, which makes the image, is the likelihood's.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from kvae.models.initialization import Initialization
from kvae.models.networks import Network
from kvae.models.networks.dropout import Dropout
from kvae.models.networks.mlp import MLP

KERNEL = 4
"""The side of a kernel of stride 2. It is a multiple of the stride, so that transposed convolutions
give every pixel equally many terms (Odena et al., 2016)."""
BLOCK_KERNEL = 3
GROUP = 16
"""The channels of a group of group normalisation, as far as they can be shared equally."""


def sizes(image_shape: tuple[int, int, int], stages: int) -> list[tuple[int, int]]:
    """Height and width before each stage and after the last one; each is half, rounded up.

    Args:
        image_shape: Height, width, channels.
        stages: The number of stages.
    """
    found = [image_shape[:2]]
    for _ in range(stages):
        height, width = found[-1]
        found.append((-(-height // 2), -(-width // 2)))
    return found


class ResidualBlock(keras.layers.Layer):
    """Adds two convolutions, each after group normalisation and activation, to its input.

    He et al. (2016), and Wu & He (2018) for the normalisation, which does not depend on the other
    images of a batch. The second convolution starts at zero, and so the block as the identity.

    Args:
        channels: The number of channels.
        activation: A name of `keras.activations`.
        initialization: Makes the initial weights.
    """

    def __init__(self, channels: int, activation: str, initialization: Initialization) -> None:
        super().__init__()
        groups = next(n for n in range(max(1, channels // GROUP), 0, -1) if channels % n == 0)
        self.activation = keras.activations.get(activation)
        self.norms = [keras.layers.GroupNormalization(groups) for _ in range(2)]
        self.first = initialization.convolution(channels, BLOCK_KERNEL)
        self.second = initialization.convolution(channels, BLOCK_KERNEL, zero=True)

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        """Maps of features in the shape of the input, `[batch, rows, columns, channels]`.

        Args:
            maps: `[batch, rows, columns, channels]`.
        """
        inner = self.first(self.activation(self.norms[0](maps)))
        return maps + self.second(self.activation(self.norms[1](inner)))


class FromImages(keras.layers.Layer):
    """Stages of stride 2, then dense layers: images to features `[batch, units]`.

    Args:
        channels: The channels of each stage.
        blocks: The residual blocks of each stage.
        hidden: The units of each dense layer.
        activation: A name of `keras.activations`.
        dropout: Share of units that are dropped in training.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(
        self,
        channels: Sequence[int],
        blocks: int,
        hidden: tuple[int, ...],
        activation: str,
        dropout: float,
        initialization: Initialization,
        jit: bool,
    ) -> None:
        super().__init__()
        self.activation = keras.activations.get(activation)
        self.dropout = Dropout(dropout, jit)
        self.stages = [initialization.convolution(count, KERNEL, strides=2) for count in channels]
        self.blocks = [
            [ResidualBlock(count, activation, initialization) for _ in range(blocks)]
            for count in channels
        ]
        self.dense = MLP(hidden, activation, dropout, initialization, jit)

    def call(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """The features of images, `[batch, units]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which units are dropped. None drops no unit.
        """
        maps = images
        for index, (stage, blocks) in enumerate(zip(self.stages, self.blocks, strict=True)):
            maps = self.activation(stage(maps))
            for block in blocks:
                maps = block(maps)
            # Numbers that the dense layers do not use.
            maps = self.dropout(maps, dropout_seed, 1000 + index)
        return self.dense(maps, dropout_seed)


class FromLatents(keras.layers.Layer):
    """Dense layers, then stages that double height and width: latents to maps of features.

    Args:
        image_shape: Height, width, channels of the images.
        channels: The channels of each stage of the other half, which are used in reverse.
        blocks: The residual blocks of each stage.
        hidden: The units of each dense layer, in order.
        activation: A name of `keras.activations`.
        dropout: Share of units that are dropped in training.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        channels: Sequence[int],
        blocks: int,
        hidden: tuple[int, ...],
        activation: str,
        dropout: float,
        initialization: Initialization,
        jit: bool,
    ) -> None:
        super().__init__()
        self.activation = keras.activations.get(activation)
        self.dropout = Dropout(dropout, jit)
        self.dense = MLP(hidden, activation, dropout, initialization, jit)
        # The sizes of the maps, from the smallest to half of the image's.
        self.sizes = sizes(image_shape, len(channels))[:0:-1]
        height, width = self.sizes[0]
        self.first = initialization.dense(height * width * channels[-1])
        self.shape = (-1, height, width, channels[-1])
        self.stages = [
            initialization.transposed_convolution(count, KERNEL) for count in channels[-2::-1]
        ]
        self.blocks = [
            [ResidualBlock(count, activation, initialization) for _ in range(blocks)]
            for count in channels[::-1]
        ]

    def call(self, latents: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Maps of features of half of the image's height and width, rounded up.

        Args:
            latents: float32 `[batch, latent]`.
            dropout_seed: int32 `[2]`; decides which units are dropped. None drops no unit.
        """
        # No activation follows: without dense layers, the smallest maps are linear in the latents.
        maps = tf.reshape(self.first(self.dense(latents, dropout_seed)), self.shape)
        for index, ((height, width), blocks) in enumerate(
            zip(self.sizes, self.blocks, strict=True)
        ):
            if index:
                maps = self.activation(self.stages[index - 1](maps)[:, :height, :width])
            for block in blocks:
                maps = block(maps)
            maps = self.dropout(maps, dropout_seed, 1000 + index)
        return maps


NETWORK = Network(
    from_images=lambda config, initialization, jit: FromImages(
        config.channels, config.blocks, config.hidden, config.activation, config.dropout,
        initialization, jit,
    ),
    from_latents=lambda config, initialization, jit: FromLatents(
        config.image_shape, config.channels, config.blocks, config.hidden[::-1],
        config.activation, config.dropout, initialization, jit,
    ),
)  # fmt: skip
