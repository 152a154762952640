"""Does a run: from its configuration to its folder and its saved model."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvae.config import Config
from kvae.io.files import check_writable, remove_scratch, write_json
from kvae.io.locks import locked
from kvae.metrics import Row
from kvae.progress import Progress, silent
from kvae.runs.folders import FIGURES, MODELS, RESULTS, RUNS, find, new_run_folder
from kvae.runs.longer import to_resume

if TYPE_CHECKING:
    import tensorflow as tf

    from kvae.data import Dataset
    from kvae.training import State

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A run that is complete.

    Attributes:
        name: The run's name.
        folder: `runs/NAME`.
        saved_model: `saved_models/NAME`.
        model: The trained model.
        history: One row for each epoch.
        results: The contents of `results.json`.
    """

    name: str
    folder: Path
    saved_model: Path
    model: Any
    history: list[Row]
    results: dict[str, Any]


def start(
    dataset: "Dataset",
    config: Config,
    name: str | None = None,
    runs: Path = RUNS,
    models: Path = MODELS,
    overwrite: bool = False,
    on_epoch: Callable[[Row], None] | None = None,
    strategy: "tf.distribute.Strategy | None" = None,
    on_start: Callable[[str, int], None] = lambda name, memory: None,
    checkpoint_every: int | None = None,
    asked_to_stop: Callable[[], int | None] = lambda: None,
    progress: Progress = silent,
) -> Run:
    """Train a new model, evaluate it on the test images, draw it, and export it.

    Args:
        dataset: What `kvae.data.load` returned.
        config: What `kvae.configure` returned.
        name: Name of the run and of the saved model; None makes one from dataset and model.
        runs: Folder of runs.
        models: Folder of saved models.
        overwrite: Whether to replace a run of this name when the training begins, and a saved model
            of this name when the new one is complete.
        on_epoch: Called with the row of every epoch.
        strategy: What `kvae.training.new_strategy` returned, on the first of its workers; None
            trains on one device.
        on_start: Called with the run's name, and the bytes of memory that training takes, as soon
            as the run's folder has been made.
        checkpoint_every: Epochs from one checkpoint to the next; None saves by time.
        asked_to_stop: Called about every second. When it returns the number of a signal, the run
            is saved and ended.
        progress: Shows how much of what follows the last epoch is done.

    Raises:
        UsageError: The name is not allowed, or a batch cannot be shared equally.
        KvaeError: The name is taken, a folder cannot be written, the saved model to start from
            does not fit, a loss is not finite, or another worker is gone.
        Interrupted: A signal asked the run to stop.
    """
    check_writable(models)
    state = new_state(dataset, config, models)
    with new_run_folder(config, name, runs, models, overwrite) as folder:
        on_start(folder.name, state.memory)
        options = checkpoint_every, on_epoch, asked_to_stop, progress
        return _complete(folder, state, dataset, models, overwrite, strategy, *options)


def resume(
    dataset: "Dataset",
    name: str,
    runs: Path = RUNS,
    models: Path = MODELS,
    overwrite: bool = False,
    on_epoch: Callable[[Row], None] | None = None,
    strategy: "tf.distribute.Strategy | None" = None,
    checkpoint_every: int | None = None,
    asked_to_stop: Callable[[], int | None] = lambda: None,
    epochs: int | None = None,
    progress: Progress = silent,
) -> Run:
    """Resume an interrupted run from its newest checkpoint, or train a run longer.

    The resulting weights are the same as without the interruption, bit for bit. A run that is
    trained longer goes on with the state of its optimizer. From then on its learning rate is that
    of a run that was started with as many epochs: a constant schedule gives the same weights as
    that run, bit for bit, and one that falls to zero begins anew in the middle.

    Args:
        dataset: The dataset that the run was started with.
        name: Name or path of the run.
        runs: Folder of runs.
        models: Folder of saved models.
        overwrite: Whether to replace a saved model of this name that has another configuration.
        on_epoch: Called with the row of every epoch that is trained now.
        strategy: What `kvae.training.new_strategy` returned, on the first of its workers; None
            trains on one device.
        checkpoint_every: Epochs from one checkpoint to the next; None saves by time.
        asked_to_stop: Called about every second. When it returns the number of a signal, the run
            is saved and ended.
        epochs: The number of all epochs, those that are done included; None keeps the run's own.
        progress: Shows how much of what follows the last epoch is done.

    Raises:
        UsageError: The run has more epochs than that, or its patience has ended it.
        KvaeError: There is no such run, or it is complete, damaged or in use; a folder cannot be
            written, a loss is not finite, or another worker is gone.
        Interrupted: A signal asked the run to stop.
    """
    folder = find(name, runs, "run")
    check_writable(models)
    with locked(folder):
        config = to_resume(folder, models / folder.name, epochs, overwrite)
        remove_scratch(folder)
        # The folder that this run replaced is still there if a kill came before its removal.
        remove_scratch(folder.parent, folder.name)
        state = new_state(dataset, config, models)
        options = checkpoint_every, on_epoch, asked_to_stop, progress
        return _complete(folder, state, dataset, models, True, strategy, *options)


def new_state(dataset: "Dataset", config: Config, models: Path) -> "State":
    """The state of a training that begins: a new model, and its plan.

    Args:
        dataset: The images that the model will be trained on.
        config: The model's configuration.
        models: Folder of saved models, in which `start_from` names one.
    """
    from kvae.models.build import build
    from kvae.runs.saved_models import weights_to_start_from
    from kvae.training import State

    model = build(config, dataset.train.images)
    if config.training.start_from is not None:
        model.set_weights(weights_to_start_from(config, models))
    return State(model, dataset)


def _complete(
    folder: Path,
    state: "State",
    dataset: "Dataset",
    models: Path,
    overwrite: bool,
    strategy: "tf.distribute.Strategy | None",
    checkpoint_every: int | None,
    on_epoch: Callable[[Row], None] | None,
    asked_to_stop: Callable[[], int | None],
    progress: Progress,
) -> Run:
    """Train from a state to the last epoch, then evaluate, draw and export the model."""
    from kvae import gallery
    from kvae.models.base import labels_of
    from kvae.runs import saved_models
    from kvae.runs.failures import explained
    from kvae.runs.records import Records
    from kvae.runs.results import columns, results, warnings
    from kvae.training import train

    name, model = folder.name, state.model
    keep = checkpoint_every, on_epoch, asked_to_stop
    with explained(folder, state), Records(folder, name, state, dataset, *keep) as records:
        train(model, dataset, records.epoch, state, strategy, records.pause, progress=progress)
        if state.best:
            records.checkpoints.save_best()
        test = state.plan.validate(dataset.test.images, labels_of(model, dataset, dataset.test))
        found = results(test, dataset, state)
        for warning in warnings(model, test):
            logger.warning("%s: %s", name, warning)
        history, frames = columns(state.history), records.film.frames()
        subject = gallery.Subject(name, model, dataset, history, frames)
        records.stop_if_asked()
        pictures = gallery.draw(subject, gallery.quick(subject), folder / FIGURES)
        if records.summaries:
            records.summaries.finish(pictures, test, len(state.history))
        records.stop_if_asked()
        saved = saved_models.save(model, models / name, overwrite, found)
        write_json(folder / RESULTS, found)
    return Run(name, folder, saved, model, state.history, found)
