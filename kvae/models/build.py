"""Builds a new model from a configuration, and counts the numbers that it keeps in memory."""

import functools
import math
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kvae.config import Config
from kvae.errors import KvaeError
from kvae.io import machine
from kvae.models.base import (
    Bounds,
    Discriminates,
    Generates,
    Reconstructs,
    new_model,
    of_any_label,
    seed_pair,
)

SMALLER = "give a smaller `image_size`, or fewer or smaller layers"
"""What to do about a model that takes too much memory."""
_ROWS = 7
"""The batch size with which activations are counted. They are recognised by it, so it must be a
number that is unlikely to be the first axis of anything else."""


class Cost(NamedTuple):
    """How many 32-bit numbers a model keeps in memory.

    Attributes:
        weights: The weights of the whole model.
        activations: The activations of one image, from the image to its reconstruction, or to its
            bound; or of a generated image, from its latents to its score.
        largest: The largest layer of these activations. Without gradients, only a few layers are
            kept at a time.
    """

    weights: int
    activations: int
    largest: int


def build(config: Config, images: np.ndarray | None = None) -> Any:
    """Build a new model, with the initial weights that the configuration's seed decides.

    Args:
        config: What `kvae.configure` returned.
        images: Training images, uint8 `[count, height, width, channels]`, for models whose initial
            weights come from some of them; None where the weights are about to be restored.

    Raises:
        UsageError: The model cannot start from these images.
        KvaeError: There is not enough memory for its weights, or Keras is set to compute in other
            numbers than float32.
    """
    machine.require_memory(4 * cost(config).weights, "such a model", SMALLER)
    return new_model(config, images)


def cost(config: Config) -> Cost:
    """How many numbers a model keeps in memory. The model's weights are not made for this.

    Args:
        config: The model's configuration.

    Raises:
        KvaeError: The sizes of the model are larger than TensorFlow's integers, or Keras is set to
            compute in other numbers than float32.
    """
    policy, floats = keras.config.dtype_policy().name, keras.config.floatx()
    if (policy, floats) != ("float32", "float32"):
        raise KvaeError(
            f"Keras is set to compute in {policy if policy != 'float32' else floats}, and kvae "
            "needs float32: call keras.config.set_dtype_policy('float32') and "
            "keras.config.set_floatx('float32')"
        )
    try:
        return _cost(config)
    except OverflowError as error:
        raise KvaeError(
            "such a model would take more memory than TensorFlow can count: choose a smaller one"
        ) from error


# It is asked for twice: before a model is built, and before it is trained.
@functools.lru_cache(maxsize=8)
def _cost(config: Config) -> Cost:
    # In a TensorFlow graph, networks are built and called without any numbers.
    with tf.Graph().as_default() as graph:
        model = new_model(config, None)
        weights = sum(math.prod(weight.shape) for weight in model.weights)
        before = len(graph.get_operations())
        images = tf.zeros((_ROWS, *config.model.image_shape))
        if isinstance(model, Reconstructs):
            of_any_label(model).reconstruct(images)
        elif isinstance(model, Bounds):
            of_any_label(model).statistics(images, seed_pair(0))
        elif isinstance(model, Generates) and isinstance(model, Discriminates):
            model.discriminate(model.sample(_ROWS, seed_pair(0)))
        activations = [
            output.shape.num_elements() // _ROWS
            for operation in graph.get_operations()[before:]
            for output in operation.outputs
            if output.dtype == tf.float32 and output.shape.rank and output.shape[0] == _ROWS
            if output.shape.is_fully_defined()
        ]
    return Cost(weights, sum(activations), max(activations, default=0))
