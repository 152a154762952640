"""Images in splits for training, validation and testing, as every loader returns them."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from kvae.data.alignment import Linearity, linearity, possible_shifts
from kvae.data.columns import Columns
from kvae.errors import KvaeError, UsageError


@dataclass(frozen=True, eq=False)
class Split:
    """Some of a dataset's images, such as those for training.

    Attributes:
        images: Pixels, uint8 `[count, height, width, channels]`, from 0 (black) to 255 (white); or
            `numbers`.
        labels: Integers `[count]`; None if the images have no labels.
        features: Further arrays with one entry for each image, by name, such as `frame` (the
            number of the frame in the film) of the Frey Faces.
        files: The file of each image, `[count]`, with the number of its page if it has several;
            None if the images are not from files of their own.
        numbers: Whether the images are made of real numbers, float32
            `[count, height, width, channels]`, which models take as they are. A table of
            measurements, each row of which is an image, is `[rows, columns, 1, 1]`.

    Raises:
        UsageError: The images are not of that type and shape, numbers are not finite, or labels or
            files are not as many.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    files: np.ndarray | None = None
    numbers: bool = False

    def __post_init__(self) -> None:
        dtype, shape = getattr(self.images, "dtype", None), np.shape(self.images)
        if dtype != (np.float32 if self.numbers else np.uint8) or len(shape) != 4:
            what = "numbers must be float32" if self.numbers else "images must be uint8"
            advice = "" if self.numbers else ": convert them with kvae.data.as_pixels"
            raise UsageError(
                f"a split's {what} [count, height, width, channels], but are {dtype} "
                f"{list(shape)}{advice}"
            )
        if self.numbers and not np.isfinite(self.images).all():
            raise UsageError("a split has numbers that are not finite (NaN or infinity)")
        for name, values in (("labels", self.labels), ("files", self.files)):
            if values is not None and len(values) != shape[0]:
                raise UsageError(f"there are {len(values)} {name} for {shape[0]} images")

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
            None if self.files is None else self.files[index],
            self.numbers,
        )

    def spread(self, count: int) -> "Split":
        """Select images at even distances, because neighbouring images are often alike.

        Args:
            count: How many; all images if there are fewer.
        """
        return self.take(spread(len(self), count))


def spread(total: int, count: int) -> np.ndarray:
    """Numbers of some of many images, at even distances.

    Args:
        total: How many there are.
        count: How many are wanted; all images if there are fewer.
    """
    count = min(count, total)
    return np.linspace(0, total - 1, count).round().astype(int)


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
        notes: What was assumed when the images were read, in words.
        remarks: What is remarkable about the images, in words; `kvae.data.load` finds it.
        columns: The columns of a table, whose standardised rows the images are; None of others.

    Raises:
        UsageError: No training image has a pixel above 1: these are black and white, but would be
            taken for grey levels next to black. Or some splits have pixels and others numbers.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    description: str
    label_names: tuple[str, ...] = ()
    image_size: tuple[int, int] | None = None
    split_seed: int = 0
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    columns: Columns | None = None

    def __post_init__(self) -> None:
        if len({split.numbers for split in (self.train, self.validation, self.test)}) > 1:
            raise UsageError(f"some splits of {self.name} have pixels, and others have numbers")
        if self.train.numbers:
            return
        images = self.train.images
        # Nearly always, the first images show it.
        blocks = (images[start : start + 1000] for start in range(0, len(images), 1000))
        if not any(block.max() > 1 for block in blocks) and images.max(initial=0) == 1:
            raise UsageError(
                f"the highest training pixel of {self.name} is 1 of 255: if 1 is white, convert "
                "the images with kvae.data.as_pixels"
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @cached_property
    def kind(self) -> str:
        """`colour`, `binary` (most pixels are nearly black or nearly white), or `grey`; `numbers`
        if there are no pixels, but real numbers."""
        if self.train.numbers:
            return "numbers"
        if self.image_shape[2] > 1:
            return "colour"
        some = self.train.images[:: max(1, len(self.train) // 1000)]
        extreme = np.mean((some < 32) | (some > 223))
        return "binary" if extreme > 0.8 else "grey"

    @cached_property
    def two_levels(self) -> bool:
        """Whether every training pixel is black or white, and none is grey."""
        images = self.train.images
        blocks = (images[start : start + 1000] for start in range(0, len(images), 1000))
        return all(((block == 0) | (block == 255)).all() for block in blocks)

    @cached_property
    def linearity(self) -> Linearity:
        """`kvae.data.alignment.linearity` of the training images, for all possible shifts."""
        return linearity(self.train.images, possible_shifts(self.image_shape))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The name of each label that images of this dataset can have; empty without labels.

        Labels without names are named by their numbers.
        """
        if self.label_names:
            return self.label_names
        splits = self.train, self.validation, self.test
        found = [split.labels for split in splits if split.labels is not None]
        return tuple(map(str, np.unique(np.concatenate(found)))) if found else ()

    @property
    def class_counts(self) -> tuple[int, ...]:
        """The number of training images of each of `classes`."""
        names = self.names_of(self.train)
        if names is None:
            return ()
        counts = dict(zip(*np.unique(names, return_counts=True), strict=True))
        return tuple(int(counts.get(name, 0)) for name in self.classes)

    def names_of(self, split: Split) -> np.ndarray | None:
        """The name of the label of each image of a split, `[count]`; None if it has no labels.

        Args:
            split: Images of this dataset.
        """
        return None if split.labels is None else named_labels(split.labels, self.label_names)

    def split(self, name: str) -> Split:
        """Select a split by name.

        Args:
            name: `train`, `validation` or `test`.
        """
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def named_labels(labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The name of each label, `[count]`.

    Args:
        labels: Integers `[count]`.
        names: The name of each label, in the order of the labels; empty names labels by their
            numbers.
    """
    return np.array(names)[labels] if len(names) else labels.astype(str)


class Read(NamedTuple):
    """Images as they were read, before any are held out.

    Attributes:
        splits: The images by split; images without splits are under "".
        description: One line on what the images are and where they come from.
        label_names: The name of each label, in the order of the labels.
        notes: What was assumed, in words.
    """

    splits: Mapping[str, Split]
    description: str
    label_names: Sequence[str]
    notes: Sequence[str]


def divided(name: str, read: Read, seed: int, image_size: tuple[int, int] | None) -> Dataset:
    """Make a dataset of images as they were read: `partitioned` or `completed`.

    Args:
        name: The name or path by which `kvae.data.load` finds the dataset.
        read: The images.
        seed: Decides the splits, or which images are held out.
        image_size: Height and width that the images were resized to; None if they were not.

    Raises:
        KvaeError: there are fewer than 10 images, or the splits have images of different shapes.
    """
    rest = read.description, read.label_names, image_size, read.notes
    if "" in read.splits:
        return partitioned(name, read.splits[""], seed, *rest)
    return completed(name, read.splits, seed, *rest)


def checksum(images: np.ndarray) -> int:
    """A checksum by which other images are told from these.

    It covers the shape and all pixels; of images of more than 256 MiB, only some thousand.

    Args:
        images: `[count, ...]`, of any type.
    """
    some = images if images.nbytes <= 2**28 else images[:: -(-len(images) // 5000)]
    shape = ",".join(map(str, images.shape)).encode()
    return zlib.crc32(np.ascontiguousarray(some).data, zlib.crc32(shape))


def partition(
    count: int,
    seed: int,
    where: str,
    labels: np.ndarray | None = None,
    same: np.ndarray | None = None,
    what: str = "images",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split the numbers of images at random, 80 % : 10 % : 10 %.

    Args:
        count: The number of images.
        seed: Decides the split.
        where: What the images are, for error messages.
        labels: The label of each image, `[count]`. Each label is then split by itself, and one of
            three images or more is in every split as long as that leaves enough for training. None
            splits all images as one.
        same: A number for each image, `[count]`, that is the same for images that must be in the
            same split. None leaves every image free.
        what: What is split, for error messages.

    Returns:
        The numbers of the images for training, validation and testing, each sorted. Together they
        hold each of 0 to `count - 1` once.

    Raises:
        KvaeError: there are fewer than 10 images.
    """
    if count < 10:
        raise KvaeError(f"{where} has {count} {what}; at least 10 are needed, to hold some out")
    first, unit = np.arange(count), np.arange(count)
    if same is not None:
        _, first, unit = np.unique(same, return_index=True, return_inverse=True)
        # In the order of the images, whatever the numbers are.
        by_image = np.argsort(first)
        first, unit = first[by_image], np.argsort(by_image)[unit]
        if len(first) < 3:
            # There is no split in which equal images are together.
            first, unit = np.arange(count), np.arange(count)
    sizes = np.bincount(unit)
    # RandomState gives the same numbers in every version of NumPy, so splits never change.
    order = np.random.RandomState(seed).permutation(len(first))
    strata = [order]
    if labels is not None:
        of_unit = labels[first][order]
        strata = [order[of_unit == label] for label in np.unique(of_unit)]
    total = max(1, len(first) // 10)
    shares = _shares([len(units) for units in strata], total)
    sides = np.zeros(len(first), int)

    def hold_out(units: np.ndarray, share: int, side: int) -> None:
        # Of images that are equal, more than that would leave too few for training.
        free = [u for u in units[::-1] if not sides[u] and sizes[u] <= max(1, count // 10)]
        sides[free[: max(0, share)]] = side

    for side in (2, 1):
        for units, share in zip(strata, shares, strict=True):
            hold_out(units, share, side)
        # Labels with too few images may leave some to be held out.
        hold_out(order, total - int((sides == side).sum()), side)
    train, validation, test = (np.flatnonzero(sides[unit] == side) for side in range(3))
    return train, validation, test


def _shares(sizes: Sequence[int], total: int) -> list[int]:
    """How many of each stratum are held out for validation, and as many again for testing.

    Together they are `total`, and of each stratum a tenth as nearly as whole numbers allow.
    """
    shares = [size // 10 for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda index: -(sizes[index] % 10))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    # A label of a few images is in every split, unless there are so many such labels that little
    # would be left for training.
    if len(sizes) * 20 <= sum(sizes):
        shares = [max(share, int(size >= 3)) for share, size in zip(shares, sizes, strict=True)]
    return shares


def partitioned(
    name: str,
    everything: Split,
    seed: int,
    description: str,
    label_names: Sequence[str] = (),
    image_size: tuple[int, int] | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """Make a dataset of images that came without splits, which are split 80 : 10 : 10 at random.

    Labels are split alike, and equal images are in the same split.

    Args:
        name: The name or path by which `kvae.data.load` finds the dataset.
        everything: All images; at least 10.
        seed: Decides the splits.
        description: One line on what the images are and where they come from.
        label_names: The name of each label, in the order of the labels.
        image_size: Height and width that the images were resized to; None if they were not.
        notes: What was assumed when the images were read.

    Raises:
        KvaeError: there are fewer than 10 images.
    """
    same = np.unique(fingerprints(everything.images), return_inverse=True)[1]
    parts = partition(len(everything), seed, name, everything.labels, same)
    train, validation, test = (everything.take(part) for part in parts)
    return Dataset(
        name, train, validation, test, description, tuple(label_names), image_size, seed,
        tuple(notes),
    )  # fmt: skip


def completed(
    name: str,
    splits: Mapping[str, Split],
    seed: int,
    description: str,
    label_names: Sequence[str] = (),
    image_size: tuple[int, int] | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """Make a dataset of images that came with splits.

    Where validation or test images are missing, a tenth of the training images is held out for
    them at random.

    Args:
        name: The name or path by which `kvae.data.load` finds the dataset.
        splits: `train`, and `validation`, `test` or both.
        seed: Decides which images are held out.
        description: One line on what the images are and where they come from.
        label_names: The name of each label, in the order of the labels.
        image_size: Height and width that the images were resized to; None if they were not.
        notes: What was assumed when the images were read.

    Raises:
        KvaeError: there are fewer than 10 training images, or the splits have images of different
            shapes.
    """
    train = splits["train"]
    for part, split in splits.items():
        if split.images.shape[1:] != train.images.shape[1:]:
            raise KvaeError(
                f"the {part} images of {name} are of {split.images.shape[1:]}, but the training "
                f"images of {train.images.shape[1:]}"
            )
    if len(train) < 10:
        raise KvaeError(f"{name} has {len(train)} training images; at least 10 are needed")
    parts = dict(splits)
    for number, part in (1, "validation"), (2, "test"):
        if part not in splits:
            same = np.unique(fingerprints(train.images), return_inverse=True)[1]
            numbers = partition(len(train), seed, name, train.labels, same)
            parts[part] = train.take(numbers[number])
            parts["train"] = train.take(np.sort(np.concatenate([numbers[0], numbers[3 - number]])))
    return Dataset(
        name, parts["train"], parts["validation"], parts["test"], description, tuple(label_names),
        image_size, seed, tuple(notes),
    )  # fmt: skip


def fingerprints(images: np.ndarray) -> np.ndarray:
    """A number for each image, `[count]`, that is the same for equal images alone.

    Args:
        images: `[count, ...]`, of any type.
    """
    return np.array([hash(image.tobytes()) for image in images], np.int64)
