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
from kvae.models.hierarchical import maps, vectors
from kvae.models.hierarchical.config import ModelConfig
from kvae.models.hierarchical.vectors import of_level
from kvae.models.initialization import Initialization


class Place(NamedTuple):
    """Where the generative path has come to, at the prior of a level.

    Attributes:
        level: The index of the level, from 0, next to the image.
        context: Features of the latents of all levels above, `[batch, units]`, or maps of them,
            `[batch, rows, columns, units]`; None at the top.
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
        context: Features of the latents of all levels above the lowest, as in `Place`.
        labels: The one-hot label of each row, `[batch, classes]`; None without labels.
    """

    latents: list[tf.Tensor]
    context: tf.Tensor
    labels: tf.Tensor | None


Choose = Callable[[Place], tf.Tensor]
"""From the place at a level to the level's latents u, `[batch, dimensions]`."""


class Decoder(keras.Model):
    """p(x|u): networks from level to level, then one to the image, then the likelihood.

    It maps float32 latents, `[batch, latents]`, to a distribution with batch shape `[batch]` and
    event shape `[height, width, channels]`. The latents are u of all levels one after the other,
    from the image upwards. Those of a conditional model are followed by a one-hot label.

    Args:
        config: The model's configuration.
        seed: Decides the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(self, config: ModelConfig, seed: int = 0, jit: bool = True) -> None:
        super().__init__(name="decoder")
        initialization = Initialization(None, seed, stream=1)
        self.dimensions, self.classes = config.dimensions, len(config.classes)
        self.sees_all = config.image_from == "all"
        parts, below = maps if config.map_sides else vectors, range(len(config.levels) - 1)
        self.contexts = [parts.context(config, level, initialization, jit) for level in below]
        self.priors = [parts.gaussian(config, level, initialization) for level in below]
        self.network = parts.image(config, initialization, jit)
        likelihood = registry.resolve(registry.LIKELIHOODS, config.likelihood)
        self.likelihood = likelihood(config.image_shape, config.mean_activation, initialization)

    def descend(
        self,
        choose: Choose,
        dropout_seed: tf.Tensor | None = None,
        labels: tf.Tensor | None = None,
    ) -> Path:
        """Follow the generative path from the top level to the lowest.

        Args:
            choose: The function that chooses each level's latents u, once the levels above are
                known.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
            labels: The one-hot label of each row, `[batch, classes]`, of a conditional model.
        """
        top = len(self.dimensions) - 1
        context, found = None, [choose(Place(top, None, 0.0, 1.0))]
        for level in reversed(range(top)):
            # What is below the top sees the label, or features of it.
            known = labels if context is None else context
            above = [found[0]] if known is None else [found[0], known]
            context = self.contexts[level](above, of_level(dropout_seed, level))
            mean, stddev = self.priors[level](context)
            found.insert(0, mean + stddev * choose(Place(level, context, mean, stddev)))
        return Path(found, context, labels)

    def path(self, latents: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> Path:
        """The generative path through given latents.

        Args:
            latents: u of all levels, `[batch, latents]`, and the label of a conditional model.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        *each, labels = tf.split(latents, [*self.dimensions, self.classes], axis=-1)
        known = labels if self.classes else None
        return self.descend(lambda place: each[place.level], dropout_seed, known)

    def image(self, path: Path, dropout_seed: tf.Tensor | None = None) -> tfd.Distribution:
        """p(x|z): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            path: What the image is decoded from.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        known = path.context if self.sees_all else path.labels
        seen = [path.latents[0]] if known is None else [path.latents[0], known]
        return self.likelihood(self.network(seen, of_level(dropout_seed, len(self.dimensions))))

    def call(self, latents: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tfd.Distribution:
        """p(x|u): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            latents: u of all levels, float32 `[batch, latents]`, and the label of a conditional
                model.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        return self.image(self.path(latents, dropout_seed), dropout_seed)
