"""Puts many images through a model, some at a time, so that memory is bounded."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.config import Config
from kvae.models.base import given, seed_pair
from kvae.models.build import cost
from kvae.progress import Progress, silent

NUMBERS = 2**24
"""The largest layer of the images that go through a model together has at most so many numbers, or
64 MiB. Without gradients, a few layers are in memory at a time."""
FEW = 1000
FEW_NUMBERS = 2**20
"""At most so many images, of at most so many pixels in all, always go together: their layers are
not large, and counting the activations takes longer than they do."""


def rows_at_once(config: Config, most: int = NUMBERS) -> int:
    """How many images may go through a model together.

    Args:
        config: The model's configuration.
        most: The largest number that is wanted, 1 or more. Without it, memory alone decides.
    """
    if most <= FEW and most * math.prod(config.model.image_shape) <= FEW_NUMBERS:
        return most
    return max(1, min(most, NUMBERS // max(1, cost(config).largest)))


def in_chunks(
    function: Callable[[int, np.ndarray], Any],
    count: int,
    rows: int,
    progress: Progress = silent,
    description: str = "",
) -> Any:
    """Call a function with the numbers of some rows at a time, and join the results.

    All chunks have the same number of rows, so that a compiled function is traced once. The last
    one is filled up with the first rows, and the surplus results are cut off.

    Args:
        function: From the number of a chunk's first row, and the numbers of its rows, `[rows]`, to
            tensors `[rows, ...]` in any structure. None stands for what the model has not.
        count: The number of rows, 1 or more.
        rows: How many rows go together.
        progress: Shows how much is done.
        description: What is done, in a word.

    Returns:
        The structure, with arrays `[count, ...]`.
    """

    def join(*parts: tf.Tensor | None) -> np.ndarray | None:
        found = [np.asarray(part) for part in parts if part is not None]
        return np.concatenate(found)[:count] if found else None

    starts = range(0, count, rows)
    chunks = [
        function(start, np.arange(start, start + rows) % count)
        for start in progress(starts, len(starts), description)
    ]
    return tf.nest.map_structure(join, *chunks)


def of_rows(
    model: Any,
    function: Callable[[Any, tf.Tensor, tf.Tensor], tf.Tensor],
    values: np.ndarray,
    seed: int = 0,
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """Call a function with as many rows at a time as go through a model together.

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

    def part(start: int, index: np.ndarray) -> tf.Tensor:
        seen = given(model, None if labels is None else labels[index])
        return function(seen, tf.constant(values[index]), _seed_of_part(seed, start))

    found: np.ndarray = in_chunks(part, len(values), rows_at_once(model.config, len(values)))
    return found


def sampled(model: Any, count: int, seed: int) -> np.ndarray:
    """New images of a model: float32 `[count, height, width, channels]` in [0, 1].

    Args:
        model: A model that generates images.
        count: The number of images, 1 or more.
        seed: Decides all random numbers.
    """
    rows = rows_at_once(model.config, count)
    parts = [
        model.sample(min(rows, count - start), _seed_of_part(seed, start))
        for start in range(0, count, rows)
    ]
    return np.concatenate(parts)


def _seed_of_part(seed: int, start: int) -> tf.Tensor:
    """Rows that all go together have the random numbers of the seed itself."""
    pair = seed_pair(seed)
    return tf.random.experimental.stateless_fold_in(pair, start) if start else pair
