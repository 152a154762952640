"""Checkpoints of a run: the weights, the optimizer's state, and how far it has come."""

import dataclasses
import json
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from kvae.data.dataset import Dataset, checksum
from kvae.errors import KvaeError, NotFiniteError, first_line
from kvae.io.files import flush
from kvae.models.vae.model import VAE
from kvae.models.weights import check_files, check_list, restore, variables
from kvae.runs.history import Epoch
from kvae.training.loop import State

logger = logging.getLogger(__name__)

KEEP = 2
BEST = "best"
SECONDS = 10.0
"""Checkpoints are at least so far apart, unless they are wanted at certain epochs."""
SHARE = 0.02
"""Of the time at most goes into checkpoints, as far as the last one can tell."""


class Checkpoints:
    """Saves a training to a folder.

    Each has the weights, the best ones if they are kept, the optimizer's variables, the history and
    how far the next epoch has come, and checksums of the images: all that it takes to go on, but
    for the configuration.

    Args:
        folder: `runs/NAME/checkpoints`.
        state: Of the training.
        dataset: What it is trained and validated on.
        every: Save after every so many epochs; by default by time, in long epochs also in between.
    """

    def __init__(
        self, folder: Path, state: State, dataset: Dataset, every: int | None = None
    ) -> None:
        self._folder, self._state, self._every = folder, state, every
        splits = dataset.train, dataset.validation, dataset.test
        self._images = [checksum(split.images) for split in splits]
        self._progress = tf.Variable("", dtype=tf.string)
        self._checkpoint = tf.train.Checkpoint(
            weights=variables(state.model),
            optimizer=[variable.value for variable in state.optimizer.variables],
            best=state.best,
            progress=self._progress,
        )
        try:
            check_list(folder)
        except KvaeError:
            # Checkpoints are found without it. One that led elsewhere would have the manager
            # delete what is there.
            (folder / "checkpoint").unlink()
        self._manager = tf.train.CheckpointManager(self._checkpoint, str(folder), KEEP)
        self._saved_at, self._cost = time.monotonic(), 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        epochs, step = len(self._state.history), self._state.step
        if self._state.done:
            return True
        if self._every:
            return step == 0 and epochs % self._every == 0
        return time.monotonic() - self._saved_at > max(SECONDS, self._cost / SHARE)

    def save(self, along: Callable[[], None] = lambda: None) -> None:
        """Write the state.

        Args:
            along: Writes what else of it must be on disk by then.

        Raises:
            NotFiniteError: a weight is not: what was saved last is to be kept.
        """
        start, state = time.monotonic(), self._state
        if not all(np.isfinite(value.numpy()).all() for value in variables(state.model)):
            raise NotFiniteError(
                f"training stopped after {state.reached}: a weight is not finite; try a learning "
                f"rate below {state.model.config.training.learning_rate:g}"
            )
        along()
        progress = {
            "history": [dataclasses.asdict(epoch) for epoch in state.history],
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
        """Write the weights alone, which are not those of the newest epoch."""
        tf.train.Checkpoint(weights=variables(self._state.model)).write(str(self._folder / BEST))

    def _remove_what_was_not_finished(self) -> None:
        whole = {path.name for path in _prefixes(self._folder)} | {BEST}
        for path in list(self._folder.iterdir()) if self._folder.is_dir() else []:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != "checkpoint" and path.name.split(".")[0] not in whole:
                path.unlink(missing_ok=True)

    def restore(self) -> None:
        """Bring the state to where the newest checkpoint has it; do nothing where there is none.

        Raises:
            KvaeError: none that is there can be read, or the images are others now.
        """
        self._remove_what_was_not_finished()
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
                    raise KvaeError(f"cannot go on from {prefix}: {said}") from error
                logger.warning("%s is damaged (%s): going on from the one before", prefix, said)
        else:
            return
        if progress["images"] != self._images:
            raise KvaeError(
                f"cannot go on from {prefix}: the images are not those that the run was started "
                "with; give it those, or start a new run"
            )
        state = self._state
        state.history = [Epoch(**epoch) for epoch in progress["history"]]
        state.step, state.seconds = progress["step"], progress["seconds"]
        state.totals = np.array(progress["totals"], np.float32)


def load_weights(folder: Path, model: VAE) -> None:
    """Give `model` the best weights in `folder`, or where none were kept the newest.

    Raises:
        KvaeError: there is none, or none can be read.
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
    """Checkpoints, newest first: by what is there, as the list of them may be damaged."""
    found = [path for path in folder.glob("ckpt-*.index") if path.stem[5:].isdigit()]
    found.sort(key=lambda path: int(path.stem[5:]), reverse=True)
    return [path.with_suffix("") for path in found]
