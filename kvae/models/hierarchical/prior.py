"""p(u) of all levels: that of the top level, and N(0, I) of the others."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.models.hierarchical.config import ModelConfig
from kvae.models.priors import Prior


class OfTop(NamedTuple):
    """The configuration of the top level's prior, as `kvae.models.priors.PriorConfig` needs it."""

    image_shape: tuple[int, int, int]
    latent: int
    components: int
    flow_layers: int
    flow_units: int

    @classmethod
    def of(cls, config: ModelConfig) -> "OfTop":
        """The configuration of the top level's prior.

        Args:
            config: The model's configuration.
        """
        return cls(
            config.image_shape,
            config.dimensions[-1],
            config.components,
            config.flow_layers,
            config.flow_units,
        )


class JointPrior(keras.layers.Layer):
    """The prior of all levels together, from the image upwards.

    Args:
        top: The prior of the top level.
        dimensions: The number of latents of each level, from the image upwards.
    """

    def __init__(self, top: Prior, dimensions: Sequence[int]) -> None:
        super().__init__()
        self.top, self._below = top, sum(dimensions[:-1])

    def distribution(self) -> tfd.Distribution:
        """p(u): batch shape `[]`, event shape `[latents]`."""
        top = self.top.distribution()
        if isinstance(top, tfd.Independent) and isinstance(top.distribution, tfd.Normal):
            # So that all that is known of independent Gaussians is known of it.
            loc, scale = top.distribution.loc, top.distribution.scale
            zeros, ones = tf.zeros(self._below), tf.ones(self._below)
            loc, scale = tf.concat([zeros, loc], axis=0), tf.concat([ones, scale], axis=0)
            return tfd.Independent(tfd.Normal(loc, scale), 1)
        below = tfd.Independent(tfd.Normal(tf.zeros(self._below), tf.ones(self._below)), 1)
        return _Independent([below, top])


class _Independent(tfd.Blockwise):
    """Independent distributions of vectors, as one of a longer vector, with its deviations."""

    def _stddev(self) -> tf.Tensor:
        return tf.concat([each.stddev() for each in self.distributions], axis=-1)
