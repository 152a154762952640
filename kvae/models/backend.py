"""What models run on: TensorFlow under Keras, and a GPU where TensorFlow sees one."""

import contextlib

import keras
import tensorflow as tf

from kvae.errors import KvaeError

if keras.backend.backend() != "tensorflow":
    raise KvaeError(
        f"Keras runs on {keras.backend.backend()!r} here, and kvae needs TensorFlow: "
        "set KERAS_BACKEND=tensorflow"
    )

# A GPU is shared with others: take of its memory what is used. Once something has run on it, that
# has been decided.
for gpu in tf.config.list_physical_devices("GPU"):
    with contextlib.suppress(RuntimeError):
        tf.config.experimental.set_memory_growth(gpu, True)
