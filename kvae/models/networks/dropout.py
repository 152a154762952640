"""Dropout whose random numbers a seed decides."""

import tensorflow as tf

from kvae.data import random_numbers
from kvae.data.pixels import algorithm


class Dropout:
    """Drops units of hidden layers in training (Srivastava et al., 2014).

    Keras's own layer keeps a state, which a resumed run would have to restore.

    Args:
        rate: Share of units that are dropped.
        jit: Whether training is compiled with XLA.
    """

    def __init__(self, rate: float, jit: bool) -> None:
        self.rate = rate
        self.generator = algorithm(jit)

    def __call__(self, features: tf.Tensor, seed: tf.Tensor | None, layer: int) -> tf.Tensor:
        """The features with some units set to zero, and the others enlarged to make up for it.

        Args:
            features: `[batch, ...]`.
            seed: int32 `[2]`; decides which units are dropped. None drops none.
            layer: The number of the hidden layer, of which each drops other units.
        """
        if seed is None or not self.rate:
            return features
        own = tf.random.experimental.stateless_fold_in(seed, layer)
        uniform = random_numbers.uniform(tf.shape(features), own, self.generator)
        return tf.where(uniform >= self.rate, features * (1 / (1 - self.rate)), 0.0)
