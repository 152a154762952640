"""The folders of runs and of saved models: their names, finding them again, and reading them.

A run is a folder that explains itself: `runs/NAME/config.json` (all that is needed to do it again),
`history.csv` (a row an epoch), `checkpoints/`, TensorBoard events, `figures/`, and `results.json`
once it is done. A saved model is `saved_models/NAME/`.
"""

import contextlib
import csv
import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvae.config import CONFIG, read_config
from kvae.errors import KvaeError, UsageError
from kvae.io.files import check_writable
from kvae.io.reading import read_json, read_text
from kvae.progress import Progress, silent
from kvae.runs.history import COLUMNS

if TYPE_CHECKING:
    from kvae.data import Dataset

RUNS = Path("runs")
MODELS = Path("saved_models")
RESULTS = "results.json"
HISTORY = "history.csv"
CHECKPOINTS = "checkpoints"
FRAMES = "frames.npz"
FIGURES = "figures"
OBJECTIVE = "objective"
"""The one column of a history that is no number."""

REPLACES = ".replaces"
"""Marks a run that is to take another's place, until there is nothing left of the other."""


def choose_name(
    dataset: str, latent: int, name: str | None, runs: Path, models: Path, overwrite: bool
) -> str:
    """The name of a run to be, checked or made up, in folders that can be written.

    Raises:
        UsageError: `name` cannot be a name.
        KvaeError: `name` is taken, or a folder cannot be written.
    """
    check_writable(runs)
    check_writable(models)

    def taken(candidate: str) -> Path | None:
        places = (runs / candidate, models / candidate, attempt(runs / candidate))
        return next((place for place in places if place.exists()), None)

    if name is not None:
        place = taken(check_name(name))
        if place and not overwrite:
            unfinished = place.parent == runs and not (place / RESULTS).is_file()
            go_on = f", go on with it by --resume {name}" if unfinished else ""
            raise KvaeError(
                f"{place} exists already: choose another --name{go_on}, or --overwrite it"
            )
        return name
    base = f"{stem(dataset)}-z{latent}"
    name, number = base, 1
    while taken(name):
        number += 1
        name = f"{base}-{number}"
    return name


def check_name(name: str) -> str:
    """`name`, if it can name a run, a saved model or a sweep.

    Raises:
        UsageError: it cannot.
    """
    if not re.fullmatch(r"\w[\w.-]{0,99}", name):
        raise UsageError(
            f"name {name!r} must be letters, digits, '_', '-' and '.', not start with '-' or "
            "'.', and have at most 100 of them"
        )
    return name


def stem(dataset: str) -> str:
    """What names begin with that are made up for a dataset."""
    text = Path(dataset).stem if Path(dataset).is_absolute() else dataset
    return re.sub(r"\W+", "-", text).strip("-") or "images"


def exists(name: str, runs: Path) -> bool:
    """Whether there is anything of a run of this name."""
    return (runs / check_name(name)).exists() or attempt(runs / name).exists()


def to_resume(name: str, runs: Path) -> Path:
    """The folder of a run to go on with: of the one that is to replace a run, if there is one.

    Raises:
        KvaeError: there is no such run.
    """
    replacing = attempt(runs / name)
    # Where the run itself has the mark, the two have changed places already.
    waits = (replacing / REPLACES).is_file() and not (runs / name / REPLACES).is_file()
    return replacing if waits else find(name, runs, "run")


def is_complete(folder: Path) -> bool:
    """Whether the run in a folder is done, and in its place."""
    return (folder / RESULTS).is_file() and not (folder / REPLACES).exists()


def name_of(folder: Path) -> str:
    """The name of the run in a folder, which may be one that is to replace another."""
    return re.sub(r"^\.(.+)\.new$", r"\1", folder.name)


def attempt(folder: Path) -> Path:
    """Where the run is made that is to replace the one in a folder."""
    return folder.with_name(f".{folder.name}.new")


def find(name: str | None, folder: Path, what: str) -> Path:
    """The folder of a run or of a saved model.

    Args:
        name: Its name in `folder`, or its path; None for the newest.
        folder: Where they are.
        what: `run` or `saved model`, for the message.

    Raises:
        KvaeError: it is not there; the message has the nearest name.
    """
    if name == "":
        raise KvaeError(f"the name of a {what} is empty: kvae list shows what is there")
    if name is None:
        newest = max(listing(folder), key=_changed, default=None)
        if newest is None:
            raise KvaeError(f"there is no {what} in {folder} yet: kvae train makes one")
        return newest
    for path in folder / name, Path(name):
        # What it is saved as is named after it, which `.` and `..` are no names for.
        with contextlib.suppress(OSError):
            if path.is_dir():
                return path if path.name not in ("", "..") else path.resolve()
    known = [path.name for path in listing(folder)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "kvae list shows what is there"
    raise KvaeError(f"there is no {what} {name!r} in {folder}: {hint}")


def listing(folder: Path) -> list[Path]:
    """The runs or saved models in a folder, oldest first."""
    if not folder.is_dir():
        return []
    found = [
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and (path / CONFIG).is_file()
    ]
    return sorted(found, key=_changed)


def _changed(path: Path) -> float:
    return (path / CONFIG).stat().st_mtime


def dataset_of(
    model: Path,
    name: str | None = None,
    data_dir: Path | None = None,
    progress: Progress = silent,
) -> "Dataset":
    """The dataset of a saved model, or another one for it.

    Args:
        model: Folder of the saved model.
        name: Another dataset than it was trained on, as `kvae.data.load` takes it.
        data_dir: As `kvae.data.load` takes it.
        progress: Likewise.

    Raises:
        KvaeError: the dataset is not to be had, or its images have another shape.
    """
    from kvae import data

    config = read_config(model)
    of_data = config.data
    images = data.load(
        name or of_data.dataset, data_dir, of_data.split_seed, of_data.image_size, progress
    )
    if images.image_shape != config.model.image_shape:
        shapes = [" x ".join(map(str, s)) for s in (config.model.image_shape, images.image_shape)]
        raise KvaeError(
            f"{model.name} is for images of {shapes[0]}, but {images.name} has {shapes[1]}"
        )
    return images


def read_history(folder: Path) -> dict[str, list[Any]]:
    """The columns of a run's `history.csv` by name: numbers, and the objectives' names.

    Raises:
        KvaeError: it is missing or damaged.
    """
    path = folder / HISTORY
    try:
        # What a process that was killed was about to write ends without a line's end.
        whole, _, _ = read_text(path).rpartition("\n")
        head, *rows = [*csv.reader(whole.splitlines())] or [[]]
        if tuple(head) != COLUMNS:
            raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
        columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        for number, row in enumerate(rows, 1):
            for name, cell in zip(COLUMNS, row, strict=True):
                columns[name].append(cell if name == OBJECTIVE else float(cell))
            if columns["epoch"][-1] != number or not 0 <= columns["active_units"][-1] < 2**31:
                raise ValueError(f"row {number} is not of epoch {number}")
    except (ValueError, csv.Error) as error:
        raise KvaeError(f"{path} is damaged: {error}") from error
    return columns if rows else {}


def read_results(
    folder: Path, quantities: Sequence[str] = ("elbo", "kl", "active_units")
) -> dict[str, Any] | None:
    """What `results.json` of a run or of a saved model holds; None where there is none.

    Args:
        folder: The run's or the saved model's.
        quantities: What must be there, as numbers.

    Raises:
        KvaeError: it is damaged.
    """
    path = folder / RESULTS
    if not os.path.lexists(path):
        return None
    results = read_json(path)
    if not isinstance(results, dict):
        raise KvaeError(f"{path} is damaged: it does not hold results")
    for name in quantities:
        if not isinstance(results.get(name), int | float):
            raise KvaeError(f"{path} is damaged: it has no number for {name!r}")
    return results
