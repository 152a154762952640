"""The multilayer perceptron."""

import keras
import tensorflow as tf

from kvae.data import random_numbers
from kvae.data.pixels import algorithm
from kvae.models.initialization import Initialization


class MLP(keras.layers.Layer):
    """Dense layers in a chain, each followed by dropout in training.

    It maps images or latents, `[batch, ...]`, to features `[batch, units]`.

    Args:
        units: The number of units of each layer, in order.
        activation: Activation of each layer; a name of `keras.activations`.
        dropout: Share of units that are dropped in training (Srivastava et al., 2014).
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
        self.dropout = dropout
        self.generator = algorithm(jit)
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
            features = layer(features)
            if dropout_seed is not None and self.dropout:
                # Keras's own layer keeps a state, which a resumed run would have to restore.
                seed = tf.random.experimental.stateless_fold_in(dropout_seed, index)
                uniform = random_numbers.uniform(tf.shape(features), seed, self.generator)
                kept = features * (1 / (1 - self.dropout))
                features = tf.where(uniform >= self.dropout, kept, 0.0)
        return features
