"""How a model is trained: what one step changes, what it reports, and how epochs are compared.

A family's plan has one or more updates. An update first computes something from a batch, such as
gradients, without changing any variable; then it applies the result to its variables. Training
compiles the steps of an epoch into one function. If several devices share a batch, each computes
from its own rows, and their results are summed before they are applied.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf

from kvae.metrics import Metric, Row
from kvae.progress import Progress, silent


class NewOptimizer(Protocol):
    """Makes the optimizer that a configuration names."""

    def __call__(
        self,
        weights: Sequence[tf.Variable],
        decayed: Sequence[tf.Variable] = (),
        steps_per_batch: int = 1,
        epochs: int | None = None,
    ) -> keras.Optimizer:
        """A new optimizer, with its variables.

        Args:
            weights: The weights that the optimizer changes.
            decayed: Those of `weights` that weight decay applies to.
            steps_per_batch: How many steps the optimizer takes with each batch. Learning-rate
                schedules need to know it.
            epochs: In how many epochs the optimizer takes steps, for a plan with stages; None is
                all of them.
        """


DIFFERENCES = 0.1
"""The steps of the differences between pixels' log-variances, as a share of those of their level.
If they were as large, pixels that are easily predicted, such as those of a plain background, would
soon have so small a standard deviation that the others would hardly be learned."""


class Batch(NamedTuple):
    """The images of a step, or one device's rows of them.

    Attributes:
        images: float32 `[rows, height, width, channels]` as the model sees them.
        means: The means of the distributions that the images are drawn from: with dynamic
            binarization the probabilities of white pixels, and otherwise the images themselves.
        weight: 1 for each image, and 0 for images that only fill up the last batch; `[rows]`.
        total: The sum of the weights of the whole batch, over all devices.
        share: The number of these rows as a share of the whole batch's rows.
        index: The position of each image among the training images, int32 `[rows]`.
        seed: int32 `[2]`; different in each step.
        settings: What `Plan.settings` returned for the epoch.
    """

    images: tf.Tensor
    means: tf.Tensor
    weight: tf.Tensor
    total: tf.Tensor
    share: float
    index: tf.Tensor
    seed: tf.Tensor
    settings: Mapping[str, tf.Tensor]


Computed = list[tf.Tensor]
"""What an update computes and then applies, such as one gradient for each weight."""
Sums = dict[str, tf.Tensor]
"""Sums of metrics over the images of a batch: scalars by the name of the metric."""


class Update(Protocol):
    """One change of some variables, computed from a batch."""

    def compute(self, batch: Batch) -> tuple[Computed, Sums]:
        """Compute the change and the sums of metrics, without changing any variable.

        Args:
            batch: The images, or this device's rows of them.
        """

    def apply(self, computed: Computed) -> None:
        """Change the variables. If several devices share a batch, their results are summed.

        Args:
            computed: What `compute` returned first.
        """


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The metrics of a model on many images.

    Attributes:
        terms: Values of each image, `[count]`, by the name of a metric.
        scalars: Metrics that are computed from all images together, by name.
        embeddings: One vector for each image, `[count, dimensions]`; None if the model has none.
        per_dimension: Means over the images of each dimension, `[dimensions]`, by name.
    """

    terms: Mapping[str, np.ndarray] = field(default_factory=dict)
    scalars: Mapping[str, float | int] = field(default_factory=dict)
    embeddings: np.ndarray | None = None
    per_dimension: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def means(self) -> dict[str, float]:
        """The mean of each term over the images."""
        return {name: float(values.mean()) for name, values in self.terms.items()}


class Plan:
    """How a model is trained. A family's plan inherits from this.

    Attributes:
        metrics: The names of the metrics that a step sums, in order.
        best: The validation metric by which the best epoch is chosen; None keeps the last epoch.
        earliest: The first epoch that can be the best one. Before it, the newest epoch is kept.
        updates: The updates that a step makes, in order.
        state: The variables that training changes besides the model's weights, such as those of
            optimizers. They are saved in checkpoints.
    """

    metrics: tuple[str, ...] = ()
    best: Metric | None = None
    earliest: int = 1
    updates: Sequence[Update] = ()
    state: Sequence[tf.Variable] = ()

    def enter(self, epoch: int) -> bool:
        """Prepare for an epoch. This is called before each epoch, also when a run is resumed.

        A plan with several stages changes its updates here.

        Args:
            epoch: Number of the epoch, from 1.

        Returns:
            Whether the step has changed, so that it must be compiled again.
        """
        return False

    def ends_stage(self, epoch: int) -> bool:
        """Whether what follows an epoch is built on the best weights so far, not on the newest.

        Args:
            epoch: Number of the epoch, from 1.
        """
        return False

    def settings(self, epoch: int) -> dict[str, float]:
        """Numbers that the steps of an epoch depend on and that can change between epochs, by name.

        Args:
            epoch: Number of the epoch, from 1.
        """
        return {}

    def notes(self, epoch: int) -> dict[str, str]:
        """Text columns of an epoch's row, by name.

        Args:
            epoch: Number of the epoch, from 1.
        """
        return {}

    def step(self, batch: Batch) -> Sums:
        """Make the updates of one step.

        Args:
            batch: The images, or this device's rows of them.

        Returns:
            The sums of the metrics over these images.
        """
        sums: Sums = {}
        for update in self.updates:
            computed, found = update.compute(batch)
            update.apply(after_all(computed))
            sums |= found
        return sums

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """While it lasts, the model has the weights with which it is evaluated and kept.

        They are the weights themselves, unless the plan keeps averages of them.
        """
        yield

    def validate(self, images: np.ndarray, labels: np.ndarray | None = None) -> Evaluation:
        """Evaluate the model on images that it is not trained on.

        Args:
            images: uint8 `[count, height, width, channels]`.
            labels: The number of each image's label, `[count]`, for a conditional model; None for
                others.
        """
        return Evaluation()

    def finish(self, progress: Progress = silent) -> None:
        """Called when the training is done, and the model has the weights that are kept.

        A plan changes here what depends on these weights and takes too long for every epoch.

        Args:
            progress: Shows how much is done.
        """

    def row(self, epoch: int, means: Mapping[str, float], validation: Evaluation) -> Row:
        """The metrics of an epoch by the names of their columns in `history.csv`.

        Args:
            epoch: Number of the epoch, from 1.
            means: The mean of each metric over the training images of the epoch, by name.
            validation: What `validate` returned after the epoch.
        """
        validated = validation.means
        both = {name: value for name, value in means.items() if name in validated}
        others = {name: value for name, value in means.items() if name not in validated}
        return {
            **{f"train_{name}": value for name, value in both.items()},
            **{f"validation_{name}": value for name, value in validated.items()},
            **validation.scalars,
            **self.notes(epoch),
            **{f"train_{name}": value for name, value in others.items()},
        }


@contextlib.contextmanager
def averages(weights: Sequence[tf.Variable], optimizer: keras.Optimizer) -> Iterator[None]:
    """While it lasts, weights have the moving averages that their optimizer keeps, if it does.

    Args:
        weights: The weights that the optimizer changes.
        optimizer: The optimizer.
    """
    if not optimizer.use_ema:
        yield
        return
    trained = [weight.numpy() for weight in weights]
    optimizer.finalize_variable_values(weights)
    try:
        yield
    finally:
        for weight, value in zip(weights, trained, strict=True):
            weight.assign(value)


class GradientUpdate:
    """A step along the gradient of a loss.

    Args:
        weights: The weights that are changed.
        optimizer: The optimizer, which already has variables for `weights`.
        loss: From a batch to a scalar loss and the sums of metrics. If several devices share a
            batch, the loss of the whole batch is the sum of theirs.
        apart: Further weights, each with an optimizer of its own.
    """

    def __init__(
        self,
        weights: Sequence[tf.Variable],
        optimizer: keras.Optimizer,
        loss: Callable[[Batch], tuple[tf.Tensor, Sums]],
        apart: Sequence[tuple[tf.Variable, keras.Optimizer]] = (),
    ) -> None:
        self._weights, self._optimizer, self._loss = list(weights), optimizer, loss
        self._apart = list(apart)

    def compute(self, batch: Batch) -> tuple[Computed, Sums]:
        """Compute the gradients of the loss, and the sums of metrics.

        Args:
            batch: The images, or this device's rows of them.
        """
        with tf.GradientTape() as tape:
            loss, sums = self._loss(batch)
        return tape.gradient(loss, [*self._weights, *(weight for weight, _ in self._apart)]), sums

    def apply(self, computed: Computed) -> None:
        """Take a step of each optimizer. Keras sums the gradients of several devices.

        Args:
            computed: The gradients, one for each weight.
        """
        count = len(self._weights)
        gradients = _clipped_together(computed[:count], self._optimizer.global_clipnorm)
        self._optimizer.apply(gradients, self._weights)
        for gradient, (weight, optimizer) in zip(computed[count:], self._apart, strict=True):
            optimizer.apply([gradient], [weight])


def by_newton(
    likelihood: Any, damping: float, image_shape: tuple[int, int, int]
) -> list[tuple[tf.Variable, keras.Optimizer]]:
    """The standard deviations that images share, each with an optimizer of Newton's method.

    Args:
        likelihood: The decoder's likelihood.
        damping: The step, as a share of the whole step of Newton's method; 0 learns none of them
            so.
        image_shape: Height, width, channels.
    """
    if not damping:
        return []
    apart = []
    for name, weight in likelihood.shared.items():
        # At the optimum, a variance is the mean squared error of the numbers that share it (Rybkin
        # et al., 2021). The second derivative of the loss by its logarithm is half of their count.
        rate = damping * 2 * math.prod(weight.shape) / math.prod(image_shape)
        optimizer = keras.optimizers.SGD(rate * (DIFFERENCES if name == "differences" else 1))
        optimizer.build([weight])
        apart.append((weight, optimizer))
    return apart


def _clipped_together(gradients: list[tf.Tensor], norm: float | None) -> list[tf.Tensor]:
    """Clip the sum of several devices' gradients, of which each returns an equal share.

    Keras clips the gradients of each device, and then sums them.
    """
    devices = tf.distribute.get_replica_context().num_replicas_in_sync
    if norm is None or devices == 1:
        return gradients
    summed = summed_over_devices(gradients)
    return [gradient / devices for gradient in tf.clip_by_global_norm(summed, norm)[0]]


def summed_over_devices(computed: Computed) -> Computed:
    """The sums of what several devices computed from their rows of a batch.

    An update without a Keras optimizer, which sums gradients itself, needs this in `apply`.

    Args:
        computed: What one device computed.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return computed
    return context.all_reduce(tf.distribute.ReduceOp.SUM, computed)


def after_all(gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Make each gradient depend on the whole backward pass, without changing its value.

    XLA copies a weight in every step if the backward pass might still read it when it is updated.
    The gradients of the biases are computed last. By adding zero times these, XLA can see that
    nothing reads the weight any more.

    Args:
        gradients: The gradients of all weights that are updated.
    """
    biases = [tf.reduce_sum(g) for g in gradients if g.shape.rank <= 1]
    return [g + 0.0 * tf.add_n(biases) for g in gradients] if biases else list(gradients)


def kernels(weights: Sequence[tf.Variable]) -> list[tf.Variable]:
    """The weight matrices and the convolutions' kernels among weights, which weight decay is for.

    Args:
        weights: Weights of networks.
    """
    # What is learned for each number of an image has three axes and is neither.
    return [weight for weight in weights if len(weight.shape) in (2, 4)]
