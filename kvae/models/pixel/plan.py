"""How an autoregressive model of pixels is trained: one optimizer maximises log p(x)."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvae.data import Dataset
from kvae.models.evaluator import Evaluator
from kvae.models.pixel import METRICS
from kvae.models.plan import (
    Batch,
    Evaluation,
    GradientUpdate,
    NewOptimizer,
    Plan,
    Sums,
    averages,
    kernels,
)

if TYPE_CHECKING:
    from kvae.models.pixel.model import PixelModel

CHUNK = 250
"""The number of images that are evaluated at a time. Each takes as much memory as in training."""


class LikelihoodPlan(Plan):
    """Maximises log p(x).

    Args:
        model: The model, whose weights are changed in place.
        dataset: The images that it is trained and validated on.
        new_optimizer: Makes the configuration's optimizer for some weights.
    """

    metrics = ("elbo",)
    best = METRICS[0]

    def __init__(self, model: "PixelModel", dataset: Dataset, new_optimizer: NewOptimizer) -> None:
        self._model = model
        weights = model.trainable_variables
        self._weights, self._optimizer = weights, new_optimizer(weights, decayed=kernels(weights))
        self.updates = [GradientUpdate(weights, self._optimizer, self._loss)]
        self.state = [variable.value for variable in self._optimizer.variables]
        chunk = min(CHUNK, max(len(dataset.validation), len(dataset.test)))
        self._evaluator = Evaluator(model, model.config.training.seed, chunk)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """While it lasts, the model has the moving averages of its weights, if there are any."""
        with averages(self._weights, self._optimizer):
            yield

    def validate(self, images: np.ndarray, labels: np.ndarray | None = None) -> Evaluation:
        """log p(x) of each image.

        Args:
            images: uint8 `[count, height, width, channels]`.
            labels: Not used: the model is not conditional.
        """
        return self._evaluator(images)

    def _loss(self, batch: Batch) -> tuple[tf.Tensor, Sums]:
        model = self._model
        if model.config.data.binarize == "dynamic":
            found = model.expected_log_prob(batch.images, batch.means, batch.seed)
        else:
            found = model.log_prob(batch.images, batch.seed)
        total = tf.reduce_sum(batch.weight * found)
        return -total / batch.total, {"elbo": total}
