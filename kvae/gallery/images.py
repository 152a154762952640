"""Figures of images that a model makes, restores or completes."""

from typing import TYPE_CHECKING

import numpy as np

from kvae import evaluation, figures
from kvae.gallery.subject import MOST_IMAGES, Subject
from kvae.models.chunks import of_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = 64
RECONSTRUCTIONS = 20
COMPLETED = 8
"""The number of images that are completed, each `COMPLETIONS` times."""
COMPLETIONS = 6
LABELLED = 20
"""The largest number of labels that are drawn; of more, those at even distances are."""
LABEL_COLUMNS = 12
LONGEST_LABEL = 20
FILTERS = 144
"""The largest number of units whose filters are drawn; of more, those with the largest weights."""
NEAREST = 20


def samples(subject: Subject) -> "Figure":
    """Samples of the model.

    Args:
        subject: The model that is drawn, and its data.
    """
    images = subject.model.sample(SAMPLES, subject.seed).numpy()
    return figures.picture(figures.tile(images), f"{subject.name}: samples")


def reconstructions(subject: Subject) -> "Figure":
    """Test images and their reconstructions.

    Args:
        subject: The model that is drawn, and its data.
    """
    images, model = subject.some(RECONSTRUCTIONS)
    pairs = figures.pairs(images, model.reconstruct(images).numpy())
    title = f"{subject.name}: test images, and below each its reconstruction"
    return figures.picture(pairs, title)


def completions(subject: Subject) -> "Figure":
    """Test images, their upper halves, and completions of these.

    Args:
        subject: The model that is drawn, and its data.
    """
    images, model = subject.some(COMPLETED)
    height = images.shape[1]
    upper = images.copy()
    upper[:, height // 2 :] = 0.5
    # Images first, so that the seed gives each column of the picture other random numbers.
    drawn = model.complete(np.tile(upper, (COMPLETIONS, 1, 1, 1)), subject.seed).numpy()
    columns = np.stack([images, upper, *np.split(drawn, COMPLETIONS)], axis=1)
    return figures.picture(
        figures.tile(columns.reshape(-1, *images.shape[1:]), COMPLETIONS + 2),
        f"{subject.name}: lower halves drawn below given upper halves",
        below="a test image, what is given of it, and completions",
    )


def labels(subject: Subject) -> "Figure":
    """Samples of each label.

    Args:
        subject: The model that is drawn, and its data.
    """
    model = subject.model
    chosen = np.linspace(0, len(model.classes) - 1, min(LABELLED, len(model.classes)))
    numbers = chosen.round().astype(int).tolist()
    rows = [model.given(number).sample(LABEL_COLUMNS, subject.seed).numpy() for number in numbers]
    return figures.picture(
        figures.tile(np.concatenate(rows), LABEL_COLUMNS),
        f"{subject.name}: samples of each label",
        below="a column has the same random numbers in all rows",
        left=tuple(readable(model.classes[number]) for number in numbers),
    )


def readable(label: str) -> str:
    """The name of a label as figures show it: names of folders may be no text, and long.

    Args:
        label: The name.
    """
    return label.encode("utf-8", "backslashreplace").decode()[:LONGEST_LABEL]


def codes(subject: Subject) -> "Figure":
    """Test images and their codes.

    Args:
        subject: The model that is drawn, and its data.
    """
    images, model = subject.some(RECONSTRUCTIONS)
    codes = model.codes(images).numpy()
    # Enlarged without smoothing, so that a code is a rectangle of one colour.
    rows, columns = (
        np.arange(side) * count // side
        for side, count in zip(images.shape[1:3], codes.shape[1:], strict=True)
    )
    coloured = figures.colours(model.code_count)[codes[:, rows][:, :, columns]]
    above = images if images.shape[3] == 3 else np.repeat(images[..., :1], 3, axis=3)
    title = f"{subject.name}: test images, and below each its codes, each code in a colour"
    return figures.picture(figures.pairs(above, coloured), title)


def single_codes(subject: Subject) -> "Figure":
    """What single codes decode to at all places.

    Args:
        subject: The model that is drawn, and its data.
    """
    model = subject.model
    images, _ = subject.some(MOST_IMAGES)
    codes = of_rows(model, lambda model, some, _: model.codes(some), images)
    counts = np.bincount(np.ravel(codes), minlength=model.code_count)
    order = np.argsort(-counts, kind="stable")[:SAMPLES]
    decoded = model.decode_codes(
        np.tile(order[:, None, None], (1, *codes.shape[1:])).astype(np.int32)
    )
    return figures.picture(
        figures.tile(decoded.numpy()),
        f"{subject.name}: what single codes decode to",
        below="each at all places; the codes that are most frequent in test images first",
    )


def filters(subject: Subject) -> "Figure":
    """The weights of the first layer's units.

    Args:
        subject: The model that is drawn, and its data.
    """
    weights = subject.model.filters().numpy()
    largest = np.abs(weights).max(axis=(1, 2, 3))
    order = np.argsort(-np.square(weights).sum(axis=(1, 2, 3)), kind="stable")[:FILTERS]
    scale = 2 * np.maximum(largest, 1e-6)[:, None, None, None]
    return figures.picture(
        figures.tile((0.5 + weights / scale)[order]),
        f"{subject.name}: the weights of the first layer's units",
        below="grey is zero and each unit has its own scale; the largest weights first",
    )


def nearest(subject: Subject) -> "Figure":
    """Samples and the training images that are nearest to them.

    Args:
        subject: The model that is drawn, and its data.
    """
    samples = subject.model.sample(NEAREST, subject.seed).numpy()
    train = subject.dataset.train.images
    _, index = evaluation.nearest(samples, train / np.float32(255))
    pairs = figures.pairs(samples, train[index] / np.float32(255))
    title = f"{subject.name}: samples, and below each the nearest training image"
    return figures.picture(pairs, title)
