"""From stored pixels to what a model sees, on the device."""

import tensorflow as tf


def to_float(images: tf.Tensor, binarize: str, seed: tf.Tensor) -> tf.Tensor:
    """Pixels as float32 in [0, 1].

    Args:
        images: uint8, any shape.
        binarize: `none`, `threshold` or `dynamic`, as `kvae.config.DataConfig` has it.
        seed: int32 `[2]`; decides what `dynamic` draws.
    """
    grey = tf.cast(images, tf.float32) / 255
    if binarize == "threshold":
        return tf.cast(grey >= 0.5, tf.float32)
    if binarize == "dynamic":
        return tf.cast(tf.random.stateless_uniform(tf.shape(grey), seed) < grey, tf.float32)
    return grey
