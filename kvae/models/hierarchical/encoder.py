"""q(u|x): the two orders in which levels are inferred, and the distribution that both make.

What u is, and how it is related to z, `kvae.models.hierarchical.decoder` says.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae import registry
from kvae.models.hierarchical.config import ModelConfig
from kvae.models.hierarchical.decoder import Decoder, Gaussian, Path, Place, of_level
from kvae.models.initialization import Initialization
from kvae.models.networks.mlp import MLP
from kvae.models.vae.posteriors import DiagonalGaussian


class Level(NamedTuple):
    """What is inferred about one level.

    Attributes:
        latents: u, `[batch, dimensions]`.
        posterior: The distribution of u given the image and the levels that were inferred before;
            batch shape `[batch]`, event shape `[dimensions]`.
        kl: The KL of each dimension from N(0, 1), `[batch, dimensions]`, in nats: in closed form
            given the levels above, or estimated from `latents` where there is none.
    """

    latents: tf.Tensor
    posterior: DiagonalGaussian
    kl: tf.Tensor


class Inferred(NamedTuple):
    """One point of the latent space for each row, and what is inferred there.

    Attributes:
        levels: The levels, from the image upwards.
        path: The generative path through the point.
    """

    levels: list[Level]
    path: Path

    @property
    def latents(self) -> tf.Tensor:
        """u of all levels, `[batch, latents]`."""
        return tf.concat([level.latents for level in self.levels], axis=-1)

    @property
    def log_q(self) -> list[tf.Tensor]:
        """log q of each level given those that were inferred before, each `[batch]`, in nats."""
        return [level.posterior.log_prob(level.latents) for level in self.levels]


Choose = Callable[[int, tf.Tensor, tf.Tensor], tf.Tensor]
"""From the index of a level, and the mean and the standard deviation of its posterior, to the
latents of the level; each `[batch, dimensions]`."""


class Encoder(keras.Model):
    """q(u|x): a network of images, then one for each level.

    It maps float32 images, `[batch, height, width, channels]`, to a distribution with batch shape
    `[batch]` and event shape `[latents]`.

    Args:
        config: The model's configuration.
        decoder: The generative path, which inference shares.
        seed: Decides the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(
        self, config: ModelConfig, decoder: Decoder, seed: int = 0, jit: bool = True
    ) -> None:
        super().__init__()
        self.levels, self.jit = config.levels, jit
        # As an attribute, the decoder would be a part of this network, and Keras would count its
        # weights twice. Inside a function it is not.
        self.decoder = lambda: decoder
        initialization = Initialization(None, seed, stream=0)
        network = registry.resolve(registry.NETWORKS, config.network)
        self.network = network.from_images(config, initialization, jit)
        # The networks of the levels above the lowest.
        self.upper = [
            MLP(config.hidden, config.activation, config.dropout, initialization, jit)
            for _ in config.levels[1:]
        ]
        self.make_heads(config, initialization)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # A call computes the features alone, and Keras builds only what a call uses.
        features = self.features(tf.zeros((1, *input_shape[1:])))
        self.infer(features, lambda level, mean, stddev: mean)

    def make_heads(self, config: ModelConfig, initialization: Initialization) -> None:
        """Make the layers that give the levels' posteriors.

        Args:
            config: The model's configuration.
            initialization: Makes the initial weights.
        """
        raise NotImplementedError

    def features(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> list[tf.Tensor]:
        """What inference needs of images and can be computed before any latents are known.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.

        Returns:
            Tensors `[batch, units]`.
        """
        raise NotImplementedError

    def infer(
        self, features: list[tf.Tensor], choose: Choose, dropout_seed: tf.Tensor | None = None
    ) -> Inferred:
        """Infer all levels, one after the other.

        Args:
            features: What `features` returned.
            choose: The function that chooses the latents of each level, in the units in which
                inference has them: u from the top down, z from the bottom up.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        raise NotImplementedError

    def at(self, latents: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> Choose:
        """The function for `infer` that chooses given latents.

        Args:
            latents: u of all levels, `[batch, latents]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        raise NotImplementedError

    def call(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> "Posterior":
        """q(u|x): batch shape `[batch]`, event shape `[latents]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        return Posterior(self, self.features(images, dropout_seed), dropout_seed)


class TopDown(Encoder):
    """Inference from the top level down: each posterior is an offset from the level's prior.

    Sønderby et al. (2016) and Vahdat & Kautz (2020), Section 3.2, Equation 2: the posterior is
    N(mean + stddev a, (stddev b)^2), where mean and stddev are those of the prior given the levels
    above. In the units of u it is N(a, b^2), and its KL from the prior does not depend on mean and
    stddev. Vahdat & Kautz do not multiply a by stddev.
    """

    def make_heads(self, config: ModelConfig, initialization: Initialization) -> None:
        # A hidden layer that sees what is above and the image together.
        self.joint = [
            MLP(config.hidden[-1:], config.activation, config.dropout, initialization, self.jit)
            for _ in config.levels[1:]
        ]
        self.heads = [Gaussian(dimensions, initialization) for dimensions in config.levels]

    def features(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> list[tf.Tensor]:
        """The features of images for each level, from the image upwards, each `[batch, units]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        found = [self.network(images, of_level(dropout_seed, 0))]
        for level, network in enumerate(self.upper, 1):
            found.append(network(found[-1], of_level(dropout_seed, level)))
        return found

    def top(self, images: tf.Tensor) -> tfd.Distribution:
        """q(u_L|x) of the top level: batch shape `[batch]`, event shape `[dimensions]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
        """
        return DiagonalGaussian(*self.heads[-1](self.features(images)[-1]))

    def infer(
        self, features: list[tf.Tensor], choose: Choose, dropout_seed: tf.Tensor | None = None
    ) -> Inferred:
        levels: list[Level] = []

        def inferred(place: Place) -> tf.Tensor:
            level, seen = place.level, features[place.level]
            if place.context is not None:
                both = tf.concat([seen, place.context], axis=-1)
                seen = self.joint[level](both, of_level(dropout_seed, len(features) + level))
            mean, stddev = self.heads[level](seen)
            latents, posterior = choose(level, mean, stddev), DiagonalGaussian(mean, stddev)
            kl = tfd.kl_divergence(posterior.distribution, tfd.Normal(0.0, 1.0))
            levels.insert(0, Level(latents, posterior, kl))
            return latents

        path = self.decoder().descend(inferred, dropout_seed)
        return Inferred(levels, path)

    def at(self, latents: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> Choose:
        each = tf.split(latents, self.levels, axis=-1)
        return lambda level, *_: each[level]


class BottomUp(Encoder):
    """Inference from the image upwards: q(z_1|x), q(z_2|z_1), and so on.

    Burda et al. (2016), Equation 3.
    """

    def make_heads(self, config: ModelConfig, initialization: Initialization) -> None:
        self.heads = [Gaussian(dimensions, initialization) for dimensions in config.levels]

    def features(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> list[tf.Tensor]:
        """The features of images for the lowest level, `[batch, units]`, alone in a list.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        return [self.network(images, of_level(dropout_seed, 0))]

    def infer(
        self, features: list[tf.Tensor], choose: Choose, dropout_seed: tf.Tensor | None = None
    ) -> Inferred:
        (seen,) = features
        posteriors, found = [], list[tf.Tensor]()
        for level, head in enumerate(self.heads):
            if level:
                network = self.upper[level - 1]
                seen = network(found[-1], of_level(dropout_seed, len(self.levels) + level))
            mean, stddev = head(seen)
            posteriors.append((mean, stddev))
            found.append(choose(level, mean, stddev))
        levels: list[Level] = []

        def rescaled(place: Place) -> tf.Tensor:
            mean, stddev = posteriors[place.level]
            latents = (found[place.level] - place.mean) / place.stddev
            posterior = DiagonalGaussian((mean - place.mean) / place.stddev, stddev / place.stddev)
            # The prior of the level depends on those above, which are inferred from this level:
            # given them, the distribution of its latents is not q.
            log_ratio = posterior.distribution.log_prob(latents) - tfd.Normal(0.0, 1.0).log_prob(
                latents
            )
            levels.insert(0, Level(latents, posterior, log_ratio))
            return latents

        path = self.decoder().descend(rescaled, dropout_seed)
        return Inferred(levels, path)

    def at(self, latents: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> Choose:
        path = self.decoder().path(latents, dropout_seed)
        return lambda level, *_: path.latents[level]


class Posterior(tfd.Distribution):
    """q(u|x) of all levels together. Its mean and standard deviation have no closed form.

    Args:
        encoder: The network that infers the levels.
        features: What `encoder.features` returned for a batch of images.
        dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
    """

    def __init__(
        self, encoder: Encoder, features: list[tf.Tensor], dropout_seed: tf.Tensor | None = None
    ) -> None:
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters={"encoder": encoder, "features": features, "dropout_seed": dropout_seed},
            name="HierarchicalPosterior",
        )
        self._encoder, self._features, self._dropout_seed = encoder, features, dropout_seed

    def infer(self, noise: tf.Tensor) -> Inferred:
        """Samples of the latents, and what is inferred there.

        Args:
            noise: Standard normal random numbers, `[samples * batch, latents]`: those of the first
                sample of all images first. Zeros give the mean of each level given the means of
                those that are inferred before.
        """
        each = tf.split(noise, self._encoder.levels, axis=-1)
        return self._encoder.infer(
            self._repeated(tf.shape(noise)[0]),
            lambda level, mean, stddev: mean + stddev * each[level],
            self._dropout_seed,
        )

    def at(self, latents: tf.Tensor) -> Inferred:
        """What is inferred at given latents.

        Args:
            latents: u of all levels, `[samples * batch, latents]`.
        """
        choose = self._encoder.at(latents, self._dropout_seed)
        return self._encoder.infer(self._repeated(tf.shape(latents)[0]), choose, self._dropout_seed)

    def means(self) -> tf.Tensor:
        """The mean of each level given the means of those that are inferred before, `[batch,
        latents]`. This is not the mean of the distribution."""
        rows, latents = tf.shape(self._features[0])[0], sum(self._encoder.levels)
        return self.infer(tf.zeros(tf.stack([rows, latents]))).latents

    def _repeated(self, rows: tf.Tensor) -> list[tf.Tensor]:
        """The features, tiled so that there are as many rows."""
        samples = rows // tf.shape(self._features[0])[0]
        return [
            tf.tile(each, tf.concat([[samples], tf.ones(each.shape.rank - 1, tf.int32)], axis=0))
            for each in self._features
        ]

    def _batch_shape(self) -> tf.TensorShape:
        return self._features[0].shape[:1]

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._features[0])[:1]

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([sum(self._encoder.levels)])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([sum(self._encoder.levels)])

    def _sample_n(self, count: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        return self._sampled(count, seed)[0]

    def _sample_and_log_prob(
        self, sample_shape: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        latents, log_q = self._sampled(tf.reduce_prod(sample_shape), seed)
        shape = tf.concat([sample_shape, tf.shape(log_q)[1:]], axis=0)
        event = self._event_shape_tensor()
        return tf.reshape(latents, tf.concat([shape, event], axis=0)), tf.reshape(log_q, shape)

    def _sampled(self, count: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Samples `[count, batch, latents]`, and log q at each, `[count, batch]`."""
        shape = tf.stack([count, self._batch_shape_tensor()[0], sum(self._encoder.levels)])
        noise = tf.random.stateless_normal(shape, seed)
        found = self.infer(tf.reshape(noise, (-1, noise.shape[-1])))
        log_q = tf.reshape(tf.add_n(found.log_q), shape[:2])
        return tf.reshape(found.latents, shape), log_q

    def _log_prob(self, latents: tf.Tensor) -> tf.Tensor:
        batch = self._batch_shape_tensor()
        shape = tf.broadcast_dynamic_shape(tf.shape(latents)[:-1], batch)
        whole = tf.concat([shape, self._event_shape_tensor()], axis=0)
        flat = tf.reshape(tf.broadcast_to(latents, whole), (-1, latents.shape[-1]))
        return tf.reshape(tf.add_n(self.at(flat).log_q), shape)
