"""Images that a trained model is used on: any number of them, none held out."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kvae import registry
from kvae.data import arrays, folder, image_files, tables
from kvae.data.columns import Columns
from kvae.data.dataset import Read, Split, named_labels
from kvae.data.loading import load
from kvae.data.request import Request, default_data_dir, expanded, named
from kvae.errors import KvaeError, UsageError
from kvae.progress import Progress, silent

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images of one shape, each with a name by which a person finds it again.

    Attributes:
        images: uint8 `[count, height, width, channels]`; of a table, its standardised rows,
            float32 `[count, columns, 1, 1]`.
        names: What each image is, `[count]`: its file, with the page if there are several, or its
            split and number, from 0.
        labels: The name of each image's label, `[count]`; None if the images have no labels.
        notes: What was assumed when the images were read, in words.
        failures: A message on each file that could not be read.
        item: What an image is called: `row` if it is one of a table.
    """

    images: np.ndarray
    names: np.ndarray
    labels: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    item: str = "image"

    def __len__(self) -> int:
        return len(self.images)


def pictures(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    image_shape: tuple[int, int, int],
    resize: bool = False,
    split: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: Progress = silent,
    columns: Columns | None = None,
) -> Pictures:
    """Read images, or rows of a table, for a model. One is enough, and none is held out.

    Grey images are also images for a model of colours. Of files that cannot be read the others are
    returned, with a message for each.

    Args:
        sources: What `kvae.data.load` takes, or one image file or more.
        image_shape: Height, width and channels that the model is for.
        resize: Whether images of another size are resized, and colours become grey if the model is
            for grey images.
        split: `train`, `validation` or `test` of a dataset; None takes all images.
        data_dir: Folder of TensorFlow Datasets; None is TFDS's own default.
        seed: Decides the splits of images that come without splits.
        progress: Shows how far a long load is.
        columns: The columns of the table that the model is of, `model.config.data.columns`; None
            if it is of images.

    Raises:
        UsageError: The dataset is unknown, or files were given together with a split.
        KvaeError: There are no images, none can be read, or they do not have the shape; or a table
            is not like the model's.
    """
    listed = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    names = [named(source) for source in listed]
    size = image_shape[:2] if resize else None
    root = expanded(data_dir) if data_dir else default_data_dir()
    failures: list[str] = []
    if columns is not None:
        return _of_table(names, Request("", root, seed, None, progress, columns), split)
    if len(names) == 1 and not _is_image_file(names[0]):
        request = Request(names[0], root, seed, size, progress)
        found = _of_dataset(request, split, failures)
    else:
        if split is not None:
            raise UsageError("image files have no splits: leave `split` out, or name a dataset")
        found = _of_files(names, Request("", root, seed, size, progress), failures)
    parts = [each for each in found.splits.values() if len(each)]
    notes = list(found.notes)
    images = [_of_shape(each.images, image_shape, resize, notes) for each in parts]
    labels = None
    if parts[0].labels is not None:
        every = np.concatenate([each.labels for each in parts])
        labels = named_labels(every, found.label_names)
    return Pictures(
        np.concatenate(images), _names(found.splits), labels, tuple(notes), tuple(failures)
    )


def _of_table(names: Sequence[str], request: Request, split: str | None) -> Pictures:
    columns = request.columns
    assert columns is not None
    wrong = [name for name in names if not tables.is_table(expanded(name))]
    if wrong or len(names) > 1:
        what = f"{wrong[0]} is none" if wrong else f"{len(names)} files were given"
        raise KvaeError(f"the model is of a table of numbers, in one .csv or .npy file, but {what}")
    request = dataclasses.replace(request, name=names[0])
    if split is None:
        splits = tables.read(request, columns).splits
    else:
        splits = {split: tables.load(request).split(split)}
    return Pictures(next(iter(splits.values())).images, _names(splits), item="row")


def _is_image_file(name: str) -> bool:
    return Path(name).suffix.lower() in image_files.SUFFIXES and not expanded(name).is_dir()


def _of_dataset(request: Request, split: str | None, failures: list[str]) -> Read:
    path = expanded(request.name)
    is_path = request.name not in registry.DATASETS and not request.name.startswith("tfds:")
    if is_path and tables.is_table(path):
        raise KvaeError(f"{path} is a table of numbers, but the model is of images")
    if is_path and split is None and path.is_dir():
        return folder.read(request, failures)
    if is_path and split is None and path.is_file():
        return arrays.read(request)
    size = request.image_size if request.name not in registry.DATASETS else None
    dataset = load(request.name, request.data_dir, request.seed, size, request.progress)
    wanted = SPLITS if split is None else (split,)
    splits = {name: dataset.split(name) for name in wanted}
    return Read(splits, dataset.description, dataset.label_names, dataset.notes)


def _of_files(names: Sequence[str], request: Request, failures: list[str]) -> Read:
    paths = []
    for name in names:
        if not _is_image_file(name):
            raise UsageError(
                f"{name} is no image file: give one dataset, folder or array, or image files only"
            )
        paths.append(Path(os.path.abspath(expanded(name))))
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise KvaeError(f"there is no file {missing[0]}")
    # Two files of one name are told apart by their folders.
    where = Path(os.path.commonpath([path.parent for path in paths]))
    everything, _, notes = folder.read_files(paths, where, request, failures)
    return Read({"": everything}, "", (), notes)


def _names(splits: Mapping[str, Split]) -> np.ndarray:
    names: list[str] = []
    for name, split in splits.items():
        if split.files is not None:
            names += map(str, split.files)
        else:
            before = f"{name} " if name else ""
            names += [f"{before}{number}" for number in range(len(split))]
    return np.array(names)


def _of_shape(
    images: np.ndarray, shape: tuple[int, int, int], resize: bool, notes: list[str]
) -> np.ndarray:
    """Give images the shape that a model is for, as far as that loses nothing or is asked for."""
    if images.shape[1:3] != shape[:2] and resize:
        # Images of a folder were resized when they were read.
        images = image_files.resize_all(images, shape[:2])
    height, width, channels = images.shape[1:]
    if channels == 1 and shape[2] == 3:
        images = np.repeat(images, 3, axis=3)
    elif channels == 3 and shape[2] == 1 and resize:
        images = np.stack([np.asarray(Image.fromarray(each).convert("L")) for each in images])
        images = images[..., None]
        notes.append("colours become grey levels")
    if images.shape[1:] != shape:
        wanted, given = (" x ".join(map(str, each)) for each in (shape, (height, width, channels)))
        same = (height, width) == shape[:2] and not {channels, shape[2]} <= {1, 3}
        advice = "" if same else ": `resize` converts them"
        raise KvaeError(f"the model is for images of {wanted}, but these are {given}{advice}")
    return images
