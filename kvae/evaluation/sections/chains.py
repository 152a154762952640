"""Rows on log Z, on chains, and on hidden units."""

import numpy as np

from kvae.evaluation import energy
from kvae.evaluation.rows import Row
from kvae.evaluation.statistics import standard_error
from kvae.models.base import Partition

MANY_DEAD = 0.2
"""The share of dead units from which on something is to be done about them."""
APART = 0.5
"""Chains have not mixed if their means of log p(x) are further apart than so many of its standard
deviations."""
CURE_OF_CHAINS = "try more `gibbs_steps`, more `chains`, or a smaller `learning_rate`"
"""What to do about chains that do not mix."""
CURE_OF_DEAD = "fewer `hidden` units would do, or a smaller `learning_rate` might use them"
"""What to do about dead units."""


def partition_row(found: Partition) -> Row:
    """log Z, how it was found, and whether its error is small enough.

    Args:
        found: log Z of a model.
    """
    large = found.standard_error > energy.LARGE_ERROR
    verdict = f"{found.method}; it is part of log p(x) of all images"
    if large:
        verdict = (
            f"{found.method}: the error is TOO LARGE to compare models; {energy.CURE_OF_ERROR}"
        )
    values = {"value": found.value, "standard error": found.standard_error}
    return Row("log Z", "nats", values, verdict)


def unit_row(activity: np.ndarray) -> Row:
    """How many hidden units are dead.

    Args:
        activity: The mean probability that each unit is on, `[units]`.
    """
    dead = energy.is_dead(activity)
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
        verdict = f"the chains do NOT mix in {energy.STEPS} steps: {CURE_OF_CHAINS}"
    elif abs(difference) > 3 * error:
        verdict = (
            f"the chains have not quite mixed in {energy.STEPS} steps: samples miss some kinds of "
            "image"
        )
    else:
        verdict = f"chains from noise and from images end alike after {energy.STEPS} steps"
    return Row(
        "log p(x) of chains from noise, less that of chains from images",
        "nats",
        {"value": difference, "standard error": error},
        verdict,
    )
