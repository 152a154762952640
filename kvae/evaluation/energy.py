"""Measures whether log Z is known well, whether chains mix, and whether hidden units are used."""

from typing import Any

import numpy as np
import tensorflow as tf

from kvae.evaluation.rows import Row
from kvae.evaluation.statistics import standard_error
from kvae.models.base import Partition

LARGE_ERROR = 0.5
"""The standard error of log Z, in nats, from which on it hides differences between models."""
ALIVE = 0.005
"""A unit is dead if it is on, or off, with a smaller mean probability than this."""
MANY_DEAD = 0.2
"""The share of dead units from which on something is to be done about them."""
CHAINS = 200
"""The number of chains of each kind that are compared."""
STEPS = 1000
"""The number of steps of each."""
APART = 0.5
"""Chains have not mixed if their means of log p(x) are further apart than so many of its standard
deviations."""
CURE_OF_ERROR = "try a smaller `learning_rate`, more `gibbs_steps` or `weight_decay`"
"""What to do about a log Z that is not known well: such a model has modes that are far apart."""
CURE_OF_CHAINS = "try more `gibbs_steps`, more `chains`, or a smaller `learning_rate`"
"""What to do about chains that do not mix."""
CURE_OF_DEAD = "fewer `hidden` units would do, or a smaller `learning_rate` might use them"
"""What to do about dead units."""


def partition_row(found: Partition) -> Row:
    """log Z, how it was found, and whether its error is small enough.

    Args:
        found: log Z of a model.
    """
    large = found.standard_error > LARGE_ERROR
    verdict = f"{found.method}; it is part of log p(x) of all images"
    if large:
        verdict = f"{found.method}: the error is TOO LARGE to compare models; {CURE_OF_ERROR}"
    values = {"value": found.value, "standard error": found.standard_error}
    return Row("log Z", "nats", values, verdict)


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


def unit_row(activity: np.ndarray) -> Row:
    """How many hidden units are dead.

    Args:
        activity: The mean probability that each unit is on, `[units]`.
    """
    dead = is_dead(activity)
    verdict = f"always on or always off: {CURE_OF_DEAD}"
    if dead.mean() < MANY_DEAD:
        verdict = "nearly all units are in use"
    return Row(f"dead hidden units, of {len(dead)}", "", {"value": float(dead.sum())}, verdict)


def mixing_row(from_images: np.ndarray, from_noise: np.ndarray) -> Row:
    """Whether chains that started at images and chains that started at noise end alike.

    Args:
        from_images: log p(x) where the former ended, `[chains]`, in nats.
        from_noise: log p(x) where the latter ended, `[chains]`, in nats.
    """
    difference = float(from_noise.mean() - from_images.mean())
    error = float(np.hypot(standard_error(from_images), standard_error(from_noise)))
    spread = float(max(from_images.std(), 1e-6))
    if abs(difference) > max(APART * spread, 3 * error):
        verdict = f"the chains do NOT mix in {STEPS} steps: {CURE_OF_CHAINS}"
    elif abs(difference) > 3 * error:
        verdict = (
            f"the chains have not quite mixed in {STEPS} steps: samples miss some kinds of image"
        )
    else:
        verdict = f"chains from noise and from images end alike after {STEPS} steps"
    return Row(
        "log p(x) of chains from noise, less that of chains from images",
        "nats",
        {"value": difference, "standard error": error},
        verdict,
    )


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
