"""One look at a dataset after it was loaded: what a person would want to know before training."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from kvae.data.columns import Columns
from kvae.data.dataset import Dataset, fingerprints
from kvae.data.request import smaller
from kvae.errors import KvaeError, UsageError

NEARLY_ALL = 0.99
"""A share of pixels that is remarkable if all of them have one value."""
FEW_VALUES = 10
"""A column of so few different values is remarkable, if there are enough rows."""
ENOUGH_ROWS = 100
LARGE = 256 * 256
"""Images of more pixels are remarkable."""
MOST_COLUMNS = 5
"""The largest number of columns that a remark names."""
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Look:
    """What there is to see.

    Attributes:
        lowest: The lowest pixel, from 0 (black).
        highest: The highest pixel, to 255 (white).
        repeated: How many images are equal to one before them.
        leaked: How many validation and test images are equal to a training image.
        remarks: What is remarkable, in words.
    """

    lowest: int
    highest: int
    repeated: int
    leaked: int
    remarks: tuple[str, ...]


def look(dataset: Dataset) -> Look:
    """Look at all images of a dataset.

    Args:
        dataset: The dataset.

    Raises:
        UsageError: The dataset has real numbers and no pixels.
        KvaeError: All images are the same.
    """
    if dataset.train.numbers:
        raise UsageError(f"{dataset.name} has real numbers and no pixels: there is nothing to see")
    splits = [dataset.split(part) for part in PARTS]
    counts = np.sum([_histogram(split.images) for split in splits], axis=0)
    found = [fingerprints(split.images) for split in splits]
    every = np.concatenate(found)
    if len(np.unique(every)) == 1:
        raise KvaeError(f"all images of {dataset.name} are the same: there is nothing to learn")
    values = np.flatnonzero(counts.sum(axis=0))
    repeated = _repeated(every)
    leaked = sum(int(np.isin(keys, found[0]).sum()) for keys in found[1:])
    remarks = [*_of_values(counts), *_of_channels(dataset.train.images, counts)]
    height, width, _ = dataset.image_shape
    if height * width > LARGE:
        remarks.append(
            f"images of {height:,} x {width:,} pixels take long to train on: "
            f"{smaller(height, width)} makes them smaller"
        )
    if len(np.unique(found[0])) == 1:
        remarks.append("all training images are the same")
    elif repeated:
        remarks.append(f"{repeated:,} of {len(every):,} images are equal to others")
    if leaked:
        held_out = len(found[1]) + len(found[2])
        remarks.append(
            f"{leaked:,} of {held_out:,} validation and test images are training images, too"
        )
    return Look(int(values[0]), int(values[-1]), repeated, leaked, tuple(remarks))


def looked_at(dataset: Dataset) -> Dataset:
    """A dataset with what is remarkable about it.

    Args:
        dataset: The dataset.

    Raises:
        KvaeError: All images are the same.
    """
    columns = dataset.columns
    found = look(dataset).remarks if columns is None else _of_table(dataset, columns)
    return dataclasses.replace(dataset, remarks=tuple(found))


def _repeated(keys: np.ndarray) -> int:
    return len(keys) - len(np.unique(keys))


def _of_table(dataset: Dataset, columns: Columns) -> list[str]:
    rows = np.concatenate([dataset.split(part).images for part in PARTS])
    repeated = _repeated(fingerprints(rows))
    remarks = [f"{repeated:,} of {len(rows):,} rows are equal to others"] if repeated else []
    constant = np.flatnonzero(~columns.varying)
    remarks += [
        f"{columns.named(index)} is {columns.means[index]:g} in all training rows, and is left out"
        for index in constant[:MOST_COLUMNS]
    ]
    if len(constant) > MOST_COLUMNS:
        remarks.append(f"so are {len(constant) - MOST_COLUMNS:,} more columns")
    varying = np.flatnonzero(columns.varying)
    values = [len(np.unique(column)) for column in rows.reshape(len(rows), -1).T]
    few = [columns.named(varying[n]) for n, count in enumerate(values) if count < FEW_VALUES]
    if few and len(rows) >= ENOUGH_ROWS:
        more = f" and {len(few) - MOST_COLUMNS:,} more" if len(few) > MOST_COLUMNS else ""
        remarks.append(
            f"{', '.join(few[:MOST_COLUMNS])}{more} {'has' if len(few) == 1 else 'have'} fewer "
            f"than {FEW_VALUES} different values: modelled as real numbers, and the log-likelihood "
            "depends on the smallest standard deviation"
        )
    return remarks


def require_differences(dataset: Dataset) -> None:
    """Refuse a dataset whose training images are all the same.

    Args:
        dataset: The dataset.

    Raises:
        KvaeError: They are.
    """
    images = dataset.train.images
    # Nearly always, the first two images show it.
    if all((image == images[0]).all() for image in images):
        raise KvaeError(f"all images of {dataset.name} are the same: there is nothing to learn")


def _histogram(images: np.ndarray) -> np.ndarray:
    """How often each value is in each channel, `[channels, 256]`."""
    channels = [images[..., channel] for channel in range(images.shape[3])]
    counts = np.zeros((len(channels), 256), np.int64)
    for count, channel in zip(counts, channels, strict=True):
        # Some images at a time, since bincount makes 64-bit integers of all of them.
        for start in range(0, len(channel), 1000):
            count += np.bincount(channel[start : start + 1000].reshape(-1), minlength=256)
    return counts


def _of_values(counts: np.ndarray) -> list[str]:
    together = counts.sum(axis=0)
    share, value = together.max() / together.sum(), int(together.argmax())
    highest = int(np.flatnonzero(together)[-1])
    remarks = []
    if share > NEARLY_ALL:
        remarks.append(f"{100 * share:.1f} % of all pixels are {value} of 255")
    if highest < 64:
        remarks.append(f"the images are dark: the highest pixel is {highest} of 255")
    return remarks


def _of_channels(train: np.ndarray, counts: np.ndarray) -> list[str]:
    if len(counts) == 1:
        return []
    remarks = []
    if len(counts) != 3:
        remarks.append(
            f"images have {len(counts)} channels: all are modelled, and pictures show the first "
            f"{min(len(counts), 3)} as red{', green and blue' if len(counts) > 3 else ' and green'}"
        )
    remarks += [
        f"channel {number} is {int(count.argmax())} everywhere"
        for number, count in enumerate(counts, start=1)
        if np.count_nonzero(count) == 1
    ]
    if (counts == counts[0]).all() and (train == train[..., :1]).all():
        remarks.append(f"the {len(counts)} channels are equal: the images are grey")
    return remarks
