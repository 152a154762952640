"""Checkpoints of a run: the weights, the plan's state, and how far the training has come."""

import json
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.data.dataset import Dataset, checksum
from kvae.errors import KvaeError, NotFiniteError, first_line
from kvae.io.files import flush
from kvae.models.base import labels_of
from kvae.models.weights import check_files, check_list, restore, variables
from kvae.training import State

logger = logging.getLogger(__name__)

KEEP = 2
BEST = "best"
SECONDS = 10.0
"""The least number of seconds between checkpoints that are saved by time."""
SHARE = 0.02
"""The largest share of the time that checkpoints saved by time may take. The time that the last one
took is the estimate for the next."""


class Checkpoints:
    """Saves a training to a folder.

    Each checkpoint has all that a resumed run needs besides the configuration: the weights, the
    best weights if they are kept, the plan's state, the history, how many steps of the current
    epoch are done, and checksums of the images, and of the labels that the model is given.

    Args:
        folder: `runs/NAME/checkpoints`.
        state: The state of the training.
        dataset: The images that the model is trained and validated on.
        every: Epochs from one checkpoint to the next; None saves by time, also within an epoch.
    """

    def __init__(
        self, folder: Path, state: State, dataset: Dataset, every: int | None = None
    ) -> None:
        self._folder, self._state, self._every = folder, state, every
        splits = dataset.train, dataset.validation, dataset.test
        self._images = [checksum(split.images) for split in splits]
        labels = (labels_of(state.model, dataset, split) for split in splits)
        self._images += [checksum(each) for each in labels if each is not None]
        self._progress = tf.Variable("", dtype=tf.string)
        self._checkpoint = tf.train.Checkpoint(
            weights=variables(state.model),
            # This is the plan's state. Its name is that of kvae 0.1, whose checkpoints still load.
            optimizer=list(state.plan.state),
            best=state.best,
            progress=self._progress,
        )
        try:
            check_list(folder)
        except KvaeError:
            # Checkpoints are found without TensorFlow's list. If the list named files elsewhere,
            # the manager would delete them.
            (folder / "checkpoint").unlink()
        self._manager = tf.train.CheckpointManager(self._checkpoint, str(folder), KEEP)
        self._saved_at, self._cost = time.monotonic(), 0.0

    @property
    def due(self) -> bool:
        """Whether a checkpoint should be saved now."""
        epochs, step = len(self._state.history), self._state.step
        if self._state.done:
            return True
        if self._every:
            return step == 0 and epochs % self._every == 0
        return time.monotonic() - self._saved_at > max(SECONDS, self._cost / SHARE)

    def save(self, along: Callable[[], None] = lambda: None) -> None:
        """Save a checkpoint of the training's state.

        Args:
            along: Called before the checkpoint is written, to write other files that must be on
                disk before it.

        Raises:
            NotFiniteError: A weight is not finite; the last checkpoint is kept.
        """
        start, state = time.monotonic(), self._state
        if not all(np.isfinite(value.numpy()).all() for value in variables(state.model)):
            raise NotFiniteError(
                f"training stopped after {state.reached}: a weight is not finite; try a "
                f"`learning_rate` below {state.model.config.training.learning_rate:g}"
            )
        along()
        progress = {
            "history": state.history,
            "step": state.step,
            "totals": state.totals.tolist(),
            "seconds": state.seconds,
            "images": self._images,
        }
        self._progress.assign(json.dumps(progress))
        number = len(state.history) * state.steps + state.step
        saved = Path(self._manager.save(checkpoint_number=number))
        for path in [*saved.parent.glob(f"{saved.name}.*"), saved.parent]:
            flush(path)
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - start

    def save_best(self) -> None:
        """Save the model's weights alone, once they are those of the best epoch."""
        tf.train.Checkpoint(weights=variables(self._state.model)).write(str(self._folder / BEST))

    def _remove_unfinished(self) -> None:
        whole = {path.name for path in _prefixes(self._folder)} | {BEST}
        for path in list(self._folder.iterdir()) if self._folder.is_dir() else []:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != "checkpoint" and path.name.split(".")[0] not in whole:
                path.unlink(missing_ok=True)

    def restore(self) -> None:
        """Restore the state from the newest checkpoint that can be read, if there are any.

        Raises:
            KvaeError: No checkpoint can be read, or the images are not those of the run.
        """
        self._remove_unfinished()
        newest_first = _prefixes(self._folder)
        for number, prefix in enumerate(newest_first):
            try:
                check_files(prefix)
                self._checkpoint.restore(str(prefix)).assert_existing_objects_matched()
                progress = json.loads(self._progress.numpy())
                break
            except (KvaeError, tf.errors.OpError, ValueError, AssertionError) as error:
                said = first_line(error)
                if number == len(newest_first) - 1:
                    raise KvaeError(f"cannot resume from {prefix}: {said}") from error
                logger.warning("%s is damaged (%s): resuming from the one before", prefix, said)
        else:
            return
        if progress["images"] != self._images:
            what = "images" if len(self._images) == 3 else "images or their labels"
            raise KvaeError(
                f"cannot resume from {prefix}: the {what} are not those that the run was started "
                "with; give it those, or start a new run"
            )
        state = self._state
        state.history = progress["history"]
        state.step, state.seconds = progress["step"], progress["seconds"]
        state.totals = np.array(progress["totals"], np.float32)


def load_weights(folder: Path, model: Any) -> None:
    """Give a model the weights of the best epoch if they were saved, or else the newest weights.

    Args:
        folder: `runs/NAME/checkpoints`.
        model: The model, whose weights are changed in place.

    Raises:
        KvaeError: There is no checkpoint, or none can be read.
    """
    if (folder / f"{BEST}.index").is_file():
        restore(model, folder / BEST)
        return
    prefixes = _prefixes(folder)
    if not prefixes:
        raise KvaeError(f"there is no checkpoint in {folder} yet")
    for prefix in prefixes[:-1]:
        try:
            restore(model, prefix)
            return
        except KvaeError as error:
            logger.warning("%s; taking the checkpoint before", error)
    restore(model, prefixes[-1])


def _prefixes(folder: Path) -> list[Path]:
    """Checkpoints, newest first. They are found by their files, because TensorFlow's list of them
    may be damaged."""
    found = [path for path in folder.glob("ckpt-*.index") if path.stem[5:].isdigit()]
    found.sort(key=lambda path: int(path.stem[5:]), reverse=True)
    return [path.with_suffix("") for path in found]
