"""Elementary functions that cost less than TensorFlow's under XLA, to the same accuracy."""

from collections.abc import Callable

import tensorflow as tf


@tf.custom_gradient
def softplus(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """log(1 + exp(x)), elementwise, to an absolute error of 1e-7.

    TensorFlow's calls log1p, which XLA does not vectorise on CPUs: with a Gaussian likelihood it
    took a sixth of a training step. What log1p would add is below a float32 sum's own rounding.
    """

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return upstream * tf.sigmoid(x)

    return tf.nn.relu(x) + tf.math.log(1.0 + tf.exp(-tf.abs(x))), gradient
