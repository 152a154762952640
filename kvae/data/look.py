"""One look at a dataset after it was loaded: what a person would want to know before training."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from kvae.data.dataset import Dataset, fingerprints
from kvae.errors import KvaeError, UsageError

NEARLY_ALL = 0.99
"""A share of pixels that is remarkable if all of them have one value."""
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
    repeated = len(every) - len(np.unique(every))
    leaked = sum(int(np.isin(keys, found[0]).sum()) for keys in found[1:])
    remarks = [*_of_values(counts), *_of_channels(dataset.train.images, counts)]
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
    return dataclasses.replace(dataset, remarks=look(dataset).remarks)


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
