"""Images in splits for training, validation and testing, as every loader returns them."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from kvae.errors import KvaeError


@dataclass(frozen=True, eq=False)
class Split:
    """Some of a dataset's images, such as those for training.

    Attributes:
        images: uint8 `[count, height, width, channels]`, from 0 (black) to 255 (white).
        labels: Integers `[count]`; None if the images have no labels.
        features: Further arrays with one entry for each image, by name, such as `frame` (the
            number of the frame in the film) of the Frey Faces.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    features: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, index: np.ndarray | slice) -> "Split":
        """Select images together with their labels and features.

        Args:
            index: Which images: a slice, integers or booleans, as NumPy indexes arrays.
        """
        return Split(
            self.images[index],
            None if self.labels is None else self.labels[index],
            {name: values[index] for name, values in self.features.items()},
        )

    def spread(self, count: int) -> "Split":
        """Select images at even distances, because neighbouring images are often alike.

        Args:
            count: How many; all images if there are fewer.
        """
        count = min(count, len(self))
        return self.take(np.linspace(0, len(self) - 1, count).round().astype(int))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in three splits, with their description.

    Attributes:
        name: The name or path by which `kvae.data.load` finds it.
        train: The images to learn from.
        validation: Images held out to choose the best epoch and the best model.
        test: Images held out to report results on.
        description: One line on what the images are and where they come from.
        label_names: The name of each label, in the order of the labels; empty if there are none.
        image_size: Height and width that the images were resized to; None if they were not.
        split_seed: The seed of the random splits, if the dataset came without splits.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    description: str
    label_names: tuple[str, ...] = ()
    image_size: tuple[int, int] | None = None
    split_seed: int = 0

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @cached_property
    def kind(self) -> str:
        """`colour`, `binary` (most pixels are nearly black or nearly white), or `grey`."""
        if self.image_shape[2] > 1:
            return "colour"
        some = self.train.images[:: max(1, len(self.train) // 1000)]
        extreme = np.mean((some < 32) | (some > 223))
        return "binary" if extreme > 0.8 else "grey"

    def split(self, name: str) -> Split:
        """Select a split by name.

        Args:
            name: `train`, `validation` or `test`.
        """
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def checksum(images: np.ndarray) -> int:
    """A checksum by which other images are told from these.

    It covers the shape and all pixels; of images of more than 256 MiB, only some thousand.

    Args:
        images: uint8 `[count, height, width, channels]`.
    """
    some = images if images.nbytes <= 2**28 else images[:: -(-len(images) // 5000)]
    shape = ",".join(map(str, images.shape)).encode()
    return zlib.crc32(np.ascontiguousarray(some).data, zlib.crc32(shape))


def check_images(images: np.ndarray, where: str) -> np.ndarray:
    """Convert an array to uint8 images `[count, height, width, channels]`.

    Args:
        images: uint8, booleans, integers from 0 to 255 or floats from 0 to 1, of shape `[count,
            height, width]` or `[count, height, width, channels]` with 1 or 3 channels.
        where: What the array is, for error messages.

    Raises:
        KvaeError: the array has another shape, type or range, or pixels that are not finite.
    """
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape[1:]:
        shape = " x ".join(map(str, images.shape)) or "a single number"
        raise KvaeError(
            f"{where} must be [count, height, width] or [count, height, width, channels] with 1 or "
            f"3 channels, but is {shape}"
        )
    if len(images) == 0:
        raise KvaeError(f"{where} has no images")
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * np.uint8(255)
    if images.dtype.kind not in "iuf":
        raise KvaeError(f"{where} must hold numbers, but its type is {images.dtype}")
    low, high = images.min(), images.max()
    if images.dtype.kind == "f":
        if not np.isfinite([low, high]).all():
            raise KvaeError(f"{where} has pixels that are not finite (NaN or infinity)")
        limit = 1
    else:
        limit = 255
    if low < 0 or high > limit:
        raise KvaeError(
            f"{where} has pixels from {low:g} to {high:g}; {images.dtype} pixels must be within "
            f"0 and {limit}"
        )
    return np.round(images * (255 // limit)).astype(np.uint8)


def partition(count: int, seed: int, where: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split the numbers of images at random, 80 % : 10 % : 10 %.

    Args:
        count: The number of images.
        seed: Decides the split.
        where: What the images are, for error messages.

    Returns:
        The numbers of the images for training, validation and testing, each sorted. Together they
        hold each of 0 to `count - 1` once.

    Raises:
        KvaeError: there are fewer than 10 images.
    """
    if count < 10:
        raise KvaeError(f"{where} has {count} images; at least 10 are needed, to hold some out")
    # RandomState gives the same numbers in every version of NumPy, so splits never change.
    order = np.random.RandomState(seed).permutation(count)
    held_out = count // 10
    cuts = [count - 2 * held_out, count - held_out]
    train, validation, test = np.split(order, cuts)
    return np.sort(train), np.sort(validation), np.sort(test)


def partitioned(
    name: str,
    everything: Split,
    seed: int,
    description: str,
    label_names: Sequence[str] = (),
    image_size: tuple[int, int] | None = None,
) -> Dataset:
    """Make a dataset of images that came without splits, which are split 80 : 10 : 10 at random.

    Args:
        name: The name or path by which `kvae.data.load` finds the dataset.
        everything: All images; at least 10.
        seed: Decides the splits.
        description: One line on what the images are and where they come from.
        label_names: The name of each label, in the order of the labels.
        image_size: Height and width that the images were resized to; None if they were not.

    Raises:
        KvaeError: there are fewer than 10 images.
    """
    train, validation, test = partition(len(everything), seed, name)
    return Dataset(
        name=name,
        train=everything.take(train),
        validation=everything.take(validation),
        test=everything.take(test),
        description=description,
        label_names=tuple(label_names),
        image_size=image_size,
        split_seed=seed,
    )
