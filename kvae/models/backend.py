"""Shares the memory of GPUs with other processes."""

import contextlib

import tensorflow as tf

# By default TensorFlow reserves all memory of a GPU, but other processes may need some of it. The
# setting cannot be changed once something has run on the GPU.
for gpu in tf.config.list_physical_devices("GPU"):
    with contextlib.suppress(RuntimeError):
        tf.config.experimental.set_memory_growth(gpu, True)
