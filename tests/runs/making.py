"""Runs that tests make: complete ones, and ones that are killed on the way."""

from pathlib import Path

import numpy as np
import pytest

import kvae
from kvae import runs
from kvae.data import Dataset
from kvae.runs.history import read_history
from kvae.runs.run import Run

OF_START = ("overwrite", "on_epoch", "checkpoint_every", "asked_to_stop")


def start(dataset: Dataset, places: dict[str, Path], name: str | None = None, **options) -> Run:
    """A run of four epochs without XLA, unless the options say otherwise."""
    further = {key: options.pop(key) for key in OF_START if key in options}
    small = {"hidden": (16,), "epochs": 4, "jit": False, "batch_size": 64}
    options = {**small, "learning_rate": 0.001, "schedule": "constant", **options}
    return runs.start(dataset, kvae.configure(dataset, **options), name, **places, **further)


class Killed(BaseException):
    """What nothing handles, as nothing handles SIGKILL."""


def cut(
    dataset: Dataset, places: dict[str, Path], epoch: int, name: str = "cut", **options
) -> Path:
    """The folder of a run that is killed after an epoch that no checkpoint has."""

    def kill(row):
        if row["epoch"] == epoch:
            raise Killed

    with pytest.raises(Killed):
        start(dataset, places, name, on_epoch=kill, **options)
    return places["runs"] / name


def assert_same_outcome(one: Run, other: Run) -> None:
    """Two runs have the same weights, history and frames, bit for bit."""
    for left, right in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    histories = [read_history(each.folder) for each in (one, other)]
    for history in histories:
        history.pop("seconds")
    assert histories[0] == histories[1]
    frames = [np.load(each.folder / "frames.npz") for each in (one, other)]
    for name in "epochs", "images":
        np.testing.assert_array_equal(frames[0][name], frames[1][name])
