"""How a model is trained: what one step changes, what it reports, and how epochs are compared.

A family's plan is made of updates. An update computes something from a batch without changing a
variable, such as gradients, and then changes variables by it. Training compiles the step over an
epoch; on several devices each computes from its own rows of the batch, and what they computed is
added up when it is applied.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf

from kvae.metrics import Metric, Row


class NewOptimizer(Protocol):
    """Makes the optimizer that a configuration names."""

    def __call__(
        self,
        weights: Sequence[tf.Variable],
        decayed: Sequence[tf.Variable] = (),
        steps_per_batch: int = 1,
    ) -> keras.Optimizer:
        """An optimizer with its variables.

        Args:
            weights: What it changes.
            decayed: Those of them that weight decay applies to.
            steps_per_batch: Steps that it takes with each batch, for learning-rate schedules.
        """


class Batch(NamedTuple):
    """The images of a step, or a device's share of them.

    Attributes:
        images: float32 `[rows, height, width, channels]` as the model sees them.
        weight: 1 for each image, and 0 for images that only fill up the last batch; `[rows]`.
        total: Sum of the weights of the whole batch, of all devices.
        share: Share of the whole batch's rows that these are.
        index: Position of each image among the training images, int32 `[rows]`.
        seed: int32 `[2]`, another one in each step.
        settings: What `Plan.settings` has for the epoch.
    """

    images: tf.Tensor
    weight: tf.Tensor
    total: tf.Tensor
    share: float
    index: tf.Tensor
    seed: tf.Tensor
    settings: Mapping[str, tf.Tensor]


Computed = list[tf.Tensor]
"""What an update is to be applied by, such as one gradient for each weight."""
Sums = dict[str, tf.Tensor]
"""Sums over the images of a batch, scalars by the name of a metric."""


class Update(Protocol):
    """One change of some variables by a batch."""

    def compute(self, batch: Batch) -> tuple[Computed, Sums]:
        """What the variables are to be changed by, and sums of metrics; changes nothing."""

    def apply(self, computed: Computed) -> None:
        """Change the variables; where several devices call it, by the sum of what they computed."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model says of many images.

    Attributes:
        terms: Each `[count]`, by the name of a metric.
        scalars: Metrics of all the images together, by name.
        embeddings: One vector an image, `[count, dimensions]`; None where the model has none.
        per_dimension: Means over the images, each `[dimensions]`, by name.
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
        metrics: Names of what a step sums, in order.
        best: The validation metric by which the best epoch is chosen; None keeps the last epoch.
        updates: What a step does, in order.
        state: What training changes besides the model's weights, such as optimizers' variables; it
            is saved in checkpoints.
    """

    metrics: tuple[str, ...] = ()
    best: Metric | None = None
    updates: Sequence[Update] = ()
    state: Sequence[tf.Variable] = ()

    def enter(self, epoch: int) -> bool:
        """Prepare for an epoch; called before each, and before the first after a resume.

        Args:
            epoch: Its number, from 1.

        Returns:
            Whether the step is another one from here on, so that it must be compiled anew. A plan
            with several stages changes its updates here.
        """
        return False

    def settings(self, epoch: int) -> dict[str, float]:
        """Numbers that a step depends on and that change from epoch to epoch, by name.

        Args:
            epoch: Number of the epoch, from 1.
        """
        return {}

    def notes(self, epoch: int) -> dict[str, str]:
        """Text columns of an epoch's row.

        Args:
            epoch: Number of the epoch, from 1.
        """
        return {}

    def step(self, batch: Batch) -> Sums:
        """Change the variables by a batch, and sum the metrics over its images."""
        sums: Sums = {}
        for update in self.updates:
            computed, found = update.compute(batch)
            update.apply(after_all(computed))
            sums |= found
        return sums

    def validate(self, images: np.ndarray) -> Evaluation:
        """Evaluate the model on images that it is not trained on.

        Args:
            images: uint8 `[count, height, width, channels]`.
        """
        return Evaluation()

    def row(self, epoch: int, means: Mapping[str, float], validation: Evaluation) -> Row:
        """The metrics of an epoch as columns.

        Args:
            epoch: Its number, from 1.
            means: Mean of each metric over the images of the epoch.
            validation: What `validate` found after it.
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


class GradientUpdate:
    """Follows the gradient of a loss with one optimizer.

    Args:
        weights: What is changed.
        optimizer: Has variables for `weights` already.
        loss: From a batch to the loss, a scalar, and the sums of metrics. The losses of several
            devices are added up.
    """

    def __init__(
        self,
        weights: Sequence[tf.Variable],
        optimizer: keras.Optimizer,
        loss: Callable[[Batch], tuple[tf.Tensor, Sums]],
    ) -> None:
        self._weights, self._optimizer, self._loss = list(weights), optimizer, loss

    def compute(self, batch: Batch) -> tuple[Computed, Sums]:
        """The gradients of the loss, and the sums."""
        with tf.GradientTape() as tape:
            loss, sums = self._loss(batch)
        return tape.gradient(loss, self._weights), sums

    def apply(self, computed: Computed) -> None:
        """Take an optimizer's step; Keras adds up the gradients of several devices."""
        self._optimizer.apply(computed, self._weights)


def after_all(gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The same gradients, each of which depends on the whole backward pass.

    XLA copies a weight in every step if something might still read it when it is updated. Adding
    zero times the gradients of the biases, which come after every such reading, shows that nothing
    will.
    """
    biases = [tf.reduce_sum(g) for g in gradients if g.shape.rank <= 1]
    return [g + 0.0 * tf.add_n(biases) for g in gradients] if biases else list(gradients)
