"""Puts many images through a model, some at a time, so that memory is bounded."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.config import Config
from kvae.models.base import given, seed_pair
from kvae.models.build import cost

NUMBERS = 2**24
"""The largest layer of the images that go through a model together has at most so many numbers, or
64 MiB. Without gradients, a few layers are in memory at a time."""
FEW = 1000
FEW_NUMBERS = 2**20
"""At most so many images, of at most so many pixels in all, always go together: their layers are
not large, and counting the activations takes longer than they do."""


def rows_at_once(config: Config, most: int) -> int:
    """How many images may go through a model together.

    Args:
        config: The model's configuration.
        most: The largest number that is wanted, 1 or more.
    """
    if most <= FEW and most * math.prod(config.model.image_shape) <= FEW_NUMBERS:
        return most
    return max(1, min(most, NUMBERS // max(1, cost(config).largest)))


def in_parts(
    model: Any,
    function: Callable[[Any, Any, tf.Tensor], Any],
    values: np.ndarray,
    seed: int = 0,
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """Call a function with some rows at a time, and join the results.

    Args:
        model: The model that the function uses.
        function: From the model, given the labels of some rows if it is conditional, these rows,
            and a seed, int32 `[2]`, to a tensor `[rows, ...]`.
        values: What the model sees, such as images or latents: `[count, ...]`; one row or more.
        seed: Decides all random numbers.
        labels: The number of each row's label, `[count]`, for a conditional model.

    Returns:
        `[count, ...]`.
    """
    parts = []
    for start, count, part_seed in _parts(model, len(values), seed):
        part = slice(start, start + count)
        seen = given(model, None if labels is None else labels[part])
        parts.append(np.asarray(function(seen, tf.constant(values[part]), part_seed)))
    return np.concatenate(parts)


def sampled(model: Any, count: int, seed: int) -> np.ndarray:
    """New images of a model: float32 `[count, height, width, channels]` in [0, 1].

    Args:
        model: A model that generates images.
        count: The number of images, 1 or more.
        seed: Decides all random numbers.
    """
    parts = [model.sample(some, of_part) for _, some, of_part in _parts(model, count, seed)]
    return np.concatenate(parts)


def _parts(model: Any, count: int, seed: int) -> Iterator[tuple[int, int, tf.Tensor]]:
    """The first row, the number of rows, and the seed of each part of so many rows."""
    rows, pair = rows_at_once(model.config, count), seed_pair(seed)
    for start in range(0, count, rows):
        # Rows that all go together have the random numbers of the seed itself.
        part_seed = tf.random.experimental.stateless_fold_in(pair, start) if start else pair
        yield start, min(rows, count - start), part_seed
