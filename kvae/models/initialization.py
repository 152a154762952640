"""Initial weights that a seed decides, without touching any global random state."""

from typing import Any

import keras
import numpy as np


class Initialization:
    """Hands out initialisers, each with a seed of its own, in the order of asking.

    Args:
        stddev: Standard deviation of N(0, stddev^2) for weights and biases; None is Keras's
            default (uniform weights of Glorot & Bengio, 2010; biases zero).
        seed: Decides all of them.
        stream: Separates networks that share a seed.
    """

    def __init__(self, stddev: float | None, seed: int, stream: int) -> None:
        self._stddev = stddev
        # RandomState's numbers never change from one NumPy to the next.
        self._seeds = np.random.RandomState([seed, stream])

    def dense(self, units: int, **options: Any) -> keras.layers.Dense:
        """A `keras.layers.Dense` with these initial weights."""
        return keras.layers.Dense(
            units,
            kernel_initializer=self._next(keras.initializers.GlorotUniform),
            bias_initializer=self._next(None) if self._stddev else "zeros",
            **options,
        )

    def glorot(self) -> keras.Initializer:
        """Uniform weights of Glorot & Bengio (2010), whatever `stddev` is."""
        return keras.initializers.GlorotUniform(seed=self._seed())

    def normal(self, stddev: float = 1.0) -> keras.Initializer:
        """N(0, stddev^2), whatever this object's own `stddev` is."""
        return keras.initializers.RandomNormal(stddev=stddev, seed=self._seed())

    def choice(self, population: int, count: int) -> np.ndarray:
        """`count` different ones of as many or more, in their order."""
        return np.sort(self._seeds.permutation(population)[:count])

    def _seed(self) -> int:
        return self._seeds.randint(2**31 - 1)

    def _next(self, default: Any) -> keras.Initializer:
        seed = self._seed()
        if self._stddev:
            return keras.initializers.RandomNormal(stddev=self._stddev, seed=seed)
        return default(seed=seed)
