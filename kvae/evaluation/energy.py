"""Measures of models with an energy: the error of log Z, where chains end, and dead units."""

from typing import Any

import numpy as np
import tensorflow as tf

from kvae.models.base import Partition

LARGE_ERROR = 0.5
"""The standard error of log Z, in nats, from which on it hides differences between models."""
ALIVE = 0.005
"""A unit is dead if it is on, or off, with a smaller mean probability than this."""
CHAINS = 200
"""The number of chains of each kind that are compared."""
STEPS = 1000
"""The number of steps of each."""
CURE_OF_ERROR = "try a smaller `learning_rate`, more `gibbs_steps` or `weight_decay`"
"""What to do about a log Z that is not known well: such a model has modes that are far apart."""


def partition_warning(found: Partition) -> str | None:
    """A sentence that says what to do about a log Z that is not known well; None if it is.

    Args:
        found: log Z of a model.
    """
    if found.standard_error <= LARGE_ERROR:
        return None
    return (
        f"log Z has a standard error of {found.standard_error:.1f} nats, and so has log p(x): "
        f"{CURE_OF_ERROR}"
    )


def is_dead(activity: np.ndarray) -> np.ndarray:
    """Which units are nearly always on or nearly always off, `[units]`.

    Args:
        activity: The mean probability that each unit is on, `[units]`.
    """
    return np.minimum(activity, 1 - activity) < ALIVE


def chain_ends(model: Any, images: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """log p(x) where chains end that started at images, and at noise: two of `[chains]`, in nats.

    Args:
        model: A model that is `EnergyBased`, and bounds log p(x).
        images: uint8 `[count, height, width, channels]`, of which up to `CHAINS` are used.
        seed: Decides all random numbers.
    """
    starts = model.inputs(images[:CHAINS], seed)
    pair = tf.constant([seed, 0])
    noise = tf.cast(tf.random.stateless_uniform(starts.shape, pair) < 0.5, tf.float32)
    ends = [model.walk(start, STEPS, seed + number) for number, start in enumerate((starts, noise))]
    found = [model.statistics(end, pair).terms["elbo"].numpy() for end in ends]
    return found[0], found[1]
