"""p(z): layers whose `distribution()` is a distribution over latents.

`Prior` says what a prior must offer, and what has a default. Adding one is a class, here or in a
file of its own, and a line in `kvae.registry.PRIORS`.
"""

import math
from collections.abc import Callable
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from kvae.errors import UsageError
from kvae.models.aggregated import LADDER, best_mixture, largest_mixture
from kvae.models.flows import Flowed, MaskedFlow
from kvae.models.initialization import Initialization
from kvae.progress import Progress, silent

LEAST_GAIN = 0.1
"""A larger fitted mixture must be better by so many nats. Fitting many of them takes minutes."""
STANDARD_SHARE = 0.001
"""The weight of N(0, I) in a fitted mixture."""
TINY = 1e-30
"""The weight of a component that no sample comes from."""
LOGIT_SCALE = 10.0
"""By this the learned logits of a label's components are multiplied. Adam moves every number by
about its learning rate in a step, and logits must become larger than the weights of a network
before a label has no more than its own components."""


def _standard_normal(latent: int) -> tfd.Distribution:
    return tfd.Independent(tfd.Normal(tf.zeros(latent), tf.ones(latent)), 1)


class PriorConfig(Protocol):
    """What priors need of a model's configuration, whatever its family is."""

    image_shape: tuple[int, int, int]
    latent: int
    components: int
    flow_layers: int
    flow_units: int
    classes: tuple[str, ...]


class Prior(keras.layers.Layer):
    """A distribution over latents.

    A prior must implement `distribution`, whose distribution must have samples and `log_prob`. Its
    mean and standard deviation are estimated from samples where they have no closed form. A prior
    with weights makes them in `make_weights`.

    In a conditional model, the points of any prior are scaled and shifted in another way for each
    label. A prior whose shape depends on the label, too, implements `given`.

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

    def sample(self, count: int, seed: tf.Tensor, generator: str) -> tf.Tensor:
        """Samples from p(z), float32 `[count, latent]`, with a choice of the random numbers.

        In a function that is compiled with XLA, TensorFlow's choice can take longer than the rest
        of a training step.

        Args:
            count: The number of samples.
            seed: int32 `[2]`; decides the samples.
            generator: `philox` or `threefry`, as `kvae.data.pixels.algorithm` returns it. By
                default a prior has no choice, and this is not used.
        """
        return self.distribution().sample(count, seed=seed)

    def given(self, labels: tf.Tensor) -> tfd.Distribution:
        """p(z|y) before it is scaled and shifted; by default it is the same for all labels.

        Args:
            labels: One-hot labels, float32 `[classes]` or `[batch, classes]`.

        Returns:
            Event shape `[latent]`, batch shape `[]` or `[batch]`.
        """
        return self.distribution()


class StandardNormal(Prior):
    """N(0, I), which has no weights."""

    def distribution(self) -> tfd.Distribution:
        return _standard_normal(self.latent)

    def sample(self, count: int, seed: tf.Tensor, generator: str) -> tf.Tensor:
        return tf.random.stateless_normal((count, self.latent), seed, alg=generator)


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

    def sample_chosen(self, chosen: tf.Tensor, seed: tf.Tensor, generator: str) -> tf.Tensor:
        """One sample of each chosen Gaussian, `[..., latent]`.

        Args:
            chosen: Indices of Gaussians, `[...]`.
            seed: int32 `[2]`; decides the samples.
            generator: The kind of random numbers, as TensorFlow names it.
        """
        shape = tf.concat([tf.shape(chosen), self.event_shape], axis=0)
        noise = tf.random.stateless_normal(shape, seed, alg=generator)[..., None]
        factors = tf.gather(self._factor, chosen)
        solved = tf.linalg.triangular_solve(factors, noise, lower=False, adjoint=True)
        return tf.gather(self._loc, chosen) + solved[..., 0]

    def _mean(self) -> tf.Tensor:
        return tf.identity(self._loc)

    def _variance(self) -> tf.Tensor:
        inverse = tf.linalg.triangular_solve(
            self._factor, tf.eye(self._loc.shape[1], batch_shape=[self._loc.shape[0]]), lower=False
        )
        # The covariance is inverse^T inverse.
        return tf.reduce_sum(inverse**2, axis=-2)


class WeightedComponents(tfd.Distribution):
    """A mixture, or a batch of mixtures that have the same components and other weights.

    `tfd.MixtureSameFamily` would draw a sample of every component to keep one of them. With 100
    Gaussians, that took most of a training step of an adversarial network.

    Args:
        logits: The logarithms of the weights up to a constant, `[count]` or `[batch, count]`.
        components: Batch shape `[count]`, event shape `[latent]`.

    Attributes:
        components_distribution: The components, as in `tfd.MixtureSameFamily`.
    """

    def __init__(self, logits: tf.Tensor, components: tfd.Distribution) -> None:
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters={"logits": logits, "components": components},
            name="WeightedComponents",
        )
        self._logits, self.components_distribution = logits, components

    def _batch_shape(self) -> tf.TensorShape:
        return self._logits.shape[:-1]

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._logits)[:-1]

    def _event_shape(self) -> tf.TensorShape:
        return self.components_distribution.event_shape

    def _event_shape_tensor(self) -> tf.Tensor:
        return self.components_distribution.event_shape_tensor()

    def _log_prob(self, latents: tf.Tensor) -> tf.Tensor:
        each = self.components_distribution.log_prob(latents[..., None, :])
        return tf.reduce_logsumexp(tf.nn.log_softmax(self._logits) + each, axis=-1)

    def _sample_n(
        self, count: tf.Tensor, seed: tf.Tensor, generator: str = "auto_select"
    ) -> tf.Tensor:
        # Devices that share a batch rely on the order of these numbers: those of `count` samples
        # of a batch are those of one sample of a batch that is `count` times as long.
        seeds = tfp.random.split_seed(seed, 2)
        shape = tf.concat([[count], tf.shape(self._logits)], axis=0)
        lowest = np.finfo(np.float32).tiny
        noise = tf.random.stateless_uniform(shape, seeds[0], minval=lowest, alg=generator)
        # The largest of the logits with Gumbel noise is a sample (Gumbel, 1954).
        chosen = tf.argmax(self._logits - tf.math.log(-tf.math.log(noise)), axis=-1)
        if isinstance(self.components_distribution, WhitenedNormal):
            return self.components_distribution.sample_chosen(chosen, seeds[1], generator)
        each = self.components_distribution.sample(tf.shape(chosen), seed=seeds[1])
        return tf.gather(each, chosen, axis=chosen.shape.rank, batch_dims=chosen.shape.rank)

    def _mean(self) -> tf.Tensor:
        return tf.tensordot(self.weights(), self.components_distribution.mean(), 1)

    def _variance(self) -> tf.Tensor:
        second = self.components_distribution.variance() + self.components_distribution.mean() ** 2
        return tf.tensordot(self.weights(), second, 1) - self._mean() ** 2

    def _stddev(self) -> tf.Tensor:
        return tf.sqrt(self._variance())

    def weights(self) -> tf.Tensor:
        """The probability of each component, `[count]` or `[batch, count]`."""
        return tf.nn.softmax(self._logits)


class Mixture(Prior):
    """A mixture of Gaussians with full covariance matrices. All parameters are learned.

    When training ends, a mixture that is fitted to the latents takes its place, if it is no worse:
    samples from it resemble more of the training images.

    The components of a conditional model are the same for all labels, and their weights are not.
    Nothing is fitted then.
    """

    def make_weights(
        self, config: PriorConfig, initialization: Initialization, images: np.ndarray | None
    ) -> None:
        count, latent = config.components, config.latent
        self.logits = _weights_of(self, config)
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
        return WeightedComponents(tf.convert_to_tensor(self.logits), self._components())

    def sample(self, count: int, seed: tf.Tensor, generator: str) -> tf.Tensor:
        return self.distribution().sample(count, seed=seed, generator=generator)

    def given(self, labels: tf.Tensor) -> tfd.Distribution:
        logits = LOGIT_SCALE * tf.tensordot(labels, tf.convert_to_tensor(self.logits), 1)
        return WeightedComponents(logits, self._components())

    def _components(self) -> tfd.Distribution:
        above = tf.linalg.band_part(tf.convert_to_tensor(self.above), 0, -1)
        factors = tf.linalg.set_diag(above, tf.exp(self.log_diagonals))
        return WhitenedNormal(tf.convert_to_tensor(self.means), factors)

    def assign(self, weights: np.ndarray, means: np.ndarray, factors: np.ndarray) -> None:
        """Change the weights of this layer to the given parameters of a mixture.

        Args:
            weights: The probability of each component, `[components]`, positive.
            means: The mean of each component, `[components, latent]`.
            factors: Factors of the precision matrices, `precision = factor factor^T`:
                `[components, latent, latent]`, upper triangular with a positive diagonal.
        """
        self.logits.assign(np.log(weights))
        self.means.assign(means)
        self.log_diagonals.assign(np.log(np.diagonal(factors, axis1=1, axis2=2)))
        self.above.assign(factors)

    def begin(self) -> None:
        """Be what the networks are trained with, because a training begins."""

    def fit(
        self,
        latents: np.ndarray,
        held_out: np.ndarray,
        images: int,
        seed: int,
        progress: Progress = silent,
    ) -> None:
        """Become the largest fitted mixture under which held-out latents are as probable as now.

        It has at most as many components as the configuration says. If there is none, nothing
        changes.

        Args:
            latents: Samples of z from q(z|x) of training images, `[count, latent]`.
            held_out: Those of validation images, `[other count, latent]`.
            images: The number of the training images.
            seed: Decides where the components start.
            progress: Shows how many mixtures were tried.
        """
        now = self.distribution().log_prob(held_out.astype(np.float32))
        most = int(self.logits.shape[0])
        sizes = [size for size in LADDER if size <= most]
        enough = float(tf.reduce_mean(now))
        fitted = largest_mixture(latents, held_out, images, sizes, enough, seed, progress)
        if fitted is not None:
            self._assign_first(fitted.weights, fitted.means, fitted.factors)

    def _assign_first(self, weights: np.ndarray, means: np.ndarray, factors: np.ndarray) -> None:
        """Assign a mixture of fewer components: those that are not needed have no weight."""
        rest = int(self.logits.shape[0]) - len(weights)
        self.assign(
            np.concatenate([np.maximum(weights, TINY), np.full(rest, TINY)]),
            np.concatenate([means, np.zeros((rest, self.latent))]),
            np.concatenate([factors, np.tile(np.eye(self.latent), (rest, 1, 1))]),
        )


class Fitted(Mixture):
    """N(0, I) while a model is trained, and then a mixture that is fitted to its latents.

    The networks are trained as with N(0, I), whose KL has a closed form; samples then come from
    where the latents of training images are (Ghosh et al., 2020).
    """

    def make_weights(
        self, config: PriorConfig, initialization: Initialization, images: np.ndarray | None
    ) -> None:
        super().make_weights(config, initialization, images)
        # Equal components of this kind are N(0, I), and it stays so until the mixture is fitted.
        self.means.assign(tf.zeros_like(self.means))
        self.trainable = False
        self._in_training = False

    def distribution(self) -> tfd.Distribution:
        return _standard_normal(self.latent) if self._in_training else super().distribution()

    def begin(self) -> None:
        """Be N(0, I) from now on, because a training begins."""
        self._in_training = True

    def fit(
        self,
        latents: np.ndarray,
        held_out: np.ndarray,
        images: int,
        seed: int,
        progress: Progress = silent,
    ) -> None:
        """Become the mixture under which held-out latents have the highest likelihood.

        It has at most as many components as the configuration says. N(0, I) stays if held-out
        latents have a higher likelihood under it.

        Args:
            latents: Samples of z from q(z|x) of training images, `[count, latent]`.
            held_out: Those of validation images, `[other count, latent]`.
            images: The number of the training images.
            seed: Decides where the components start.
            progress: Shows how many mixtures were tried.
        """
        components = int(self.logits.shape[0])
        best, found = best_mixture(
            latents,
            held_out,
            images,
            [size for size in LADDER if size < max(2, components)],
            seed,
            progress,
            least_gain=LEAST_GAIN,
        )
        standard = _standard_normal(self.latent).log_prob(held_out.astype(np.float32))
        self._in_training = False
        if found[best.components] <= float(tf.reduce_mean(standard)):
            parameters = np.ones(1), np.zeros((1, self.latent)), np.eye(self.latent)[None]
        else:
            parameters = best.weights, best.means, best.factors
            if best.components < components:
                # So the latents of an unusual image are never far less probable than under N(0, I).
                parameters = (
                    np.append((1 - STANDARD_SHARE) * best.weights, STANDARD_SHARE),
                    np.concatenate([best.means, np.zeros((1, self.latent))]),
                    np.concatenate([best.factors, np.eye(self.latent)[None]]),
                )
        self._assign_first(*parameters)


class Vamp(Prior):
    """A mixture, with equal weights, of the posteriors q(z|x) of learned pseudo-inputs.

    Tomczak & Welling (2018), Equation 9. The pseudo-inputs start as training images, and are
    clipped to [0, 1].

    In a conditional model, they are encoded with all labels in equal shares, and have weights for
    each label.
    """

    def make_weights(
        self, config: PriorConfig, initialization: Initialization, images: np.ndarray | None
    ) -> None:
        self.pseudo_inputs = self.add_weight(
            shape=(config.components, *config.image_shape),
            initializer="zeros",
            name="pseudo_inputs",
        )
        if config.classes:
            self.logits = _weights_of(self, config)
        if images is not None:
            if config.components > len(images):
                raise UsageError(
                    f"components must be at most the {len(images):,} training images that the "
                    f"vamp prior starts from, got {config.components}"
                )
            chosen = images[initialization.choice(len(images), config.components)]
            self.pseudo_inputs.assign(chosen / np.float32(255))

    def distribution(self) -> tfd.Distribution:
        count = self.pseudo_inputs.shape[0]
        return WeightedComponents(tf.zeros(count), self._components())

    def given(self, labels: tf.Tensor) -> tfd.Distribution:
        logits = LOGIT_SCALE * tf.tensordot(labels, tf.convert_to_tensor(self.logits), 1)
        return WeightedComponents(logits, self._components())

    def _components(self) -> tfd.Distribution:
        return self._encode(tf.clip_by_value(self.pseudo_inputs, 0.0, 1.0))


class FlowedGiven(Flowed):
    """A flow that sees labels, whose moments are estimated for each label and not for each row.

    Args:
        flowed: The distribution, with the batch shape of the labels.
        labels: One-hot labels, float32 `[classes]` or `[batch, classes]`.
        of_each_label: Makes the distribution with a batch of one row for each label, in order.
    """

    def __init__(
        self, flowed: Flowed, labels: tf.Tensor, of_each_label: Callable[[], Flowed]
    ) -> None:
        super().__init__(flowed.distribution, flowed.bijector)
        self._labels, self._of_each_label = labels, of_each_label

    def _mean(self) -> tf.Tensor:
        return tf.tensordot(self._labels, self._of_each_label().mean(), 1)

    def _variance(self) -> tf.Tensor:
        return tf.tensordot(self._labels, self._of_each_label().variance(), 1)


class Flow(Prior):
    """N(0, I) pushed through masked autoregressive flows (Papamakarios et al., 2017).

    In a conditional model, the networks of the flows see the label.
    """

    def make_weights(
        self, config: PriorConfig, initialization: Initialization, images: np.ndarray | None
    ) -> None:
        self.classes = len(config.classes)
        self.flow = MaskedFlow(
            config.latent,
            config.flow_layers,
            config.flow_units,
            initialization,
            context=self.classes > 0,
        )
        for network in self.flow.networks:
            if network.context is not None:
                # All weights must be there before training starts.
                network.context.build((None, self.classes))

    def distribution(self) -> tfd.Distribution:
        return Flowed(_standard_normal(self.latent), self.flow.bijector())

    def given(self, labels: tf.Tensor) -> tfd.Distribution:
        return FlowedGiven(self._flowed(labels), labels, lambda: self._flowed(tf.eye(self.classes)))

    def _flowed(self, labels: tf.Tensor) -> Flowed:
        zeros = tf.zeros(tf.concat([tf.shape(labels)[:-1], [self.latent]], axis=0))
        zeros.set_shape((*labels.shape[:-1], self.latent))
        base = tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), 1)
        return Flowed(base, self.flow.bijector(labels))


def _weights_of(prior: Prior, config: PriorConfig) -> tf.Variable:
    """The logarithms of a mixture's weights, `[components]`, or `[classes, components]`."""
    classes = (len(config.classes),) if config.classes else ()
    return prior.add_weight(shape=(*classes, config.components), initializer="zeros", name="logits")
