"""Writes the files of a run while it trains: history, TensorBoard events, frames, checkpoints."""

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from kvae.data import Dataset
from kvae.errors import Interrupted
from kvae.metrics import Row
from kvae.models.plan import Evaluation
from kvae.runs.checkpoints import Checkpoints
from kvae.runs.film import Film
from kvae.runs.folders import CHECKPOINTS, FRAMES
from kvae.runs.history import HISTORY, history_file
from kvae.training import State

if TYPE_CHECKING:
    from kvae.runs.summaries import Summaries

logger = logging.getLogger(__name__)


class Records:
    """Writes the records of a run to its folder; a context manager that closes the files.

    Args:
        folder: The run's folder.
        name: The run's name.
        state: The training's state. If the folder has checkpoints, the state is restored from the
            newest, and records of later epochs are removed.
        dataset: The images that the model is trained on.
        checkpoint_every: Epochs from one checkpoint to the next; None saves by time.
        on_epoch: Called with the row of every epoch.
        asked_to_stop: Called about every second. It returns the number of a signal that asked the
            run to stop, or None.

    Attributes:
        film: Frames of the animation.
        summaries: TensorBoard events; None where TensorBoard is not installed.
        checkpoints: Saved states of the training.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        state: State,
        dataset: Dataset,
        checkpoint_every: int | None,
        on_epoch: Callable[[Row], None] | None,
        asked_to_stop: Callable[[], int | None],
    ) -> None:
        self._on_epoch, self._asked_to_stop = on_epoch, asked_to_stop
        self._frames = folder / FRAMES
        self.checkpoints = Checkpoints(folder / CHECKPOINTS, state, dataset, checkpoint_every)
        self.checkpoints.restore()
        epochs = len(state.history)
        self.film = Film(state.model, state.model.config.training.epochs)
        if epochs:
            self.film.resume(self._frames, epochs)
        self.summaries = _summaries(folder, name, state, dataset)
        self._files = contextlib.ExitStack()
        self._append = self._files.enter_context(history_file(folder / HISTORY, state.history))

    def epoch(self, row: Row, validation: Evaluation) -> None:
        """Record an epoch.

        Args:
            row: The epoch's row of `history.csv`.
            validation: The model's metrics on the validation images after the epoch.
        """
        self._append(row)
        if self.summaries:
            self.summaries.epoch(row, validation)
        self.film.shoot(int(row["epoch"]))
        if self._on_epoch:
            self._on_epoch(row)

    def pause(self) -> None:
        """Save a checkpoint if it is due or a signal asked the run to stop.

        Raises:
            Interrupted: A signal asked the run to stop. A checkpoint has been saved.
        """
        signal = self._asked_to_stop()
        if self.checkpoints.due or signal is not None:
            self.checkpoints.save(self._flush)
        if signal is not None:
            raise Interrupted(signal)

    def stop_if_asked(self) -> None:
        """End the run if a signal asked it to stop.

        Raises:
            Interrupted: A signal asked the run to stop. The last epoch already has a checkpoint.
        """
        signal = self._asked_to_stop()
        if signal is not None:
            raise Interrupted(signal)

    def _flush(self) -> None:
        self.film.save(self._frames)
        if self.summaries:
            self.summaries.flush()

    def __enter__(self) -> "Records":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()
        if self.summaries and error is None:
            self.summaries.close()


def _summaries(folder: Path, name: str, state: State, dataset: Dataset) -> "Summaries | None":
    try:
        from kvae.runs.summaries import Summaries
    except ImportError as error:
        if (error.name or "").split(".")[0] != "tensorboard":
            raise
        logger.warning("TensorBoard is not installed: the run has no events for it")
        return None
    return Summaries(folder, name, state.model, dataset, len(state.history))
