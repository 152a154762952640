"""Normalizing flows over latents: masked autoregressive networks under `tfp.bijectors`.

`tfb.AutoregressiveNetwork` is a layer of Keras 2, whose weights a Keras 3 model does not track.
"""

from collections.abc import Callable

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from kvae.models.initialization import Initialization

MAX_LOG_SCALE = 3.0
"""Each flow scales by no more than exp of this, up or down, so that training cannot diverge."""
MOMENT_PAIRS = 32


class MaskedNetwork(keras.layers.Layer):
    """A shift and a log-scale for each dimension, of the dimensions before it and of a context.

    Germain et al. (2015): two hidden layers whose weights are masked. The last layer starts at
    zero, so that a new flow is the identity.

    Args:
        event: Number of dimensions.
        units: Of each hidden layer.
        initialization: Of its weights.
        context: Whether it is given one.
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
        """Which weights of each kernel are not zero: float32, the shapes of the kernels."""
        # A unit of degree m sees the first m dimensions; with degree 0, the context alone.
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
        """Shift and log-scale, `[..., event]`, of values `[..., event]`.

        Args:
            values: What the flow's masked side is.
            context: `[batch, features]`; `values` have it as the last axis but one.
        """
        kernels = [kernel * mask for kernel, mask in zip(self.kernels, self.masks(), strict=True)]
        features = tf.tensordot(values, kernels[0], 1) + self.biases[0]
        if self.context is not None:
            features += self.context(context)
        features = tf.nn.silu(features)
        features = tf.nn.silu(tf.tensordot(features, kernels[1], 1) + self.biases[1])
        outputs = tf.tensordot(features, kernels[2], 1) + self.biases[2]
        shift, free = tf.split(outputs, 2, axis=-1)
        return shift, MAX_LOG_SCALE * tf.tanh(free / MAX_LOG_SCALE)


class MaskedFlow(keras.layers.Layer):
    """A chain of masked autoregressive flows (Papamakarios et al., 2017), the order reversed
    between them.

    Its inverse is one pass through the networks; its forward direction takes a pass for each
    dimension.

    Args:
        event: Number of dimensions.
        layers: Flows in the chain.
        units: Of the networks' hidden layers.
        initialization: Of their weights.
        context: Whether they are given one.
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
        """The flow, given a context `[batch, features]` if it has one."""

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
    samples, the same in every call. The two points of a pair are mirrored at the mean of the base
    distribution, which makes the estimates more accurate.
    """

    def _log_prob(self, latents: tf.Tensor) -> tf.Tensor:
        # The networks of a flow with one context a row need one point a row.
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


def unflowed(
    distribution: tfd.Distribution,
) -> tuple[tfd.Distribution, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """A distribution's base distribution, and the flow from there.

    Samples and log densities of points before the flow take one pass through its networks. The
    other direction of the flow would take one pass a dimension.

    Args:
        distribution: Any distribution over latents.

    Returns:
        The base distribution, and a function from its points `[..., latent]` to the distribution's
        points and the log_det of the flow there, `[...]`. A distribution without a flow is its own
        base, and points stay where they are.
    """
    if not isinstance(distribution, Flowed):
        return distribution, lambda points: (points, tf.zeros(tf.shape(points)[:-1]))
    bijector = distribution.bijector
    return distribution.distribution, lambda points: (
        bijector.forward(points),
        bijector.forward_log_det_jacobian(points, event_ndims=1),
    )
