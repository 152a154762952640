"""Learning rates in the course of a training, by `keras.optimizers.schedules`."""

from typing import TypeAlias

import keras

Rate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule

LAST = 0.01
"""What `exponential` ends with, as a share of the first learning rate."""


def constant(first: float, steps: int) -> Rate:
    """`first` throughout."""
    return first


def cosine(first: float, steps: int) -> Rate:
    """Half a cosine from `first` to zero (Loshchilov & Hutter, 2017, without restarts)."""
    return keras.optimizers.schedules.CosineDecay(first, steps)


def exponential(first: float, steps: int) -> Rate:
    """By the same factor every step, from `first` to a hundredth of it."""
    return keras.optimizers.schedules.ExponentialDecay(first, steps, LAST)
