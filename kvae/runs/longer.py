"""Which runs can be resumed, and runs that are trained longer than they were started for."""

from dataclasses import replace
from pathlib import Path

from kvae.config import CONFIG, Config, read_config
from kvae.errors import KvaeError, UsageError
from kvae.io.files import write_json
from kvae.runs.folders import RESULTS, is_complete
from kvae.runs.history import read_history


def to_resume(folder: Path, exported: Path, epochs: int | None, overwrite: bool) -> Config:
    """The configuration with which a run is resumed. A run that is trained longer gets a new one.

    Args:
        folder: The run's folder, which nobody else uses.
        exported: The folder of its saved model, which may not be there.
        epochs: The number of all epochs, those that are done included; None keeps the run's own.
        overwrite: Whether a saved model that has another configuration may be replaced.

    Raises:
        UsageError: The run has more epochs than that, or its patience has ended it.
        KvaeError: The run is complete or damaged, or the saved model is another model.
    """
    config = read_config(folder)
    longer = config if epochs is None else with_epochs(folder, config, epochs)
    if longer == config and is_complete(folder):
        raise KvaeError(f"{folder} is complete: there is nothing to resume")
    if exported.exists() and not overwrite and not is_earlier(read_config(exported), longer):
        raise KvaeError(f"{exported} is another model: `overwrite` it, or move it away")
    if longer != config:
        # Without results the run is not complete, and can be resumed if it is cut off here.
        (folder / RESULTS).unlink(missing_ok=True)
        write_json(folder / CONFIG, longer.to_json())
    return longer


def with_epochs(folder: Path, config: Config, epochs: int) -> Config:
    """The configuration of a run that is trained longer.

    Args:
        folder: The run's folder.
        config: The run's configuration.
        epochs: The number of all epochs, those that are done included.

    Raises:
        UsageError: The run has more epochs than that, or its patience has ended it.
    """
    before = config.training.epochs
    if epochs < before:
        raise UsageError(
            f"{folder} has {before} epochs: give {before} `epochs` or more, the number of all"
        )
    if epochs > before and is_complete(folder):
        done = len(read_history(folder)["epoch"])
        if done < before:
            raise UsageError(
                f"{folder} stopped after {done} of {before} epochs, by its `patience` of "
                f"{config.training.patience}: more epochs would change nothing"
            )
    return replace(config, training=replace(config.training, epochs=epochs))


def is_earlier(exported: Config, config: Config) -> bool:
    """Whether a saved model is that of a run, perhaps before the run was trained longer.

    Args:
        exported: The saved model's configuration.
        config: The run's configuration.
    """
    epochs = config.training.epochs
    same = replace(exported, training=replace(exported.training, epochs=epochs))
    return same == config and exported.training.epochs <= epochs
