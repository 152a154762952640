"""Images in `.npy` and `.npz` files."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kvae.data.dataset import Dataset, Split, check_images, partitioned
from kvae.data.request import Request, absolute, refuse_resizing
from kvae.errors import KvaeError
from kvae.io.reading import read_arrays

SPLITS = ("train", "validation", "test")
MIN_TRAIN_IMAGES = 10
"""The smallest number of training images, some of which may be held out."""
MAX_LABEL = 999_999
"""The largest label; counting labels takes memory for every number up to the largest."""
MAX_NAMES = 10
"""The largest number of array names in an error message."""


def load(request: Request) -> Dataset:
    """Load one array of images, or `x_train`, `y_train`, `x_test`, `y_test` as Keras names them.

    The file may also have `x_validation` and `y_validation`; otherwise the last tenth of the
    training images, 10,000 at most, is held out for validation. One array, or training images
    without `x_test`, are split 80 : 10 : 10 at random.

    Args:
        request: Its `name` is the path of a `.npy` or `.npz` file.

    Raises:
        KvaeError: the file is missing, damaged, not of this kind, or holds no images.
    """
    refuse_resizing(request)
    path = absolute(request.name)
    arrays = read_arrays(path, lambda names: _choose(names, path))
    description = f"images in {path.name}"
    if "x_train" not in arrays:
        (key,) = arrays
        images = check_images(arrays[key], f"{key} in {path}")
        return partitioned(str(path), Split(images), request.seed, description)

    train = _split(arrays, "train", path)
    if len(train) < MIN_TRAIN_IMAGES:
        raise KvaeError(
            f"x_train in {path} has {len(train)} images; at least {MIN_TRAIN_IMAGES} are needed"
        )
    if "x_test" not in arrays:
        return partitioned(str(path), train, request.seed, description)
    test = _split(arrays, "test", path)
    if "x_validation" in arrays:
        validation = _split(arrays, "validation", path)
    else:
        held_out = min(10_000, max(1, len(train) // 10))
        train, validation = train.take(slice(-held_out)), train.take(slice(-held_out, None))
    for name, split in ("test", test), ("validation", validation):
        if split.images.shape[1:] != train.images.shape[1:]:
            raise KvaeError(
                f"x_{name} in {path} has images of {split.images.shape[1:]}, but x_train of "
                f"{train.images.shape[1:]}"
            )
    return Dataset(str(path), train, validation, test, description, split_seed=request.seed)


def _choose(names: list[str], path: Path) -> Iterable[str]:
    """The names of the arrays in a file that are images or labels."""
    if "x_train" in names:
        known = [f"{kind}_{split}" for kind in "xy" for split in SPLITS]
        return [name for name in names if name in known]
    if len(names) != 1:
        found = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
        raise KvaeError(
            f"{path} must have one array, or x_train and x_test, but has {found or 'nothing'}"
        )
    return names


def _split(arrays: dict[str, np.ndarray], name: str, path: Path) -> Split:
    images = check_images(arrays[f"x_{name}"], f"x_{name} in {path}")
    labels = arrays.get(f"y_{name}")
    if labels is None:
        return Split(images)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise KvaeError(
            f"y_{name} in {path} must be {len(images)} whole numbers, one for each image, but is "
            f"{labels.dtype} {labels.shape}"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() <= MAX_LABEL:
        raise KvaeError(
            f"y_{name} in {path} must be from 0 to {MAX_LABEL:,}, but is from {labels.min()} to "
            f"{labels.max()}"
        )
    return Split(images, labels.astype(np.int64))
