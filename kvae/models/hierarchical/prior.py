"""p(u) of all levels: that of the top level, and N(0, I) of the others."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.models.hierarchical.config import ModelConfig
from kvae.models.priors import Prior
from kvae.models.vae.conditional import ConditionalPrior


class OfTop(NamedTuple):
    """The configuration of the top level's prior, as `kvae.models.priors.PriorConfig` needs it."""

    image_shape: tuple[int, int, int]
    latent: int
    components: int
    flow_layers: int
    flow_units: int
    classes: tuple[str, ...]

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
            config.classes,
        )


class JointPrior(keras.layers.Layer):
    """The prior of all levels together, from the image upwards.

    Args:
        top: The prior of the top level, conditional or not.
        dimensions: The number of latents of each level, from the image upwards.
    """

    top: Any

    def __init__(self, top: Prior | ConditionalPrior, dimensions: Sequence[int]) -> None:
        super().__init__(name="prior")
        self.top, self.below = top, sum(dimensions[:-1])

    def of_top(self) -> tfd.Distribution:
        """p(u) of the top level: batch shape `[]`, event shape `[dimensions]`."""
        return self.top.distribution()

    def distribution(self) -> tfd.Distribution:
        """p(u): batch shape `[]`, event shape `[latents]`."""
        return joined(self.below, self.of_top())


class JointPriorGiven(NamedTuple):
    """The prior of all levels of a conditional model, with labels fixed.

    Attributes:
        prior: The prior.
        labels: One-hot labels, float32 `[batch, classes]` or `[classes]`.
    """

    prior: JointPrior
    labels: tf.Tensor

    def of_top(self) -> tfd.Distribution:
        """p(u|y) of the top level: batch shape `[batch]` or `[]`, event shape `[dimensions]`."""
        return self.prior.top.distribution(self.labels)

    def distribution(self) -> tfd.Distribution:
        """p(u|y): batch shape `[batch]` or `[]`, event shape `[latents]`."""
        return joined(self.prior.below, self.of_top())


def joined(below: int, top: tfd.Distribution) -> tfd.Distribution:
    """The distribution of all levels, those below the top from N(0, I).

    Args:
        below: The number of latents of all levels below the top.
        top: The distribution of those of the top level.
    """
    zeros = tf.zeros(tf.concat([top.batch_shape_tensor(), [below]], axis=0))
    standard = tfd.Normal(zeros, tf.ones_like(zeros))
    if isinstance(top, tfd.Independent) and isinstance(top.distribution, tfd.Normal):
        # So that all that is known of independent Gaussians is known of it.
        of_both = zip(
            (standard.loc, standard.scale),
            (top.distribution.loc, top.distribution.scale),
            strict=True,
        )
        return tfd.Independent(tfd.Normal(*(tf.concat(each, axis=-1) for each in of_both)), 1)
    return _Independent([tfd.Independent(standard, 1), top])


class _Independent(tfd.Blockwise):
    """Independent distributions of vectors, as one of a longer vector, with its deviations."""

    def _stddev(self) -> tf.Tensor:
        return tf.concat([each.stddev() for each in self.distributions], axis=-1)
