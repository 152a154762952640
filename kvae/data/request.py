"""What is asked of the loader of a dataset, and the paths of datasets."""

import os
from dataclasses import dataclass
from pathlib import Path

from kvae import registry
from kvae.data.columns import Columns
from kvae.errors import KvaeError, UsageError
from kvae.progress import Progress, silent

HINT = "kvae data list shows the datasets that have a name"
"""Where to find data that are there."""
LONGEST_SIDE = 128
"""The longer side of images to which larger ones are resized, where the user has no other wish."""


@dataclass(frozen=True)
class Request:
    """What is asked of the loader of a dataset.

    Attributes:
        name: The name of the dataset, or the path of its files.
        data_dir: Where TFDS keeps its datasets.
        seed: Decides the splits of a dataset that comes without splits.
        image_size: Height and width to resize to; None keeps the images as they are.
        progress: Shows how far a long load is.
        columns: How the columns of a table are standardised; None measures its training rows.
    """

    name: str
    data_dir: Path
    seed: int = 0
    image_size: tuple[int, int] | None = None
    progress: Progress = silent
    columns: Columns | None = None


def default_data_dir() -> Path:
    """Where TFDS keeps its datasets: `TFDS_DATA_DIR`, or `~/tensorflow_datasets`."""
    return expanded(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")


def named(name_or_path: str | os.PathLike[str]) -> str:
    """The name or path of a dataset as text.

    Args:
        name_or_path: What the user typed.

    Raises:
        UsageError: it is empty.
    """
    name = os.fspath(name_or_path)
    if not name:
        raise UsageError("the name of a dataset is empty: give one such as digits, or a path")
    return name


def canonical(name: str) -> str:
    """The name that a loaded dataset has, which is the one that configurations hold.

    Args:
        name: What the user typed; a path becomes absolute.
    """
    if name in registry.DATASETS or name.startswith("tfds:"):
        return name
    return str(Path(name).expanduser().resolve())


def expanded(path: str | os.PathLike[str]) -> Path:
    """Replace the `~` at the beginning of a path by the home folder.

    Args:
        path: The path, with or without `~`.

    Raises:
        KvaeError: there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise KvaeError(f"there is no folder or file {path}: {error}") from error


def absolute(path: str) -> Path:
    """Make a path absolute, with `~` and symbolic links replaced.

    Args:
        path: The path.

    Raises:
        KvaeError: its links form a circle, or it cannot be a path.
    """
    try:
        return expanded(path).resolve()
    # Links in a circle are a RuntimeError before Python 3.13.
    except (OSError, RuntimeError, ValueError) as error:
        raise KvaeError(f"cannot read {path}: {error}") from error


def smaller(height: int, width: int) -> str:
    """The field that makes images so small that a model of them is trained in reasonable time.

    Args:
        height: The images' height.
        width: The images' width.

    Returns:
        Such as `image_size=96x128`, in backticks; sides that are not too long stay as they are.
    """
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    sides = (max(1, round(scale * side)) for side in (height, width))
    return f"`image_size={'x'.join(map(str, sides))}`"


def refuse_resizing(request: Request) -> None:
    """Raise a `KvaeError` if images whose resolution is part of the dataset are to be resized.

    Args:
        request: Its `image_size` must be None.
    """
    if request.image_size is not None:
        raise KvaeError(
            f"{request.name} is used at its own size: `image_size` is for images of your own and "
            "for tfds:NAME"
        )
