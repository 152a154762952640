"""From stored pixels to the numbers that a model sees, on the device."""

import tensorflow as tf

from kvae.data import random_numbers


def algorithm(jit: bool) -> str:
    """The fastest random number generator for as many numbers as there are pixels.

    XLA generates ThreeFry's numbers at next to no cost, while Philox's took half as long as the
    rest of a training step. TensorFlow's own kernels have Philox only. The two give different
    numbers.

    Args:
        jit: Whether the numbers are generated in a function that is compiled with XLA.
    """
    return "threefry" if jit and not tf.executing_eagerly() else "philox"


def to_float(images: tf.Tensor, binarize: str, seed: tf.Tensor, jit: bool = False) -> tf.Tensor:
    """Convert pixels to float32 in [0, 1].

    Args:
        images: uint8, of any shape.
        binarize: `none` keeps the grey levels; `threshold` makes a pixel white from one half on;
            `dynamic` makes it white with its grey level as the probability, anew for each seed.
        seed: int32 `[2]`; decides the random numbers of `dynamic`.
        jit: Whether the function that calls this is compiled with XLA.
    """
    grey = tf.cast(images, tf.float32) / 255
    if binarize == "threshold":
        return tf.cast(grey >= 0.5, tf.float32)
    if binarize == "dynamic":
        uniform = random_numbers.uniform(tf.shape(grey), seed, algorithm(jit))
        return tf.cast(uniform < grey, tf.float32)
    return grey
