"""The discriminator. The generator is the decoder of a VAE."""

import keras
import tensorflow as tf

from kvae import registry
from kvae.models.adversarial.config import ModelConfig
from kvae.models.initialization import Initialization


class Discriminator(keras.Model):
    """A VAE's encoder with one output for each image, which is higher for images taken as real.

    It maps float32 images, `[batch, height, width, channels]`, to `[batch]`.

    Args:
        config: The model's configuration.
        seed: Decides the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(self, config: ModelConfig, seed: int = 0, jit: bool = True) -> None:
        super().__init__(name="discriminator")
        initialization = Initialization(config.initial_stddev, seed, stream=0)
        network = registry.resolve(registry.NETWORKS, config.network)
        self.network = network.from_images(config, initialization, jit)
        self.output_layer = initialization.dense(1, name="score")

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """The score of each image, `[batch]`: any number, the logit of being real with the
        non-saturating loss.

        Args:
            images: float32 `[batch, height, width, channels]`.
        """
        return self.output_layer(self.network(images))[:, 0]
