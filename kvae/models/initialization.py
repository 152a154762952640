"""Initial weights that a seed decides, without any global random state."""

from typing import Any

import keras
import numpy as np


class Initialization:
    """Makes initialisers, each with a seed of its own, which depends on the order of the calls.

    Args:
        stddev: Weights and biases start from N(0, stddev^2). None is Keras's default: uniform
            weights (Glorot & Bengio, 2010), and biases of zero.
        seed: Decides all initial weights.
        stream: Separates the random numbers of networks that share a seed.
    """

    def __init__(self, stddev: float | None, seed: int, stream: int) -> None:
        self._stddev = stddev
        # The numbers of RandomState are the same in every version of NumPy.
        self._seeds = np.random.RandomState([seed, stream])
        self._layers = 0

    def dense(self, units: int, **options: Any) -> keras.layers.Dense:
        """A `keras.layers.Dense` with these initial weights.

        Args:
            units: The number of units.
            options: Further arguments of the layer.
        """
        return keras.layers.Dense(
            units,
            kernel_initializer=self._next(keras.initializers.GlorotUniform),
            bias_initializer=self._next(None) if self._stddev else "zeros",
            **{"name": self._name("dense")} | options,
        )

    def convolution(
        self, channels: int, side: int, strides: int = 1, zero: bool = False
    ) -> keras.layers.Conv2D:
        """A `keras.layers.Conv2D` with these initial weights, which keeps the size of maps.

        Args:
            channels: The number of output channels.
            side: Height and width of the kernel.
            strides: By how much height and width are divided, rounded up.
            zero: Whether the weights start at zero.
        """
        kernel = self._next(keras.initializers.GlorotUniform)
        return keras.layers.Conv2D(
            channels,
            side,
            strides,
            padding="same",
            name=self._name("convolution"),
            kernel_initializer="zeros" if zero else kernel,
            bias_initializer=self._next(None) if self._stddev and not zero else "zeros",
        )

    def transposed_convolution(self, channels: int, side: int, **options: Any) -> Any:
        """A `keras.layers.Conv2DTranspose` with these initial weights, which doubles maps.

        Args:
            channels: The number of output channels.
            side: Height and width of the kernel.
            options: Further arguments of the layer.
        """
        return keras.layers.Conv2DTranspose(
            channels,
            side,
            2,
            padding="same",
            kernel_initializer=self._next(keras.initializers.GlorotUniform),
            bias_initializer=self._next(None) if self._stddev else "zeros",
            **{"name": self._name("transposed_convolution")} | options,
        )

    def glorot(self) -> keras.Initializer:
        """An initialiser of uniform weights (Glorot & Bengio, 2010), whatever this object's
        `stddev` is."""
        return keras.initializers.GlorotUniform(seed=self._seed())

    def normal(self, stddev: float = 1.0) -> keras.Initializer:
        """An initialiser from N(0, stddev^2), whatever this object's own `stddev` is.

        Args:
            stddev: The standard deviation.
        """
        return keras.initializers.RandomNormal(stddev=stddev, seed=self._seed())

    def choice(self, population: int, count: int) -> np.ndarray:
        """Choose different indices below `population` at random: `[count]`, in ascending order.

        Args:
            population: How many indices there are.
            count: How many are chosen; at most `population`.
        """
        return np.sort(self._seeds.permutation(population)[:count])

    def _name(self, kind: str) -> str:
        """The name of the next layer. Keras's own depend on how many layers there were before in
        the process, and the names of weights are in saved files."""
        self._layers += 1
        return f"{kind}_{self._layers}"

    def _seed(self) -> int:
        return self._seeds.randint(2**31 - 1)

    def _next(self, default: Any) -> keras.Initializer:
        seed = self._seed()
        if self._stddev:
            return keras.initializers.RandomNormal(stddev=self._stddev, seed=seed)
        return default(seed=seed)
