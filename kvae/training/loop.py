"""The training loop."""

import math
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kvae.data import Dataset
from kvae.data.look import require_differences
from kvae.errors import NotFiniteError, UsageError
from kvae.metrics import Row
from kvae.models.base import labels_of
from kvae.models.plan import Evaluation, Plan
from kvae.progress import Progress, silent
from kvae.training.distributed import DistributedEpoch
from kvae.training.epochs import CompiledEpoch
from kvae.training.state import State

OnEpoch = Callable[[Row, Evaluation], None]


def train(
    model: Any,
    dataset: Dataset,
    on_epoch: OnEpoch | None = None,
    state: State | None = None,
    strategy: tf.distribute.Strategy | None = None,
    on_pause: Callable[[], None] = lambda: None,
    plan: Plan | None = None,
    progress: Progress = silent,
) -> list[Row]:
    """Train a model as its configuration says.

    Args:
        model: What `kvae.build` returned; its weights are changed in place.
        dataset: The dataset. The model is trained on its training images, and evaluated on its
            validation images after every epoch.
        on_epoch: Called after every epoch with the epoch's row and the metrics on the validation
            images.
        state: The state of the training, for callers who save it or resume from it; None begins a
            new training.
        strategy: What `kvae.training.new_strategy` returned: the devices and machines that share
            the work. None trains on one device.
        on_pause: Called whenever the training could be resumed from its state: after every epoch,
            and about every second of a long one. An exception in it ends the training.
        plan: How the model is trained; None is the model's own plan. It is not used if there is a
            `state`, which has a plan.
        progress: Shows how much of what follows the last epoch is done, such as fitting the prior.

    Returns:
        One row for each epoch.

    Raises:
        UsageError: The model is for images of another shape, or for pixels where the dataset has
            real numbers, or the reverse, or for a table of other columns; or a batch cannot be
            shared equally.
        KvaeError: All training images are the same, a metric is not finite, there is too little
            memory, or another worker is gone.
    """
    if model.config.model.image_shape != dataset.image_shape:
        raise UsageError(
            f"the model is for images of {model.config.model.image_shape}, but {dataset.name} has "
            f"{dataset.image_shape}"
        )
    if model.config.data.numbers != dataset.train.numbers:
        made_of = {False: "pixels", True: "real numbers"}
        raise UsageError(
            f"the model is for {made_of[model.config.data.numbers]}, but {dataset.name} has "
            f"{made_of[dataset.train.numbers]}"
        )
    if model.config.data.columns != dataset.columns:
        raise UsageError(
            f"the columns of {dataset.name} are standardised in another way than those that the "
            "model is for: load it with `columns`"
        )
    require_differences(dataset)
    state = state or State(model, dataset, plan)
    plan, labels = state.plan, labels_of(model, dataset, dataset.validation)
    epochs: CompiledEpoch | None = None
    while not state.done:
        number = len(state.history) + 1
        if plan.enter(number) or epochs is None:
            epochs = _compiled(state, dataset, strategy)
        start = time.perf_counter()
        for step, totals in epochs.parts(number, state.step, state.totals):
            now = time.perf_counter()
            state.seconds += now - start
            state.step, state.totals = step, totals
            if step < state.steps:
                on_pause()
            start = time.perf_counter()
        with plan.averaged():
            validation = plan.validate(dataset.validation.images, labels)
            row: Row = {"epoch": number, "seconds": round(state.seconds, 6)}
            row |= plan.row(number, epochs.means(state.totals), validation)
            _check_finite(row, model.config.training.learning_rate)
            state.end_epoch(row)
            if on_epoch:
                on_epoch(row, validation)
        on_pause()
    state.finish(progress)
    return state.history


def _compiled(
    state: State, dataset: Dataset, strategy: tf.distribute.Strategy | None
) -> CompiledEpoch:
    model, plan, config = state.model, state.plan, state.model.config
    if strategy:
        epochs = len(state.history)
        return DistributedEpoch(model, plan, dataset, config.training, strategy, epochs)
    return CompiledEpoch(plan, dataset.train.images, config.training, config.data.binarize)


def _check_finite(row: Row, learning_rate: float) -> None:
    for name, value in row.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise NotFiniteError(
                f"training stopped after epoch {row['epoch']}: {name.replace('_', ' ')} is "
                f"{value}; try a `learning_rate` below {learning_rate:g}"
            )
