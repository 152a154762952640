"""p(z): layers whose `distribution()` is a distribution over latents.

`Prior` says what a prior must offer, and what has a default. Adding one is a class, here or in a
file of its own, and a line in `kvae.registry.PRIORS`.
"""

import math
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.errors import UsageError
from kvae.models.flows import Flowed, MaskedFlow
from kvae.models.initialization import Initialization


def _standard_normal(latent: int) -> tfd.Distribution:
    return tfd.Independent(tfd.Normal(tf.zeros(latent), tf.ones(latent)), 1)


class PriorConfig(Protocol):
    """What priors need of a model's configuration, whatever its family is."""

    image_shape: tuple[int, int, int]
    latent: int
    components: int
    flow_layers: int
    flow_units: int


class Prior(keras.layers.Layer):
    """A distribution over latents.

    A prior must implement `distribution`, whose distribution must have samples and `log_prob`. Its
    mean and standard deviation are estimated from samples where they have no closed form. A prior
    with weights makes them in `make_weights`.

    Args:
        config: The model's configuration.
        initialization: Makes the initial weights.
        encoder: The network from images to q(z|x).
        images: Training images, uint8 `[count, height, width, channels]`, for priors whose initial
            weights come from some of them; None where the weights are about to be restored.
    """

    def __init__(
        self,
        config: PriorConfig,
        initialization: Initialization,
        encoder: keras.Model,
        images: np.ndarray | None = None,
    ) -> None:
        super().__init__(name="prior")
        self.latent = config.latent
        # As an attribute, the encoder would be a part of this layer, and Keras would count its
        # weights twice. Inside a function it is not.
        self._encode = lambda pixels: encoder(pixels)
        self.make_weights(config, initialization, images)

    def make_weights(
        self, config: PriorConfig, initialization: Initialization, images: np.ndarray | None
    ) -> None:
        """Make the weights; by default there are none.

        Args:
            config: The model's configuration.
            initialization: Makes the initial weights.
            images: Training images, uint8 `[count, height, width, channels]`, or None.
        """

    def distribution(self) -> tfd.Distribution:
        """p(z): batch shape `[]`, event shape `[latent]`.

        This is a method of its own because a Keras 3 layer cannot be called without an input.
        """
        raise NotImplementedError


class StandardNormal(Prior):
    """N(0, I), which has no weights."""

    def distribution(self) -> tfd.Distribution:
        return _standard_normal(self.latent)


class WhitenedNormal(tfd.Distribution):
    """Gaussians that are given by factors of their precision matrices.

    `precision = factor factor^T`, as in the mixtures of scikit-learn. With these factors the
    log densities of many points under many Gaussians are one matrix product.
    `tfd.MultivariateNormalTriL` would solve a linear system for each pair of them.

    Args:
        loc: Means, `[count, latent]`.
        factor: Factors of the precision matrices, `[count, latent, latent]`, upper triangular with
            a positive diagonal.
    """

    def __init__(self, loc: tf.Tensor, factor: tf.Tensor) -> None:
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters={"loc": loc, "factor": factor},
            name="WhitenedNormal",
        )
        self._loc, self._factor = loc, factor

    def _batch_shape(self) -> tf.TensorShape:
        return self._loc.shape[:1]

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._loc)[:1]

    def _event_shape(self) -> tf.TensorShape:
        return self._loc.shape[1:]

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._loc)[1:]

    def _log_prob(self, latents: tf.Tensor) -> tf.Tensor:
        own = tf.einsum("kd,kde->ke", self._loc, self._factor)
        if latents.shape[-2] == 1:
            # A mixture asks for the same point under all Gaussians.
            white = tf.einsum("...d,kde->...ke", latents[..., 0, :], self._factor)
        else:
            white = tf.einsum("...kd,kde->...ke", latents, self._factor)
        log_determinant = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(self._factor)), axis=-1)
        constant = 0.5 * self._loc.shape[1] * math.log(2 * math.pi)
        return log_determinant - constant - 0.5 * tf.reduce_sum((white - own) ** 2, axis=-1)

    def _sample_n(self, count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        noise = tf.random.stateless_normal(tf.concat([[count], tf.shape(self._loc)], 0), seed)
        return self._loc + self._unwhiten(noise)

    def _unwhiten(self, white: tf.Tensor) -> tf.Tensor:
        # factor^-T white, for all samples of a Gaussian at once.
        columns = tf.transpose(white, [1, 2, 0])
        solved = tf.linalg.triangular_solve(self._factor, columns, lower=False, adjoint=True)
        return tf.transpose(solved, [2, 0, 1])

    def _mean(self) -> tf.Tensor:
        return tf.identity(self._loc)

    def _variance(self) -> tf.Tensor:
        inverse = tf.linalg.triangular_solve(
            self._factor, tf.eye(self._loc.shape[1], batch_shape=[self._loc.shape[0]]), lower=False
        )
        # The covariance is inverse^T inverse.
        return tf.reduce_sum(inverse**2, axis=-2)


class Mixture(Prior):
    """A mixture of Gaussians with full covariance matrices. All parameters are learned."""

    def make_weights(
        self, config: PriorConfig, initialization: Initialization, images: np.ndarray | None
    ) -> None:
        count, latent = config.components, config.latent
        self.logits = self.add_weight(shape=(count,), initializer="zeros", name="logits")
        self.means = self.add_weight(
            shape=(count, latent), initializer=initialization.normal(), name="means"
        )
        self.log_diagonals = self.add_weight(
            shape=(count, latent), initializer="zeros", name="log_diagonals"
        )
        self.above = self.add_weight(
            shape=(count, latent, latent), initializer="zeros", name="above"
        )

    def distribution(self) -> tfd.Distribution:
        above = tf.linalg.band_part(tf.convert_to_tensor(self.above), 0, -1)
        factors = tf.linalg.set_diag(above, tf.exp(self.log_diagonals))
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=tf.convert_to_tensor(self.logits)),
            WhitenedNormal(tf.convert_to_tensor(self.means), factors),
        )

    def assign(self, weights: np.ndarray, means: np.ndarray, factors: np.ndarray) -> None:
        """Change the weights of this layer to the given parameters of a mixture.

        Args:
            weights: The probability of each component, `[components]`, positive.
            means: The mean of each component, `[components, latent]`.
            factors: Factors of the precision matrices, `precision = factor factor^T`, as in
                scikit-learn's `precisions_cholesky_`: `[components, latent, latent]`, upper
                triangular with a positive diagonal.
        """
        self.logits.assign(np.log(weights))
        self.means.assign(means)
        self.log_diagonals.assign(np.log(np.diagonal(factors, axis1=1, axis2=2)))
        self.above.assign(factors)


class Vamp(Prior):
    """A mixture, with equal weights, of the posteriors q(z|x) of learned pseudo-inputs.

    Tomczak & Welling (2018), Equation 9. The pseudo-inputs start as training images, and are
    clipped to [0, 1].
    """

    def make_weights(
        self, config: PriorConfig, initialization: Initialization, images: np.ndarray | None
    ) -> None:
        self.pseudo_inputs = self.add_weight(
            shape=(config.components, *config.image_shape),
            initializer="zeros",
            name="pseudo_inputs",
        )
        if images is not None:
            if config.components > len(images):
                raise UsageError(
                    f"components must be at most the {len(images):,} training images that the "
                    f"vamp prior starts from, got {config.components}"
                )
            chosen = images[initialization.choice(len(images), config.components)]
            self.pseudo_inputs.assign(chosen / np.float32(255))

    def distribution(self) -> tfd.Distribution:
        components = self._encode(tf.clip_by_value(self.pseudo_inputs, 0.0, 1.0))
        count = self.pseudo_inputs.shape[0]
        return tfd.MixtureSameFamily(tfd.Categorical(logits=tf.zeros(count)), components)


class Flow(Prior):
    """N(0, I) pushed through masked autoregressive flows (Papamakarios et al., 2017)."""

    def make_weights(
        self, config: PriorConfig, initialization: Initialization, images: np.ndarray | None
    ) -> None:
        self.flow = MaskedFlow(config.latent, config.flow_layers, config.flow_units, initialization)

    def distribution(self) -> tfd.Distribution:
        return Flowed(_standard_normal(self.latent), self.flow.bijector())
