"""A model's weights, into checkpoints and out of them."""

from pathlib import Path

import tensorflow as tf

from kvae.errors import KvaeError
from kvae.models.vae import VAE


def variables(model: VAE) -> list[tf.Variable]:
    """The model's weights as TensorFlow's own variables, in the order of construction."""
    return [weight.value for weight in model.weights]


def restore(model: VAE, checkpoint: Path) -> None:
    """Give a model the values of a TensorFlow checkpoint that holds `variables` as `weights`.

    Args:
        model: Its weights are changed in place, all of them or none.
        checkpoint: Path of the checkpoint's files without `.index`.

    Raises:
        KvaeError: the checkpoint is missing, damaged, or of another model.
    """
    weights = variables(model)
    try:
        reader = tf.train.load_checkpoint(str(checkpoint))
        values = [
            reader.get_tensor(f"weights/{index}/.ATTRIBUTES/VARIABLE_VALUE")
            for index in range(len(weights))
        ]
        for weight, value in zip(weights, values, strict=True):
            weight.shape.assert_is_compatible_with(value.shape)
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        first = str(error).strip().splitlines()[0]
        raise KvaeError(f"cannot load the weights in {checkpoint.parent}: {first}") from error
    for weight, value in zip(weights, values, strict=True):
        weight.assign(value)
