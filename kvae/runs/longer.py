"""Runs that are trained longer than they were started for."""

from dataclasses import replace
from pathlib import Path

from kvae.config import Config
from kvae.errors import UsageError
from kvae.runs.folders import is_complete
from kvae.runs.history import read_history


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
