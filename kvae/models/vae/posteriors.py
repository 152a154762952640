"""q(z|x): Keras layers from the encoder's last hidden layer to a distribution over latents.

Each maps `[batch, units]` to a distribution with batch shape `[batch]` and event shape `[latent]`,
and is made with the model's configuration and the initialisation of its weights.
"""

from collections.abc import Callable

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from kvae.config import ModelConfig
from kvae.data import random_numbers
from kvae.models.flows import Flowed, MaskedFlow, unflowed
from kvae.models.initialization import Initialization


class DiagonalNormal(keras.layers.Layer):
    """A Gaussian with independent dimensions, from two linear heads: mean and log-variance.

    Kingma & Welling (2014), Appendix C.2.
    """

    def __init__(self, config: ModelConfig, initialization: Initialization) -> None:
        super().__init__()
        self.mean = initialization.dense(config.latent, name="mean")
        self.log_variance = initialization.dense(config.latent, name="log_variance")

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        stddev = tf.exp(0.5 * self.log_variance(hidden))
        return tfd.Independent(tfd.Normal(self.mean(hidden), stddev), 1)


class FullNormal(keras.layers.Layer):
    """A Gaussian whose dimensions covary, by the Cholesky factor of its covariance.

    Kingma & Welling (2019), Section 2.5.2.
    """

    def __init__(self, config: ModelConfig, initialization: Initialization) -> None:
        super().__init__()
        latent = config.latent
        self.latent = latent
        self.mean = initialization.dense(latent, name="mean")
        self.log_diagonal = initialization.dense(latent, name="log_diagonal")
        self.below = initialization.dense(latent * (latent + 1) // 2, name="below")

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        diagonal = tf.exp(self.log_diagonal(hidden))
        # Rows relative to the diagonal, so that a scale can change without all that is left of it.
        free = tfb.FillTriangular()(self.below(hidden))
        below = tf.linalg.set_diag(free / self.latent, tf.ones_like(diagonal))
        return Covarying(self.mean(hidden), diagonal[..., None] * below)


class Covarying(tfd.MultivariateNormalTriL):
    """`tfd.MultivariateNormalTriL` with a KL to independent Gaussians in closed form."""


@tfd.RegisterKL(Covarying, tfd.Independent)
def _kl(posterior: Covarying, prior: tfd.Independent, name: str | None = None) -> tf.Tensor:
    normal = prior.distribution
    if not isinstance(normal, tfd.Normal) or prior.event_shape.rank != 1:
        raise NotImplementedError
    factor = posterior.parameters["scale_tril"]
    moved = (posterior.parameters["loc"] - normal.loc) / normal.scale
    stretched = factor / normal.scale[..., None]
    log_determinant = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(stretched)), axis=-1)
    squares = tf.reduce_sum(moved**2, axis=-1) + tf.reduce_sum(stretched**2, axis=(-2, -1))
    return 0.5 * (squares - moved.shape[-1]) - log_determinant


class InverseAutoregressive(DiagonalNormal):
    """A diagonal Gaussian pushed through inverse autoregressive flows, with the encoder's last
    hidden layer as their context.

    Kingma et al. (2016), Section 3. A sample and its own density are one pass through the networks;
    the density of any other point takes a pass for each dimension.
    """

    def __init__(self, config: ModelConfig, initialization: Initialization) -> None:
        super().__init__(config, initialization)
        self.flow = MaskedFlow(
            config.latent, config.flow_layers, config.flow_units, initialization, context=True
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # Keras finds out by itself what a call builds, but not in a flow.
        contexts = [network.context for network in self.flow.networks]
        for dense in (self.mean, self.log_variance, *contexts):
            dense.build(input_shape)

    def call(self, hidden: tf.Tensor) -> tfd.Distribution:
        return Flowed(super().call(hidden), tfb.Invert(self.flow.bijector(hidden)))


def detached(posterior: tfd.Distribution) -> tfd.Distribution:
    """The same Gaussian, of whose parameters no gradient is taken.

    Raises:
        NotImplementedError: it is something else.
    """
    return _with_parameters(posterior, tf.stop_gradient)


def sample_and_log_prob(
    posterior: tfd.Distribution, seed: tf.Tensor, samples: tuple[int, ...] = ()
) -> tuple[tf.Tensor, tf.Tensor]:
    """Samples for each row of a batch that several devices may share, and their log densities.

    Args:
        posterior: q(z|x) of this replica's rows.
        seed: int32 `[2]`.
        samples: Shape of the samples of each row.

    Returns:
        `[*samples, rows, latent]` and `[*samples, rows]`.
    """
    replicas = random_numbers.replicas()
    if replicas == 1:
        return posterior.experimental_sample_and_log_prob(samples, seed=seed)
    # The whole batch's Gaussians are drawn from, of which only this replica's rows are not made up.
    base, onwards = unflowed(posterior)
    whole = _with_parameters(base, lambda each: tf.concat([each] * replicas, axis=0))
    points, _ = whole.experimental_sample_and_log_prob(samples, seed=seed)
    points = random_numbers.own_rows(points, axis=len(samples))
    latents, stretched = onwards(points)
    return latents, base.log_prob(points) - stretched


def _with_parameters(
    posterior: tfd.Distribution, change: Callable[[tf.Tensor], tf.Tensor]
) -> tfd.Distribution:
    if isinstance(posterior, Covarying):
        parameters = posterior.parameters
        return Covarying(*(change(parameters[name]) for name in ("loc", "scale_tril")))
    if isinstance(posterior, tfd.Independent) and isinstance(posterior.distribution, tfd.Normal):
        normal = posterior.distribution
        return tfd.Independent(tfd.Normal(change(normal.loc), change(normal.scale)), 1)
    raise NotImplementedError(f"{posterior} is no Gaussian")
