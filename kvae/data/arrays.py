"""Images in `.npy` and `.npz` files."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from kvae.data.dataset import Dataset, Split, check_images, partitioned
from kvae.data.loading import Request, refuse_resizing
from kvae.errors import KvaeError


def load(request: Request) -> Dataset:
    """One array of images, or keras-style `x_train`, `y_train`, `x_test`, `y_test` in a `.npz`.

    `x_validation` and `y_validation` are taken where they are there, otherwise the last tenth of
    the training images (10,000 at most) is for validation. Without `x_test`, as with one array, all
    images are split 80 : 10 : 10 at random.

    Raises:
        KvaeError: the file is missing, damaged, not of this kind, or holds no images.
    """
    refuse_resizing(request)
    path = Path(request.name).expanduser().resolve()
    arrays = _read(path)
    description = f"images in {path.name}"
    if "x_train" not in arrays:
        if len(arrays) != 1:
            raise KvaeError(
                f"{path} must have one array, or x_train and x_test, but has "
                f"{', '.join(arrays) or 'nothing'}"
            )
        (key,) = arrays
        images = check_images(arrays[key], f"{key} in {path}")
        return partitioned(str(path), Split(images), request.seed, description)

    train = _split(arrays, "train", path)
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


def _read(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a file. Pickles are never unpacked: they can run anything."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {path.stem: loaded}
            with loaded:
                return {key: loaded[key] for key in loaded.files}
    except OSError as error:
        raise KvaeError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise KvaeError(f"{path} is not a whole .npy or .npz file of numbers: {error}") from error


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
    return Split(images, labels.astype(np.int64))
