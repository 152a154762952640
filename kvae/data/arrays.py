"""Images in `.npy` and `.npz` files."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kvae.data import image_files
from kvae.data.dataset import Dataset, Read, Split, divided
from kvae.data.levels import together
from kvae.data.request import Request, absolute
from kvae.errors import KvaeError
from kvae.io.reading import read_arrays

IMAGES = ("x", "image", "images", "img", "imgs", "data")
LABELS = ("y", "label", "labels", "target", "targets")
SPLITS = {"train": "train", "test": "test", "val": "validation", "valid": "validation",
          "validation": "validation"}  # fmt: skip
MAX_LABEL = 999_999
"""The largest label; counting labels takes memory for every number up to the largest."""
MAX_NAMES = 10
"""The largest number of array names in a message."""


def load(request: Request) -> Dataset:
    """Load a dataset from a file that `read` reads.

    Where there are no validation or no test images, some of the training images are held out at
    random; images without splits are split 80 : 10 : 10.

    Args:
        request: Its `name` is the path of a `.npy` or `.npz` file, its `seed` decides the splits,
            and its `image_size` is what the images are resized to.

    Raises:
        KvaeError: the file is missing, damaged, not of this kind, or holds fewer than 10 images.
    """
    path = str(absolute(request.name))
    return divided(path, read(request), request.seed, request.image_size)


def read(request: Request) -> Read:
    """Read one array of images, or images and labels, in splits or not, by their names.

    Names are those of Keras (`x_train`, `y_train`, `x_test`, ...), of MedMNIST (`train_images`,
    `train_labels`, `val_images`, ...), or `x` and `y`, `images` and `labels` without splits.

    Args:
        request: Its `name` is the path of a `.npy` or `.npz` file, and its `image_size` is what the
            images are resized to.

    Raises:
        KvaeError: the file is missing, damaged, not of this kind, or holds no images.
    """
    path = absolute(request.name)
    roles: dict[tuple[str, str], str] = {}
    unused: list[str] = []
    arrays = read_arrays(path, lambda names: _choose(names, path, roles, unused))
    notes = [f"{_listed(unused)} in {path.name} {'is' if len(unused) == 1 else 'are'} not used"]
    names = {split: name for (kind, split), name in roles.items() if kind == "images"}
    pixels, assumed = together({f"{name} in {path}": arrays[name] for name in names.values()})
    notes = [*(notes if unused else []), *assumed]
    splits = {}
    for split, images in zip(names, pixels, strict=True):
        label = roles.get(("labels", split))
        labels = None if label is None else _labels(arrays[label], len(images), label, path)
        splits[split] = Split(image_files.resize_all(images, request.image_size), labels)
    if len(splits) == 1:
        splits = {"": next(iter(splits.values()))}
    return Read(splits, f"images in {path.name}", (), notes)


def _choose(
    names: list[str], path: Path, roles: dict[tuple[str, str], str], unused: list[str]
) -> Iterable[str]:
    """The names of the arrays in a file that are images or labels, noted in `roles`."""
    if len(names) == 1:
        roles["images", ""] = names[0]
        return names
    for name in names:
        role = _role(name)
        if role and role in roles:
            raise KvaeError(
                f"{path} has {roles[role]} and {name}, which are the same by their names: leave "
                "one of them out"
            )
        if role:
            roles[role] = name
        else:
            unused.append(name)
    splits = {split for kind, split in roles if kind == "images"}
    if "train" not in splits and splits != {""}:
        raise KvaeError(
            f"{path} must have one array, or x_train and x_test, or x and y, but has "
            f"{_listed(names) or 'nothing'}"
        )
    if "" in splits and len(splits) > 1:
        raise KvaeError(
            f"{path} has images in splits ({roles['images', 'train']}) and without "
            f"({roles['images', '']}): leave one of them out"
        )
    for (kind, split), name in list(roles.items()):
        if kind == "labels" and split not in splits:
            del roles[kind, split]
            unused.append(name)
    return roles.values()


def _role(name: str) -> tuple[str, str] | None:
    """Whether an array is `images` or `labels`, and the split; None if its name says neither."""
    words = re.split(r"[-_. ]+", name.lower())
    split = [SPLITS[word] for word in words if word in SPLITS]
    others = [word for word in words if word not in SPLITS]
    if len(split) > 1 or len(others) != 1:
        return None
    for kind, known in (("images", IMAGES), ("labels", LABELS)):
        if others[0] in known:
            return kind, split[0] if split else ""
    return None


def _listed(names: list[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")


def _labels(labels: np.ndarray, count: int, name: str, path: Path) -> np.ndarray:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise KvaeError(
            f"{name} in {path} must be {count} whole numbers, one for each image, but is "
            f"{labels.dtype} {labels.shape}"
        )
    if not 0 <= labels.min() <= labels.max() <= MAX_LABEL:
        raise KvaeError(
            f"{name} in {path} must be from 0 to {MAX_LABEL:,}, but is from {labels.min()} to "
            f"{labels.max()}"
        )
    return labels.astype(np.int64)
