"""q(z|x): layers that map the encoder's features to a distribution over latents.

`Posterior` says what a posterior must offer, and what has a default. Adding one is a class, here or
in a file of its own, and a line in `kvae.registry.POSTERIORS`.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from kvae.data import random_numbers
from kvae.models.flows import Flowed, MaskedFlow, unflowed
from kvae.models.initialization import Initialization
from kvae.models.vae.config import ModelConfig

Change = Callable[[tf.Tensor], tf.Tensor]


class Posterior(keras.layers.Layer):
    """A map from features to q(z|x).

    A posterior must implement `call`, whose distribution must have reparameterised samples and
    `log_prob`. Its mean and standard deviation are estimated from samples where they have no closed
    form. A KL without a closed form is estimated from the samples of z that the ELBO takes.

    The doubly reparameterised gradient and training on several devices need a distribution with the
    method `with_parameters`, such as `DiagonalGaussian`.

    Args:
        config: The model's configuration.
        initialization: Makes the initial weights.
    """

    has_quick_log_prob = True
    """Whether `log_prob` of any latents takes one pass through the networks, rather than one pass
    for each dimension."""

    def __init__(self, config: ModelConfig, initialization: Initialization) -> None:
        super().__init__()

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        """q(z|x), batch shape `[batch]`, event shape `[latent]`.

        Args:
            features: The encoder's features, `[batch, units]`.
        """
        raise NotImplementedError


class DiagonalGaussian(tfd.Independent):
    """A Gaussian with independent dimensions.

    Args:
        loc: Means, `[batch, latent]`.
        scale: Standard deviations, `[batch, latent]`.
    """

    def __init__(self, loc: tf.Tensor, scale: tf.Tensor) -> None:
        super().__init__(tfd.Normal(loc, scale), 1)

    def with_parameters(self, change: Change) -> "DiagonalGaussian":
        """The Gaussian with the results of a function of each parameter in the parameter's place.

        Args:
            change: The function from a parameter to the one in its place.
        """
        return DiagonalGaussian(change(self.distribution.loc), change(self.distribution.scale))


class CholeskyGaussian(tfd.MultivariateNormalTriL):
    """`tfd.MultivariateNormalTriL` whose KL to independent Gaussians has a closed form."""

    def with_parameters(self, change: Change) -> "CholeskyGaussian":
        """The Gaussian with the results of a function of each parameter in the parameter's place.

        Args:
            change: The function from a parameter to the one in its place.
        """
        return CholeskyGaussian(*(change(self.parameters[name]) for name in ("loc", "scale_tril")))


@tfd.RegisterKL(CholeskyGaussian, tfd.Independent)
def _kl(posterior: CholeskyGaussian, prior: tfd.Independent, name: str | None = None) -> tf.Tensor:
    normal = prior.distribution
    if not isinstance(normal, tfd.Normal) or prior.event_shape.rank != 1:
        raise NotImplementedError
    factor = posterior.parameters["scale_tril"]
    moved = (posterior.parameters["loc"] - normal.loc) / normal.scale
    stretched = factor / normal.scale[..., None]
    log_det = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(stretched)), axis=-1)
    squares = tf.reduce_sum(moved**2, axis=-1) + tf.reduce_sum(stretched**2, axis=(-2, -1))
    return 0.5 * (squares - moved.shape[-1]) - log_det


class DiagonalNormal(Posterior):
    """A Gaussian with independent dimensions; two dense layers give its means and log-variances.

    Kingma & Welling (2014), Appendix C.2.
    """

    def __init__(self, config: ModelConfig, initialization: Initialization) -> None:
        super().__init__(config, initialization)
        self.mean = initialization.dense(config.latent, name="mean")
        self.log_variance = initialization.dense(config.latent, name="log_variance")

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        stddev = tf.exp(0.5 * self.log_variance(features))
        return DiagonalGaussian(self.mean(features), stddev)

    def start(self, stddev: np.ndarray) -> None:
        """Let the means start as the last features, and the standard deviations at some.

        Args:
            stddev: `[latent]`.
        """
        features, latent = self.mean.kernel.shape
        self.mean.kernel.assign(np.eye(features, latent, latent - features))
        self.log_variance.kernel.assign(tf.zeros_like(self.log_variance.kernel))
        self.log_variance.bias.assign(2 * np.log(stddev))


class FullNormal(Posterior):
    """A Gaussian with a full covariance matrix, which is given by its Cholesky factor.

    Kingma & Welling (2019), Section 2.5.2.
    """

    def __init__(self, config: ModelConfig, initialization: Initialization) -> None:
        super().__init__(config, initialization)
        latent = config.latent
        self.latent = latent
        self.mean = initialization.dense(latent, name="mean")
        self.log_diagonal = initialization.dense(latent, name="log_diagonal")
        self.below = initialization.dense(latent * (latent + 1) // 2, name="below")

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        diagonal = tf.exp(self.log_diagonal(features))
        # The elements of a row are relative to its diagonal element, so that the scale of a
        # dimension can change while its correlations stay the same.
        free = tfb.FillTriangular()(self.below(features))
        below = tf.linalg.set_diag(free / self.latent, tf.ones_like(diagonal))
        return CholeskyGaussian(self.mean(features), diagonal[..., None] * below)


class InverseAutoregressive(DiagonalNormal):
    """A diagonal Gaussian pushed through inverse autoregressive flows.

    Kingma et al. (2016), Section 3. The encoder's features are the context of the flows. A sample
    and its own log density take one pass through the networks; the log density of any other point
    takes one pass for each dimension.
    """

    has_quick_log_prob = False

    def __init__(self, config: ModelConfig, initialization: Initialization) -> None:
        super().__init__(config, initialization)
        self.flow = MaskedFlow(
            config.latent, config.flow_layers, config.flow_units, initialization, context=True
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # Keras builds the layers that a call uses, but cannot see those that a flow uses.
        contexts = [network.context for network in self.flow.networks]
        for dense in (self.mean, self.log_variance, *contexts):
            dense.build(input_shape)

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        return Flowed(super().call(features), tfb.Invert(self.flow.bijector(features)))


def detached(posterior: tfd.Distribution) -> tfd.Distribution:
    """The same distribution, with no gradient through its parameters.

    Args:
        posterior: q(z|x).

    Raises:
        NotImplementedError: The distribution has no `with_parameters`.
    """
    return _changed(posterior, tf.stop_gradient)


def sample_and_log_prob(
    posterior: tfd.Distribution, seed: tf.Tensor, samples: tuple[int, ...] = ()
) -> tuple[tf.Tensor, tf.Tensor]:
    """Samples of z and their log densities, the same for any number of devices.

    Args:
        posterior: q(z|x) of the rows of a batch that this device has.
        seed: int32 `[2]`; decides the samples of all rows of the batch.
        samples: The shape of the samples of each row; `()` is one sample.

    Returns:
        Samples `[*samples, rows, latent]`, and log_q `[*samples, rows]`.

    Raises:
        NotImplementedError: Several devices share the batch, and the distribution has no
            `with_parameters`.
    """
    replicas = random_numbers.replicas()
    if replicas == 1:
        return posterior.experimental_sample_and_log_prob(samples, seed=seed)
    # Each device takes samples for the whole batch, and keeps those of its own rows. That way a
    # row's samples do not depend on the number of devices. The device does not know the parameters
    # of the other rows and does not need their samples, so its own parameters take their place.
    base, onwards = unflowed(posterior)
    whole = _changed(base, lambda each: tf.concat([each] * replicas, axis=0))
    points, _ = whole.experimental_sample_and_log_prob(samples, seed=seed)
    points = random_numbers.own_rows(points, axis=len(samples))
    latents, log_det = onwards(points)
    return latents, base.log_prob(points) - log_det


def _changed(posterior: tfd.Distribution, change: Change) -> tfd.Distribution:
    if not hasattr(posterior, "with_parameters"):
        raise NotImplementedError(f"{posterior.name} has no method with_parameters")
    return posterior.with_parameters(change)
