"""The multilayer perceptron."""

import keras
import tensorflow as tf

from kvae.models.initialization import Initialization
from kvae.models.networks import Network
from kvae.models.networks.dropout import Dropout


class MLP(keras.layers.Layer):
    """Dense layers in a chain, each followed by dropout in training.

    It maps images or latents, `[batch, ...]`, to features `[batch, units]`.

    Args:
        units: The number of units of each layer, in order.
        activation: Activation of each layer; a name of `keras.activations`.
        dropout: Share of units that are dropped in training.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(
        self,
        units: tuple[int, ...],
        activation: str,
        dropout: float,
        initialization: Initialization,
        jit: bool,
    ) -> None:
        super().__init__()
        self.dropout = Dropout(dropout, jit)
        self.flatten = keras.layers.Flatten()
        self.hidden = [initialization.dense(count, activation=activation) for count in units]

    def call(self, inputs: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """The features of images or latents, `[batch, units]`.

        Args:
            inputs: Images or latents, `[batch, ...]`.
            dropout_seed: int32 `[2]`; decides which units are dropped. None drops no unit.
        """
        features = self.flatten(inputs)
        for index, layer in enumerate(self.hidden):
            features = self.dropout(layer(features), dropout_seed, index)
        return features


NETWORK = Network(
    from_images=lambda config, initialization, jit: MLP(
        config.hidden, config.activation, config.dropout, initialization, jit
    ),
    from_latents=lambda config, initialization, jit: MLP(
        config.hidden[::-1], config.activation, config.dropout, initialization, jit
    ),
)
