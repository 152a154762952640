"""The folders of runs and of saved models: how they are named, found and read.

A run is a folder that explains itself: `runs/NAME/config.json` (all that is needed to repeat it),
`history.csv` (a row for each epoch), `checkpoints/`, TensorBoard events, `figures/`, and
`results.json` once it is complete. A saved model is `saved_models/NAME/`.
"""

import contextlib
import difflib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvae.config import CONFIG, READING, Config, family, read_config
from kvae.errors import KvaeError, UsageError
from kvae.io.files import atomic_folder, check_writable, write_json
from kvae.io.reading import read_json
from kvae.progress import Progress, silent

if TYPE_CHECKING:
    from kvae.data import Dataset

logger = logging.getLogger(__name__)

RUNS = Path("runs")
MODELS = Path("saved_models")
RESULTS = "results.json"
CHECKPOINTS = "checkpoints"
FRAMES = "frames.npz"
FIGURES = "figures"


@contextlib.contextmanager
def new_run_folder(
    config: Config, name: str | None, runs: Path, models: Path, overwrite: bool
) -> Iterator[Path]:
    """Make the folder of a run, and keep it locked for the block.

    Args:
        config: The run's configuration, which is written to the folder.
        name: The run's name; None makes one from the dataset and the model.
        runs: Folder of runs.
        models: Folder of saved models.
        overwrite: Whether to replace a run of this name.

    Yields:
        The folder.

    Raises:
        UsageError: `name` cannot be a name.
        KvaeError: The name is taken, another process uses the run, or a folder cannot be written.
    """
    while True:
        base = f"{stem(config.data.dataset)}-{config.model.label}"
        folder = runs / choose_name(base, name, runs, models, overwrite)
        with contextlib.ExitStack() as locks:
            try:
                with atomic_folder(folder, replace=overwrite, locks=locks) as scratch:
                    write_json(scratch / CONFIG, config.to_json())
            except FileExistsError as error:
                if name is None:
                    # Another process has just taken the name that was made; make another one.
                    continue
                raise KvaeError(
                    f"{error}: choose another `name`, or wait for the process that makes it"
                ) from error
            yield folder
            return


def choose_name(base: str, name: str | None, runs: Path, models: Path, overwrite: bool) -> str:
    """Choose the name of a new run or saved model, and check that its folders can be written.

    Args:
        base: The beginning of the name if none is given. A number is added if it is taken.
        name: The name that was given, or None.
        runs: Folder of runs.
        models: Folder of saved models.
        overwrite: Whether a given name may already be taken.

    Raises:
        UsageError: `name` cannot be a name.
        KvaeError: `name` is taken, or a folder cannot be written.
    """
    check_writable(runs)
    check_writable(models)

    def taken(candidate: str) -> Path | None:
        return next((p for p in (runs / candidate, models / candidate) if p.exists()), None)

    if name is not None:
        place = taken(check_name(name))
        if place and not overwrite:
            unfinished = place.parent == runs and not is_complete(place)
            resume = f", resume it with `resume={name}`" if unfinished else ""
            raise KvaeError(
                f"{place} exists already: choose another `name`{resume}, or `overwrite` it"
            )
        return name
    name, number = base, 1
    while taken(name):
        number += 1
        name = f"{base}-{number}"
    return name


def check_name(name: str) -> str:
    """Return a name if it is allowed for a run, a saved model or a sweep.

    Args:
        name: The name.

    Raises:
        UsageError: The name is not allowed.
    """
    if not re.fullmatch(r"\w[\w.-]{0,99}", name):
        raise UsageError(
            f"name {name!r} must be letters, digits, '_', '-' and '.', not start with '-' or "
            "'.', and have at most 100 of them"
        )
    return name


def stem(dataset: str) -> str:
    """The beginning of the names that are made for runs on a dataset.

    Args:
        dataset: The dataset's name, or the absolute path of its folder or file.
    """
    text = Path(dataset).stem if Path(dataset).is_absolute() else dataset
    return re.sub(r"\W+", "-", text).strip("-") or "images"


def is_complete(folder: Path) -> bool:
    """Whether a run is complete. Its results are the last file that it writes.

    Args:
        folder: The run's folder.
    """
    return (folder / RESULTS).is_file()


def find(name: str | None, folder: Path, what: str) -> Path:
    """Find the folder of a run or of a saved model.

    Args:
        name: Its name in `folder`, or its path; None finds the newest.
        folder: Folder of runs or of saved models.
        what: `run` or `saved model`, for error messages.

    Raises:
        KvaeError: There is no such run or saved model; the message suggests the nearest name.
    """
    if name == "":
        raise KvaeError(f"the name of a {what} is empty: kvae list shows what is there")
    if name is None:
        newest = max(listing(folder), key=_changed, default=None)
        if newest is None:
            raise KvaeError(f"there is no {what} in {folder} yet: kvae train makes one")
        return newest
    for path in folder / name, Path(name):
        # Other files are named after the folder. `.` and `..` cannot be used for their names, so
        # such a path is resolved.
        with contextlib.suppress(OSError):
            if path.is_dir():
                return path if path.name not in ("", "..") else path.resolve()
    known = [path.name for path in listing(folder)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "kvae list shows what is there"
    raise KvaeError(f"there is no {what} {name!r} in {folder}: {hint}")


def listing(folder: Path) -> list[Path]:
    """The runs or saved models in a folder, oldest first.

    Args:
        folder: Folder of runs or of saved models; it may be missing.
    """
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
    """Load the dataset that a saved model was trained on, or another one with images of its shape.

    Args:
        model: Folder of the saved model.
        name: Name or path of another dataset; None loads the one that the model was trained on.
        data_dir: Where TensorFlow Datasets keeps its datasets; None is its default.
        progress: Shows how much of a long load is done.

    Raises:
        KvaeError: The dataset cannot be loaded, or its images have another shape.
    """
    from kvae import data

    config = read_config(model)
    of_data = config.data
    if name is None and of_data.reading != READING and os.path.isabs(of_data.dataset):
        logger.warning(
            "%s was trained by another version of kvae, which may have read or split %s in another "
            "way: some of today's test images may have been trained on",
            model.name,
            of_data.dataset,
        )
    images = data.load(
        name or of_data.dataset, data_dir, of_data.split_seed, of_data.image_size, progress,
        of_data.columns,
    )  # fmt: skip
    if (images.columns is None) != (of_data.columns is None):
        own = "images" if of_data.columns is None else "a table of numbers"
        other = "no table" if images.columns is None else "a table of numbers"
        raise KvaeError(f"{model.name} is of {own}, but {images.name} is {other}")
    if images.image_shape != config.model.image_shape:
        shapes = [" x ".join(map(str, s)) for s in (config.model.image_shape, images.image_shape)]
        raise KvaeError(
            f"{model.name} is for images of {shapes[0]}, but {images.name} has {shapes[1]}"
        )
    return images


def to_start_from(name: str | None, models: Path = MODELS) -> Config | None:
    """The configuration of the saved model that a run starts from; None if it starts anew.

    Args:
        name: Name or path of the saved model, which may be None.
        models: Folder of saved models.

    Raises:
        KvaeError: There is no such model.
    """
    return None if name is None else read_config(find(name, models, "saved model"))


def read_results(folder: Path) -> dict[str, Any] | None:
    """The contents of `results.json` of a run or of a saved model; None if there is no such file.

    Args:
        folder: The folder of the run or of the saved model.

    Raises:
        KvaeError: The file is damaged: it has none of the metrics of the model's family, or one of
            its key figures is no number.
    """
    path = folder / RESULTS
    if not os.path.lexists(path):
        return None
    results = read_json(path)
    if not isinstance(results, dict):
        raise KvaeError(f"{path} is damaged: it does not hold results")
    metrics = [metric.name for metric in family(read_config(folder).family).metrics]
    if not set(metrics) & set(results):
        raise KvaeError(f"{path} is damaged: it has none of {', '.join(metrics)}")
    errors = [f"{name}_standard_error" for name in metrics]
    for name in ("images", *metrics, *errors, "training_seconds"):
        if not isinstance(results.get(name, 0), int | float):
            raise KvaeError(f"{path} is damaged: it has no number for {name!r}")
    return results
