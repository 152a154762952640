"""Normalizing flows over latents: masked autoregressive networks under `tfp.bijectors`.

`tfb.AutoregressiveNetwork` is a layer of Keras 2, whose weights a Keras 3 model does not track.
"""

from collections.abc import Callable

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from kvae.models.estimates import mean, stddev
from kvae.models.initialization import Initialization

MAX_LOG_SCALE = 3.0
"""The largest absolute log-scale of each flow: without a limit, training can diverge."""
MOMENT_PAIRS = 32
"""The number of pairs of samples from which the moments of a flow are estimated."""


class MaskedNetwork(keras.layers.Layer):
    """A network that gives a shift and a log-scale for each dimension.

    They depend on the dimensions before it, and on a context. There are two hidden layers with
    masked weights (Germain et al., 2015). The last layer starts at zero, so that a new flow is the
    identity.

    Args:
        event: The number of dimensions.
        units: The number of units of each hidden layer.
        initialization: Makes the initial weights.
        context: Whether calls have a context.
    """

    def __init__(
        self, event: int, units: int, initialization: Initialization, context: bool = False
    ) -> None:
        super().__init__()
        self.event, self.units = event, units
        sizes = [(event, units), (units, units), (units, 2 * event)]
        self.kernels = [
            self.add_weight(
                shape=size,
                initializer=initialization.glorot() if index < 2 else "zeros",
                name=f"kernel_{index}",
            )
            for index, size in enumerate(sizes)
        ]
        self.biases = [
            self.add_weight(shape=(size[1],), initializer="zeros", name=f"bias_{index}")
            for index, size in enumerate(sizes)
        ]
        self.context = initialization.dense(units, use_bias=False) if context else None

    def masks(self) -> list[tf.Tensor]:
        """The mask of each kernel, float32 with the kernel's shape: 1 where a weight is used, and 0
        where it is not."""
        # A unit of degree m depends on the first m dimensions. One of degree 0 depends only on the
        # context.
        inputs, hidden = tf.range(self.event), tf.range(self.units) % self.event
        outputs = tf.tile(inputs, [2])
        seen = [
            hidden[None, :] > inputs[:, None],
            hidden[None, :] >= hidden[:, None],
            outputs[None, :] >= hidden[:, None],
        ]
        return [tf.cast(each, tf.float32) for each in seen]

    def call(
        self, values: tf.Tensor, context: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The shift and the log-scale, each with the shape of `values`.

        Args:
            values: The flow's outputs, `[..., event]`, or `[..., batch, event]` with a context.
            context: `[batch, features]`, or `[features]` for all rows; None for a network without a
                context.
        """
        kernels = [kernel * mask for kernel, mask in zip(self.kernels, self.masks(), strict=True)]
        features = tf.tensordot(values, kernels[0], 1) + self.biases[0]
        if self.context is not None and context is not None:
            rows = context if context.shape.rank == 2 else context[None]
            known = self.context(rows)
            features += known if context.shape.rank == 2 else known[0]
        features = tf.nn.silu(features)
        features = tf.nn.silu(tf.tensordot(features, kernels[1], 1) + self.biases[1])
        outputs = tf.tensordot(features, kernels[2], 1) + self.biases[2]
        shift, free = tf.split(outputs, 2, axis=-1)
        return shift, MAX_LOG_SCALE * tf.tanh(free / MAX_LOG_SCALE)


class MaskedFlow(keras.layers.Layer):
    """A chain of masked autoregressive flows (Papamakarios et al., 2017).

    The order of the dimensions is reversed between two flows. The inverse direction takes one pass
    through the networks; the forward direction takes one pass for each dimension.

    Args:
        event: The number of dimensions.
        layers: The number of flows in the chain.
        units: The number of units of each hidden layer of each flow's network.
        initialization: Makes the initial weights.
        context: Whether the flows have a context.
    """

    def __init__(
        self,
        event: int,
        layers: int,
        units: int,
        initialization: Initialization,
        context: bool = False,
    ) -> None:
        super().__init__()
        self.event = event
        self.networks = [
            MaskedNetwork(event, units, initialization, context) for _ in range(layers)
        ]

    def bijector(self, context: tf.Tensor | None = None) -> tfb.Bijector:
        """The flow as a bijector.

        Args:
            context: `[batch, features]`, or `[features]` for all rows; None for a flow without a
                context.
        """

        def function(network: MaskedNetwork) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
            return lambda values, **_: network(values, context)

        chain: list[tfb.Bijector] = []
        for network in self.networks:
            if chain:
                chain.append(tfb.Permute(list(range(self.event))[::-1]))
            chain.append(tfb.MaskedAutoregressiveFlow(function(network)))
        return tfb.Chain(chain)


class Flowed(tfd.TransformedDistribution):
    """A distribution pushed through a flow.

    Its mean and variance have no closed form. They are estimated from `MOMENT_PAIRS` pairs of
    samples, which are the same in every call. The two samples of a pair are mirror images of each
    other at the mean of the base distribution, which makes the estimates more accurate.
    """

    def _log_prob(self, latents: tf.Tensor) -> tf.Tensor:
        # A flow whose rows have different contexts needs as many points as there are rows.
        shape = tf.concat([self.batch_shape_tensor(), self.event_shape_tensor()], axis=0)
        return super()._log_prob(latents + tf.zeros(shape))

    def _points(self) -> tf.Tensor:
        base = self.distribution
        half = base.sample(MOMENT_PAIRS, seed=tf.constant([0, 0]))
        return self.bijector.forward(tf.concat([half, 2 * base.mean() - half], axis=0))

    def _mean(self) -> tf.Tensor:
        return tf.reduce_mean(self._points(), axis=0)

    def _variance(self) -> tf.Tensor:
        return tf.math.reduce_variance(self._points(), axis=0)

    def _stddev(self) -> tf.Tensor:
        return tf.sqrt(self._variance())


class Relocated(tfd.Distribution):
    """A distribution whose points are scaled and shifted, in other ways for each row of a batch.

    Args:
        base: Batch shape `[]`, or that of `shift`; event shape `[latent]`.
        shift: `[latent]`, or `[batch, latent]`.
        scale: Positive, in the shape of `shift`.
    """

    def __init__(self, base: tfd.Distribution, shift: tf.Tensor, scale: tf.Tensor) -> None:
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=base.reparameterization_type,
            validate_args=False,
            allow_nan_stats=True,
            parameters={"base": base, "shift": shift, "scale": scale},
            name="Relocated",
        )
        self.base, self._shift, self._scale = base, shift, scale

    def onwards(self, points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Points of the base scaled and shifted, `[..., latent]`, and the log-determinant, `[...]`.

        Args:
            points: `[..., latent]`; the axes before the last end with the batch shape.
        """
        log_det = tf.reduce_sum(tf.math.log(self._scale), axis=-1)
        moved = points * self._scale + self._shift
        return moved, log_det + tf.zeros(tf.shape(moved)[:-1])

    def _batch_shape(self) -> tf.TensorShape:
        return self._shift.shape[:-1]

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._shift)[:-1]

    def _event_shape(self) -> tf.TensorShape:
        return self._shift.shape[-1:]

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._shift)[-1:]

    def _log_prob(self, latents: tf.Tensor) -> tf.Tensor:
        log_det = tf.reduce_sum(tf.math.log(self._scale), axis=-1)
        return self.base.log_prob((latents - self._shift) / self._scale) - log_det

    def _sample_n(self, count: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        own = self.base.batch_shape.rank
        shape = [count] if own else tf.concat([[count], self._batch_shape_tensor()], axis=0)
        return self.onwards(self.base.sample(shape, seed=seed))[0]

    def _mean(self) -> tf.Tensor:
        return mean(self.base) * self._scale + self._shift

    def _stddev(self) -> tf.Tensor:
        return stddev(self.base) * self._scale


def relocated(base: tfd.Distribution, shift: tf.Tensor, scale: tf.Tensor) -> tfd.Distribution:
    """A distribution scaled and shifted, with a KL in closed form where the base has one.

    Args:
        base: Batch shape `[]`, or that of `shift`; event shape `[latent]`.
        shift: `[latent]`, or `[batch, latent]`.
        scale: Positive, in the shape of `shift`.
    """
    normal = base.distribution if isinstance(base, tfd.Independent) else None
    if isinstance(normal, tfd.Normal):
        return tfd.Independent(tfd.Normal(normal.loc * scale + shift, normal.scale * scale), 1)
    return Relocated(base, shift, scale)


def unflowed(
    distribution: tfd.Distribution,
) -> tuple[tfd.Distribution, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """Split a distribution into its base distribution and the flow that this is pushed through.

    With the points before the flow, samples and log densities take one pass through the flow's
    networks. The inverse would take one pass for each dimension.

    Args:
        distribution: Any distribution over latents.

    Returns:
        The base distribution, and a function that maps points of the base, `[..., latent]`, to
        points of the distribution, `[..., latent]`, and log_det of the flow, `[...]`. For a
        distribution without a flow, the base is the distribution itself, and the function returns
        its points unchanged with a log_det of 0.
    """
    if isinstance(distribution, Relocated):
        base, before = unflowed(distribution.base)

        def onwards(points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            inner, log_det = before(points)
            moved, own = distribution.onwards(inner)
            return moved, log_det + own

        return base, onwards
    if not isinstance(distribution, Flowed):
        return distribution, lambda points: (points, tf.zeros(tf.shape(points)[:-1]))
    bijector = distribution.bijector
    return distribution.distribution, lambda points: (
        bijector.forward(points),
        bijector.forward_log_det_jacobian(points, event_ndims=1),
    )
