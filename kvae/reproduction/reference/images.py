"""What the report's claims do with images."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kvae import figures
from kvae.evaluation.labels import NEIGHBOURS
from kvae.reproduction.claim import Spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kvae.data import Split
    from kvae.models.vae.model import VAE

READ = 10_000
"""How many training images the classifier that reads digits has."""
SHOWN = 10
"""How many test images a figure of reconstructions shows."""


def to_floats(split: "Split") -> np.ndarray:
    """The images as floats in [0, 1], `[count, height, width, channels]`.

    Args:
        split: The images.
    """
    return split.images / np.float32(255)


def reconstruct(model: "VAE", split: "Split") -> tuple[np.ndarray, np.ndarray]:
    """The images in the form in which the model sees them, and their reconstructions.

    Args:
        model: The model.
        split: The images.
    """
    images = model.inputs(split.images).numpy()
    return images, model.reconstruct(images).numpy()


def in_rows(rows: Sequence[np.ndarray], title: str, left: tuple[str, ...] = ()) -> "Figure":
    """A picture of images in rows.

    Args:
        rows: The images of each row, `[count, height, width, channels]`.
        title: The title.
        left: What is written beside each row.
    """
    grid = figures.tile(np.concatenate(rows), len(rows[0]))
    return figures.picture(grid, title, left=left)


def grid(images: np.ndarray, title: str) -> "Figure":
    """A picture of the first forty images.

    Args:
        images: The images, `[count, height, width, channels]`.
        title: The title.
    """
    return figures.picture(figures.tile(images[:40], 10), title)


class Reader:
    """Recognises the digits in images by the nearest training images.

    Args:
        train: The training images, with their labels.
    """

    def __init__(self, train: "Split") -> None:
        from sklearn.neighbors import KNeighborsClassifier

        some = train.spread(READ)
        flat = to_floats(some).reshape(len(some), -1)
        self._classifier = KNeighborsClassifier(NEIGHBOURS).fit(flat, some.labels)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(self._classifier.predict(images.reshape(len(images), -1)))


def listed(baselines: Mapping[str, Spread]) -> str:
    """The baselines and their values, as a list in words.

    Args:
        baselines: Shares by the name of what they were measured on.
    """
    *most, last = (f"{name} {of.mean:.1%}" for name, of in baselines.items())
    return f"{', '.join(most)} and {last}"
