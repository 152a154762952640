"""Folders of image files."""

import contextlib
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kvae.data import image_files
from kvae.data.dataset import Dataset, Read, Split, divided
from kvae.data.image_files import Picture
from kvae.data.request import HINT, Request, absolute, smaller
from kvae.errors import KvaeError
from kvae.io import machine

SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation",
    "validation": "validation", "test": "test", "testing": "test",
}  # fmt: skip
"""Names of sub-folders that are splits."""


class _Found(NamedTuple):
    """The image files of a folder.

    Attributes:
        paths: The files of each split; those of a folder without splits are under "".
        labels: The label of each of these files; None if there are no labels.
        names: The names of the labels.
        notes: What was not read, in words.
    """

    paths: Mapping[str, list[Path]]
    labels: Mapping[str, list[int]] | None
    names: Sequence[str]
    notes: list[str]


def load(request: Request) -> Dataset:
    """Load a dataset from a folder that `read` reads.

    Args:
        request: Its `name` is the path of the folder, its `seed` decides the splits.

    Raises:
        KvaeError: there are fewer than 10 images, one is damaged, or they have different sizes and
            the request has no `image_size`.
    """
    folder = str(absolute(request.name))
    return divided(folder, read(request), request.seed, request.image_size)


def read(request: Request, failures: list[str] | None = None) -> Read:
    """Read all images in a folder, or in its sub-folders.

    Sub-folders called `train`, `test` and `validation` (`val`, `valid`) are the splits; the names
    of others, and of those inside splits, are the labels. Each page and frame of a file is an
    image. If all images are grey, so is the dataset; otherwise all become RGB. Hidden files, and
    files without the suffix of an image, are skipped.

    Args:
        request: Its `name` is the path of the folder.
        failures: Where the messages on damaged files go, which are then left out; None refuses a
            folder with a damaged file.

    Raises:
        KvaeError: there are no images, one is damaged, or they have different sizes and the
            request has no `image_size`.
    """
    folder = absolute(request.name)
    found = _find(folder)
    paths = [path for group in found.paths.values() for path in group]
    everything, counts, notes = read_files(paths, folder, request, failures)
    if found.labels is not None:
        flat = [label for group in found.labels.values() for label in group]
        labels = np.repeat(np.array(flat, np.int64), counts)
        everything = Split(everything.images, labels, files=everything.files)
    ends = np.cumsum([0, *counts])
    splits, start = {}, 0
    for name, group in found.paths.items():
        splits[name] = everything.take(slice(ends[start], ends[start + len(group)]))
        start += len(group)
    description = f"{len(everything):,} images in the folder {folder.name}"
    return Read(splits, description, found.names, found.notes + notes)


def read_files(
    paths: Sequence[Path], folder: Path, request: Request, failures: list[str] | None = None
) -> tuple[Split, list[int], list[str]]:
    """Read image files that belong together.

    Args:
        paths: The files.
        folder: The folder that they are in; their names are relative to it.
        request: Its `image_size` is what the images are resized to.
        failures: Where the messages on damaged files go, which are then left out; None refuses
            damaged files.

    Returns:
        The images of all files, the number of images of each file, and what was assumed, in words.

    Raises:
        KvaeError: one is damaged, or they have different sizes and the request has no `image_size`.
    """
    pictures: list[Picture] = []
    counts: list[int] = []
    for path in request.progress(paths, len(paths), f"reading {folder.name}"):
        before, name = len(pictures), str(path.relative_to(folder))
        try:
            for picture in image_files.read(path, name, request.image_size):
                _check_size(picture, pictures, len(paths), folder)
                pictures.append(picture)
        except image_files.DamagedError as error:
            if failures is None:
                raise
            failures.append(str(error))
            del pictures[before:]
        counts.append(len(pictures) - before)
    if not pictures:
        raise KvaeError((failures or [f"there are no images in {folder}"])[0])
    notes = image_files.levels_together(pictures, str(folder))
    files = sum(count > 0 for count in counts)
    if len(pictures) > files:
        notes.append(f"{len(pictures):,} images are pages or frames of {files:,} files")
    if any(picture.pixels.shape[2] == 3 for picture in pictures):
        for picture in pictures:
            if picture.pixels.shape[2] == 1:
                picture.pixels = np.repeat(picture.pixels, 3, axis=2)
    images = np.stack([picture.pixels for picture in pictures])
    files_of = np.array([picture.file for picture in pictures])
    return Split(images, files=files_of), counts, notes


def _check_size(picture: Picture, pictures: Sequence[Picture], files: int, folder: Path) -> None:
    """Refuse a picture of another size than the first, and more pictures than memory holds."""
    first = pictures[0] if pictures else picture
    if picture.pixels.shape[:2] != first.pixels.shape[:2]:
        raise KvaeError(
            f"{folder / picture.file} is {_size(picture)}, but {first.file} is {_size(first)}: "
            f"give {smaller(*first.pixels.shape[:2])} to resize all of them"
        )
    count = max(files, len(pictures) + 1)
    if not pictures or (count > files and count % 1000 == 0):
        machine.require_memory(
            2 * count * picture.pixels.nbytes,
            f"{count:,} images of {_size(picture)}",
            f"give {smaller(*picture.pixels.shape[:2])}, or a smaller one",
        )


def _find(folder: Path) -> _Found:
    """The image files of a folder, by split and label."""
    notes: list[str] = []
    here = _images_in(folder, notes)
    inside = _folders_in(folder)
    splits = {child: SPLIT_NAMES.get(child.name.lower(), "") for child in inside}
    if "train" in splits.values() and len(set(splits.values()) - {""}) > 1:
        return _find_splits(folder, here, splits, notes)
    groups = {child.name: _images_in(child, notes) for child in inside}
    groups = {name: paths for name, paths in groups.items() if paths}
    _refuse_both(folder, here, groups)
    _note_deeper(inside, groups, notes)
    if here:
        return _Found({"": here}, None, (), notes)
    if not groups:
        deeper = next(_with_images_below(inside), None)
        raise KvaeError(
            f"there are no images in {folder} or in its sub-folders "
            f"(looked for {', '.join(sorted(image_files.SUFFIXES))}): "
            + (f"try kvae data show {shlex.quote(str(deeper))}" if deeper else HINT)
        )
    labels = [number for number, paths in enumerate(groups.values()) for _ in paths]
    paths = [path for group in groups.values() for path in group]
    return _Found({"": paths}, {"": labels}, tuple(groups), notes)


def _find_splits(
    folder: Path, here: list[Path], splits: Mapping[Path, str], notes: list[str]
) -> _Found:
    """The image files of a folder whose sub-folders are splits."""
    others = [child.name for child, split in splits.items() if not split and _any_image(child)]
    if here or others:
        beside = others[0] + "/" if others else here[0].name
        raise KvaeError(
            f"{folder} has sub-folders for splits ({', '.join(p.name for p in splits if splits[p])}"
            f") and {beside} beside them: move it into one of them, or elsewhere"
        )
    found: dict[str, dict[str, list[Path]]] = {}
    for child, split in splits.items():
        if not split:
            continue
        if split in found:
            raise KvaeError(f"{folder} has two sub-folders for the {split} images: join them")
        own, inside = _images_in(child, notes), _folders_in(child)
        groups = {one.name: _images_in(one, notes) for one in inside}
        groups = {name: paths for name, paths in groups.items() if paths}
        _refuse_both(child, own, groups)
        _note_deeper(inside, groups, notes)
        if not own and not groups:
            raise KvaeError(f"there are no images in {child}")
        found[split] = {"": own} if own else groups
    labelled = {split: "" not in groups for split, groups in found.items()}
    if len(set(labelled.values())) > 1:
        without = next(split for split, has in labelled.items() if not has)
        raise KvaeError(
            f"the {without} images of {folder} are not in sub-folders, whose names are labels, but "
            "others are"
        )
    paths = {split: [p for g in groups.values() for p in g] for split, groups in found.items()}
    if not any(labelled.values()):
        return _Found(paths, None, (), notes)
    names = sorted({name for groups in found.values() for name in groups})
    labels = {
        split: [names.index(name) for name, group in groups.items() for _ in group]
        for split, groups in found.items()
    }
    return _Found(paths, labels, names, notes)


def _refuse_both(folder: Path, here: list[Path], groups: Mapping[str, list[Path]]) -> None:
    if here and groups:
        raise KvaeError(
            f"{folder} has images both beside and inside its sub-folders ({', '.join(groups)}): "
            "put either all of them into sub-folders, whose names are labels, or none"
        )


def _note_deeper(
    inside: Sequence[Path], groups: Mapping[str, list[Path]], notes: list[str]
) -> None:
    """Note images that are in sub-folders of sub-folders beside images that are read."""
    if groups:
        deeper = [child for parent in inside for child in _folders_in(parent) if _any_image(child)]
        if deeper:
            notes.append(f"images in folders inside {deeper[0].parent.name}/ are not read")


def _with_images_below(folders: Sequence[Path]) -> Iterator[Path]:
    """Those folders that have images in their sub-folders."""
    for folder in folders:
        # What cannot be read is passed over.
        with contextlib.suppress(OSError):
            if any(_images_in(child, []) for child in _folders_in(folder)):
                yield folder


def _folders_in(folder: Path) -> list[Path]:
    return sorted(
        child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")
    )


def _images_in(folder: Path, notes: list[str]) -> list[Path]:
    """The image files in a folder. Of images in formats that are not read, it is noted."""
    files = sorted(
        path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file()
    )
    others = Counter(path.suffix.lower() for path in files)
    notes += [
        f"{others[suffix]:,} files in {folder.name}/ are not read: {suffix}"
        for suffix in sorted(others.keys() & image_files.OTHER_SUFFIXES)
    ]
    return [path for path in files if path.suffix.lower() in image_files.SUFFIXES]


def _any_image(folder: Path) -> bool:
    return any(
        path.suffix.lower() in image_files.SUFFIXES and path.is_file() for path in folder.rglob("*")
    )


def _size(picture: Picture) -> str:
    height, width = picture.pixels.shape[:2]
    return f"{height} x {width} pixels (height x width)"
