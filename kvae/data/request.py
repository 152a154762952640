"""What a dataset's loader is asked for, and the paths of datasets."""

import os
from dataclasses import dataclass
from pathlib import Path

from kvae import registry
from kvae.errors import KvaeError
from kvae.progress import Progress, silent


@dataclass(frozen=True)
class Request:
    """What a dataset's loader is asked for.

    Attributes:
        name: The dataset's name, or the path of its files.
        data_dir: Where TFDS keeps its datasets.
        seed: Decides the splits where the dataset has none of its own.
        image_size: Height and width to resize to, or None.
        progress: Shows how far a long load got.
    """

    name: str
    data_dir: Path
    seed: int = 0
    image_size: tuple[int, int] | None = None
    progress: Progress = silent


def default_data_dir() -> Path:
    """Where TFDS keeps its datasets: `TFDS_DATA_DIR`, or `~/tensorflow_datasets`."""
    return expanded(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")


def canonical(name: str) -> str:
    """The name that a dataset gives itself, by which configurations have it."""
    if name in registry.DATASETS or name.startswith("tfds:"):
        return name
    return str(Path(name).expanduser().resolve())


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path whose `~` is somebody's home.

    Raises:
        KvaeError: they have none.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise KvaeError(f"there is no folder or file {path}: {error}") from error


def absolute(path: str) -> Path:
    """A path that names the same from everywhere.

    Raises:
        KvaeError: it goes round in links, or is no path at all.
    """
    try:
        return expanded(path).resolve()
    # Before Python 3.13 links in a circle are a RuntimeError.
    except (OSError, RuntimeError, ValueError) as error:
        raise KvaeError(f"cannot read {path}: {error}") from error


def refuse_resizing(request: Request) -> None:
    """Images of one size by nature are used at it: the original resolution is part of the data."""
    if request.image_size is not None:
        raise KvaeError(
            f"{request.name} is used at its own size: image-size is for folders of images and "
            "tfds: datasets"
        )
