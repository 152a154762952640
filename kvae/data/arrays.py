"""Images in `.npy` and `.npz` files."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kvae.data.dataset import Dataset, Split, check_images, partitioned
from kvae.data.request import Request, absolute, refuse_resizing
from kvae.errors import KvaeError
from kvae.io.reading import read_arrays

SPLITS = ("train", "validation", "test")
LEAST = 10
"""Training images: some of them may be held out."""
LABELS = 1_000_000
"""Labels are counted from 0, and there are fewer than this."""
SHOWN = 10
"""Names of arrays in an error, at most."""


def load(request: Request) -> Dataset:
    """One array of images, or keras-style `x_train`, `y_train`, `x_test`, `y_test` in a `.npz`.

    `x_validation` and `y_validation` are taken where they are there, otherwise the last tenth of
    the training images (10,000 at most) is for validation. Without `x_test`, as with one array, all
    images are split 80 : 10 : 10 at random.

    Raises:
        KvaeError: the file is missing, damaged, not of this kind, or holds no images.
    """
    refuse_resizing(request)
    path = absolute(request.name)
    arrays = read_arrays(path, lambda names: _wanted(names, path))
    description = f"images in {path.name}"
    if "x_train" not in arrays:
        (key,) = arrays
        images = check_images(arrays[key], f"{key} in {path}")
        return partitioned(str(path), Split(images), request.seed, description)

    train = _split(arrays, "train", path)
    if len(train) < LEAST:
        raise KvaeError(f"x_train in {path} has {len(train)} images; at least {LEAST} are needed")
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


def _wanted(names: list[str], path: Path) -> Iterable[str]:
    """Those of the arrays in a file that are images or labels."""
    if "x_train" in names:
        known = [f"{kind}_{split}" for kind in "xy" for split in SPLITS]
        return [name for name in names if name in known]
    if len(names) != 1:
        shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        raise KvaeError(
            f"{path} must have one array, or x_train and x_test, but has {shown or 'nothing'}"
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
    if len(labels) and not 0 <= labels.min() <= labels.max() < LABELS:
        raise KvaeError(
            f"y_{name} in {path} must be from 0 to {LABELS - 1:,}, but is from {labels.min()} to "
            f"{labels.max()}"
        )
    return Split(images, labels.astype(np.int64))
