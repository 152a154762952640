"""From stored pixels to what a model sees, on the device."""

import tensorflow as tf

from kvae.data import random_numbers


def algorithm(jit: bool) -> str:
    """The random number generator for as many numbers as there are pixels.

    XLA draws with ThreeFry at next to no cost, where Philox took half as long as the rest of a
    training step; TensorFlow's own kernels have Philox alone. The two draw different numbers.

    Args:
        jit: Whether they are drawn in a function that is compiled with XLA.
    """
    return "threefry" if jit and not tf.executing_eagerly() else "philox"


def to_float(images: tf.Tensor, binarize: str, seed: tf.Tensor, jit: bool = False) -> tf.Tensor:
    """Pixels as float32 in [0, 1].

    Args:
        images: uint8, any shape.
        binarize: `none`, `threshold` or `dynamic`, as `kvae.config.DataConfig` has it.
        seed: int32 `[2]`; decides what `dynamic` draws.
        jit: Whether this is compiled with XLA.
    """
    grey = tf.cast(images, tf.float32) / 255
    if binarize == "threshold":
        return tf.cast(grey >= 0.5, tf.float32)
    if binarize == "dynamic":
        uniform = random_numbers.uniform(tf.shape(grey), seed, algorithm(jit))
        return tf.cast(uniform < grey, tf.float32)
    return grey
