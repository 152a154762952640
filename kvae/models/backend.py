"""Checks that Keras runs on TensorFlow, and shares the memory of GPUs with other processes."""

import contextlib

import keras
import tensorflow as tf

from kvae.errors import KvaeError

if keras.backend.backend() != "tensorflow":
    raise KvaeError(
        f"Keras runs on {keras.backend.backend()!r} here, and kvae needs TensorFlow: "
        "set KERAS_BACKEND=tensorflow"
    )

# By default TensorFlow reserves all memory of a GPU, but other processes may need some of it. The
# setting cannot be changed once something has run on the GPU.
for gpu in tf.config.list_physical_devices("GPU"):
    with contextlib.suppress(RuntimeError):
        tf.config.experimental.set_memory_growth(gpu, True)
