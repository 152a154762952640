"""q(u|x) of all levels together, and what is inferred about each."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.models.hierarchical.decoder import Path
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


class Inference(Protocol):
    """How levels are inferred, one after the other."""

    dimensions: tuple[int, ...]
    """The number of latents of each level, from the image upwards."""

    def infer(
        self, features: list[tf.Tensor], choose: Choose, dropout_seed: tf.Tensor | None = None
    ) -> Inferred:
        """Infer all levels.

        Args:
            features: What is known of the images, tensors `[batch, ...]`.
            choose: The function that chooses the latents of each level, in the units in which
                inference has them: u from the top down, z from the bottom up.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """

    def at(
        self,
        latents: tf.Tensor,
        features: list[tf.Tensor],
        dropout_seed: tf.Tensor | None = None,
    ) -> Choose:
        """The function for `infer` that chooses given latents.

        Args:
            latents: u of all levels, `[batch, latents]`.
            features: Those that `infer` will have.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """


class Posterior(tfd.Distribution):
    """q(u|x) of all levels together. Its mean and standard deviation have no closed form.

    Args:
        encoder: The network that infers the levels.
        features: What the encoder knows of a batch of images, tensors `[batch, ...]`.
        dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
    """

    def __init__(
        self, encoder: Inference, features: list[tf.Tensor], dropout_seed: tf.Tensor | None = None
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
        each = tf.split(noise, self._encoder.dimensions, axis=-1)
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
        features = self._repeated(tf.shape(latents)[0])
        choose = self._encoder.at(latents, features, self._dropout_seed)
        return self._encoder.infer(features, choose, self._dropout_seed)

    def means(self) -> tf.Tensor:
        """The mean of each level given the means of those that are inferred before, `[batch,
        latents]`. This is not the mean of the distribution."""
        rows, latents = tf.shape(self._features[0])[0], sum(self._encoder.dimensions)
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
        return tf.TensorShape([sum(self._encoder.dimensions)])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([sum(self._encoder.dimensions)])

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
        shape = tf.stack([count, self._batch_shape_tensor()[0], sum(self._encoder.dimensions)])
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
