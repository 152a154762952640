"""The state of a training: all that is needed to resume it."""

import logging
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.config import Config
from kvae.data import Dataset
from kvae.io.machine import in_bytes, require_memory
from kvae.metrics import Row, best_row
from kvae.models.build import SMALLER, cost
from kvae.models.plan import Plan
from kvae.models.weights import variables
from kvae.progress import Progress, silent
from kvae.training.optimizers import new_optimizer, numbers_per_weight

logger = logging.getLogger(__name__)

LARGE = 2**30
"""The bytes of memory from which on it is said how a training takes less."""


class State:
    """The state of a training between two steps.

    Args:
        model: The model in training.
        dataset: The images that the model is trained on.
        plan: How the model is trained; None is the model's own plan.

    Attributes:
        model: The model, with the weights after the newest step.
        plan: The plan, with the variables of its optimizers.
        history: One row for each epoch that is done.
        steps: The number of steps in an epoch.
        step: The number of steps that are done in the current epoch.
        totals: The sums of the plan's metrics over these steps, float32 `[metrics]`.
        seconds: The wall time of these steps.
        memory: About how many bytes of memory the training takes: weights, gradients, what the
            optimizer keeps, and the activations of a batch.
        best: The weights of the best epoch; empty if training keeps the last epoch's weights.

    Raises:
        KvaeError: There is not enough memory for such a training.
    """

    def __init__(self, model: Any, dataset: Dataset, plan: Plan | None = None) -> None:
        config = model.config.training
        images = len(dataset.train)
        self.memory = self._require_memory(model.config, images)
        self.model = model
        self.plan = plan or model.plan(dataset, partial(new_optimizer, config, images))
        self.history: list[Row] = []
        self.steps = -(-images // config.batch_size)
        self._begin_epoch()
        keeps_best = config.patience is not None and self.plan.best is not None
        self.best = [tf.Variable(value) for value in variables(model)] if keeps_best else []

    @property
    def done(self) -> bool:
        """Whether all epochs are done, or patience has run out."""
        config, epochs = self.model.config.training, len(self.history)
        if self.best and self.history:
            return epochs == config.epochs or epochs - self._best_epoch >= config.patience
        return epochs == config.epochs

    @property
    def kept(self) -> Row:
        """The row of the epoch whose weights the trained model has."""
        if self.best and self.plan.best:
            comparable = self.history[self.plan.earliest - 1 :]
            return best_row(comparable or self.history[-1:], self.plan.best)
        return self.history[-1]

    @property
    def reached(self) -> str:
        """How far the training has come, in words."""
        step = f", and {self.step} of {self.steps} steps" if self.step else ""
        return f"epoch {len(self.history)}{step}"

    def end_epoch(self, row: Row) -> None:
        """End an epoch, and keep the model's weights if the epoch is the best so far. At the end of
        a stage of the plan, the model is given the best weights.

        Args:
            row: The epoch's row.
        """
        self.history.append(row)
        self._begin_epoch()
        if self.best and self._best_epoch == row["epoch"]:
            self._keep()
        if self.plan.ends_stage(len(self.history)):
            self._restore_best()

    def finish(self, progress: Progress = silent) -> None:
        """Give the model the weights of the best epoch, if they were kept, and let the plan finish
        what depends on them.

        Args:
            progress: Shows how much of what follows the last epoch is done.
        """
        self._restore_best()
        self.plan.finish(progress)
        self._keep()

    def _keep(self) -> None:
        """Keep the model's weights as the best ones, if any are kept."""
        for best, value in self._pairs():
            best.assign(value)

    def _restore_best(self) -> None:
        """Give the model the weights of the best epoch, if they are kept."""
        for best, value in self._pairs():
            value.assign(best)

    def _pairs(self) -> list[tuple[tf.Variable, tf.Variable]]:
        """Each weight that is kept, and the model's; none if none are kept."""
        return list(zip(self.best, variables(self.model), strict=True)) if self.best else []

    @staticmethod
    def _require_memory(config: Config, images: int) -> int:
        """The bytes that the training takes. It is refused where they are not free."""
        training, takes = config.training, cost(config)
        # The weights, their gradients, what the optimizer keeps, and a copy of the best. One more
        # copy is made while weights are updated and saved: measured with SGD, Adagrad and Adam.
        copies = 3 + numbers_per_weight(training) + (training.patience is not None)
        rows = min(training.batch_size, images) * config.objective.copies
        memory = 4 * (copies * takes.weights + rows * takes.activations)
        advice = f"{SMALLER}, or a smaller `batch_size`"
        require_memory(memory, "training such a model", advice)
        if memory > LARGE:
            size = in_bytes(memory)
            logger.warning("training will take about %s of memory: to take less, %s", size, advice)
        return memory

    def _begin_epoch(self) -> None:
        self.step, self.seconds = 0, 0.0
        self.totals = np.zeros(len(self.plan.metrics), np.float32)

    @property
    def _best_epoch(self) -> int:
        return int(self.kept["epoch"])
