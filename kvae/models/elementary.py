"""Elementary functions that are faster under XLA than TensorFlow's, and as accurate."""

from collections.abc import Callable

import tensorflow as tf


@tf.custom_gradient
def softplus(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """log(1 + exp(x)) of each element, with an absolute error of at most 1e-7.

    TensorFlow's softplus calls log1p, which XLA does not vectorise on CPUs: with a Gaussian
    likelihood it took a sixth of a training step. The error that log1p avoids is smaller than the
    rounding error of a float32 sum.

    Args:
        x: float32, of any shape.
    """

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return upstream * tf.sigmoid(x)

    return tf.nn.relu(x) + tf.math.log(1.0 + tf.exp(-tf.abs(x))), gradient
