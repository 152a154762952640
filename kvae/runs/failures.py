"""Error messages of runs: what went wrong, and how the run can be resumed."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from kvae.errors import Interrupted, KvaeError, NotFiniteError, UsageError, first_line
from kvae.runs.folders import CHECKPOINTS
from kvae.training import State


@contextlib.contextmanager
def explained(folder: Path, state: State) -> Iterator[None]:
    """Add to the message of an error in the block how the run can be resumed.

    If the loss or a weight is not finite, the run would fail again when it is resumed. Such a run
    is removed, unless it has a checkpoint.

    Args:
        folder: The run's folder.
        state: The state of the training.

    Raises:
        KvaeError: The run failed for a reason that the user can do something about.
        Interrupted: A signal asked the run to stop.
    """
    name = folder.name
    resume = f"resume it with `resume={name}`"
    try:
        yield
    except Interrupted as error:
        message = f"stopped after {state.reached}: {resume}"
        raise Interrupted(error.signal, message) from error
    except UsageError:
        raise
    except NotFiniteError as error:
        # A resumed run would fail again in the same way.
        if any((folder / CHECKPOINTS).glob("*.index")):
            kept = f"the model of its last checkpoint can still be exported from {folder}"
        else:
            shutil.rmtree(folder)
            kept = f"nothing is kept of {name}"
        raise KvaeError(f"{error}; {kept}") from error
    except (OSError, tf.errors.OpError, MemoryError) as error:
        raise KvaeError(f"{_reason(error, folder)}; then {resume}") from error
    except KvaeError as error:
        raise KvaeError(f"{error}; {resume}") from error


def _reason(error: Exception, folder: Path) -> str:
    message = first_line(error)
    if "No space left" in message:
        return f"no space left on the device of {folder}: make some"
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return f"out of memory ({message}): choose a smaller model, or a smaller `batch_size`"
    if isinstance(error, OSError):
        return f"cannot write {error.filename or folder}: {error.strerror}"
    return message
