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


def shifted(images: tf.Tensor, most: int, seed: tf.Tensor, jit: bool = False) -> tf.Tensor:
    """Shift each image up or down and left or right, by whole pixels, at random.

    Pixels that come in from outside mirror those at the edge, which itself is not repeated.

    Args:
        images: float32 `[count, height, width, channels]`.
        most: The largest number of pixels in each direction, less than height and width. All
            shifts up to it have the same probability.
        seed: int32 `[2]`; decides the random numbers.
        jit: Whether the function that calls this is compiled with XLA.
    """
    count, height, width, _ = images.shape
    padded = tf.pad(images, [[0, 0], [most, most], [most, most], [0, 0]], "REFLECT")
    uniform = random_numbers.uniform(tf.constant([count, 2]), seed, algorithm(jit))
    first = tf.cast(uniform * (2 * most + 1), tf.int32)
    rows, columns = first[:, :1] + tf.range(height), first[:, 1:] + tf.range(width)
    return tf.gather(tf.gather(padded, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def to_float(images: tf.Tensor, binarize: str, seed: tf.Tensor, jit: bool = False) -> tf.Tensor:
    """Convert pixels to float32 in [0, 1]; real numbers stay as they are.

    Args:
        images: uint8 pixels, or float32 numbers, of any shape.
        binarize: `none` keeps the grey levels; `threshold` makes a pixel white from one half on;
            `dynamic` makes it white with its grey level as the probability, anew for each seed.
        seed: int32 `[2]`; decides the random numbers of `dynamic`.
        jit: Whether the function that calls this is compiled with XLA.
    """
    if images.dtype == tf.float32:
        return images
    grey = tf.cast(images, tf.float32) / 255
    if binarize == "threshold":
        return tf.cast(grey >= 0.5, tf.float32)
    if binarize == "dynamic":
        uniform = random_numbers.uniform(tf.shape(grey), seed, algorithm(jit))
        return tf.cast(uniform < grey, tf.float32)
    return grey
