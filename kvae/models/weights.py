"""A model's weights, and how they are restored from checkpoints."""

import glob
import os
import re
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kvae.errors import KvaeError, first_line
from kvae.io.reading import open_regular, read_text


def variables(model: keras.Model) -> list[tf.Variable]:
    """A model's weights as TensorFlow's own variables, in the order in which they were made.

    Args:
        model: A model of Keras.
    """
    return [weight.value for weight in model.weights]


def restore(model: keras.Model, checkpoint: Path) -> None:
    """Give a model the values of a TensorFlow checkpoint that holds `variables` as `weights`.

    Args:
        model: The model, whose weights are changed in place: all of them, or none after an error.
        checkpoint: Path of the checkpoint's files without `.index`.

    Raises:
        KvaeError: The checkpoint is missing, damaged, or of another model.
    """
    weights = variables(model)
    names = [f"weights/{index}/.ATTRIBUTES/VARIABLE_VALUE" for index in range(len(weights))]
    try:
        check_files(checkpoint)
        reader = tf.train.load_checkpoint(str(checkpoint))
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        # The index is checked first, because TensorFlow allocates as much memory as it says.
        for name, weight in zip(names, weights, strict=True):
            if name not in shapes:
                raise ValueError(f"there are {len(weights)} in such a model, and {name} is missing")
            if weight.shape != tf.TensorShape(shapes[name]) or types[name] != weight.dtype:
                raise ValueError(
                    f"{name} is {types[name].name} {shapes[name]}, but such a model has "
                    f"{weight.dtype.name} {weight.shape.as_list()}"
                )
        if f"weights/{len(weights)}/.ATTRIBUTES/VARIABLE_VALUE" in shapes:
            raise ValueError(f"there are {len(weights)} in such a model, and more are there")
        values = [reader.get_tensor(name) for name in names]
        if not all(np.isfinite(value).all() for value in values):
            raise ValueError("some are not finite (NaN or infinity)")
    except KvaeError as error:
        raise KvaeError(f"cannot load the weights in {checkpoint.parent}: {error}") from error
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        raise KvaeError(
            f"cannot load the weights in {checkpoint.parent}: {first_line(error)}"
        ) from error
    for weight, value in zip(weights, values, strict=True):
        weight.assign(value)


def check_files(checkpoint: Path) -> None:
    """Refuse a checkpoint whose files are not regular files.

    TensorFlow would wait for ever for the data of a pipe, or read a device without an end.

    Args:
        checkpoint: Path of the checkpoint's files without `.index`.

    Raises:
        KvaeError: A file is not a regular file, or cannot be opened.
    """
    for path in checkpoint.parent.glob(f"{glob.escape(checkpoint.name)}.*"):
        open_regular(path).close()


def check_list(folder: Path) -> None:
    """Refuse TensorFlow's list of the checkpoints in a folder if it is wrong.

    Args:
        folder: The folder of the checkpoints. The list is its file `checkpoint`, if there is one.

    Raises:
        KvaeError: The list is damaged, names checkpoints outside the folder, or names a newest
            checkpoint that does not exist.
    """
    path = folder / "checkpoint"
    if not os.path.lexists(path):
        return
    text = read_text(path)
    if not text.startswith("model_checkpoint_path: "):
        raise KvaeError(f"{path} is damaged: it names no checkpoint")
    for line in text.splitlines():
        named = re.fullmatch(r'(?:all_)?model_checkpoint_paths?: "([\w-][\w.-]*)"', line)
        if not named and not re.fullmatch(r"\w+: [\d.e+]+", line):
            raise KvaeError(f"{path} is damaged: {line!r:.80} is no checkpoint of that folder")
        if named and line.startswith("model") and not (folder / f"{named[1]}.index").is_file():
            raise KvaeError(f"there is no checkpoint {named[1]} in {folder}")
