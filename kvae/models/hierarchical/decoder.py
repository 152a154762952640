"""p(x|u): the generative path from the top level down to the image.

The latents u of a level are those of the model, z, in the units of its prior given the levels
above: z = mean + stddev u. At the top z is u. So the prior of u needs no network, and the decoder
turns u into z, level by level.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae import registry
from kvae.models.hierarchical.config import ModelConfig
from kvae.models.initialization import Initialization
from kvae.models.networks.mlp import MLP


class Gaussian(keras.layers.Layer):
    """The mean and the standard deviation of each dimension of a Gaussian, from features.

    Args:
        dimensions: The number of dimensions.
        initialization: Makes the initial weights.
    """

    def __init__(self, dimensions: int, initialization: Initialization) -> None:
        super().__init__()
        self.mean = initialization.dense(dimensions, name="mean")
        self.log_variance = initialization.dense(dimensions, name="log_variance")

    def call(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Means and standard deviations, each `[batch, dimensions]`.

        Args:
            features: `[batch, units]`.
        """
        return self.mean(features), tf.exp(0.5 * self.log_variance(features))


class Place(NamedTuple):
    """Where the generative path has come to, at the prior of a level.

    Attributes:
        level: The index of the level, from 0, next to the image.
        context: Features of the latents of all levels above, `[batch, units]`; None at the top.
        mean: The mean of z given the levels above, `[batch, dimensions]`; 0 at the top.
        stddev: The standard deviation of z given the levels above; 1 at the top.
    """

    level: int
    context: tf.Tensor | None
    mean: tf.Tensor | float
    stddev: tf.Tensor | float


class Path(NamedTuple):
    """The latents that the generative path has passed.

    Attributes:
        latents: z of each level, from the image upwards, each `[batch, dimensions]`.
        context: Features of the latents of all levels above the lowest, `[batch, units]`.
    """

    latents: list[tf.Tensor]
    context: tf.Tensor


Choose = Callable[[Place], tf.Tensor]
"""From the place at a level to the level's latents u, `[batch, dimensions]`."""


class Decoder(keras.Model):
    """p(x|u): networks from level to level, then one to the image, then the likelihood.

    It maps float32 latents, `[batch, latents]`, to a distribution with batch shape `[batch]` and
    event shape `[height, width, channels]`. The latents are u of all levels one after the other,
    from the image upwards.

    Args:
        config: The model's configuration.
        seed: Decides the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(self, config: ModelConfig, seed: int = 0, jit: bool = True) -> None:
        super().__init__()
        initialization = Initialization(None, seed, stream=1)
        self.levels, self.sees_all = config.levels, config.image_from == "all"
        below = config.levels[:-1]
        self.contexts = [
            MLP(config.hidden[::-1], config.activation, config.dropout, initialization, jit)
            for _ in below
        ]
        self.priors = [Gaussian(dimensions, initialization) for dimensions in below]
        network = registry.resolve(registry.NETWORKS, config.network)
        self.network = network.from_latents(config, initialization, jit)
        likelihood = registry.resolve(registry.LIKELIHOODS, config.likelihood)
        self.likelihood = likelihood(config.image_shape, config.mean_activation, initialization)

    def descend(self, choose: Choose, dropout_seed: tf.Tensor | None = None) -> Path:
        """Follow the generative path from the top level to the lowest.

        Args:
            choose: The function that chooses each level's latents u, once the levels above are
                known.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        top = len(self.levels) - 1
        context, found = None, [choose(Place(top, None, 0.0, 1.0))]
        for level in reversed(range(top)):
            above = found[0] if context is None else tf.concat([found[0], context], axis=-1)
            context = self.contexts[level](above, of_level(dropout_seed, level))
            mean, stddev = self.priors[level](context)
            found.insert(0, mean + stddev * choose(Place(level, context, mean, stddev)))
        return Path(found, context)

    def path(self, latents: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> Path:
        """The generative path through given latents.

        Args:
            latents: u of all levels, `[batch, latents]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        each = tf.split(latents, self.levels, axis=-1)
        return self.descend(lambda place: each[place.level], dropout_seed)

    def image(self, path: Path, dropout_seed: tf.Tensor | None = None) -> tfd.Distribution:
        """p(x|z): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            path: What the image is decoded from.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        seen = path.latents[0]
        if self.sees_all:
            seen = tf.concat([seen, path.context], axis=-1)
        return self.likelihood(self.network(seen, of_level(dropout_seed, len(self.levels))))

    def call(self, latents: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tfd.Distribution:
        """p(x|u): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            latents: u of all levels, float32 `[batch, latents]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        return self.image(self.path(latents, dropout_seed), dropout_seed)


def of_level(seed: tf.Tensor | None, level: int) -> tf.Tensor | None:
    """The seed of the dropout of one level's networks; None where nothing is dropped.

    Args:
        seed: int32 `[2]`, of all levels; None drops none.
        level: The index of the level.
    """
    return None if seed is None else tf.random.experimental.stateless_fold_in(seed, level)
