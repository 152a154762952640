"""How usual images are to a model, and their reconstructions."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kvae.errors import UsageError
from kvae.evaluation.likelihood import importance_weighted_bound
from kvae.inference.encoding import of_images
from kvae.models.base import Bounds, Reconstructs
from kvae.progress import Progress, silent


@dataclass(frozen=True, eq=False)
class Scores:
    """How usual images are to a model.

    Attributes:
        bounds: A lower bound on log p(x) of each image, `[count]`, in nats.
        percentiles: The percentage of validation images with a lower bound, `[count]`. An image
            near 0 is less usual than nearly all of them.
    """

    bounds: np.ndarray
    percentiles: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """The numbers of the images, the least usual first, `[count]`."""
        return np.argsort(self.bounds, kind="stable")


def score(
    model: Any,
    images: np.ndarray,
    validation: np.ndarray,
    samples: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
    labels: np.ndarray | None = None,
    validation_labels: np.ndarray | None = None,
) -> Scores:
    """Say how usual images are: their bound on log p(x), beside that of validation images.

    Args:
        model: What `kvae.load` or `kvae.build` returned.
        images: uint8 `[count, height, width, channels]`.
        validation: The validation images of the dataset that the model was trained on, uint8
            `[other count, height, width, channels]`.
        samples: The number of samples of z for the importance-weighted bound (Burda et al., 2016);
            None scores by the ELBO, with one sample.
        seed: Decides all random numbers.
        progress: Shows how much is done.
        labels: The number of each image's label, `[count]`, for a conditional model.
        validation_labels: The same for the validation images.

    Raises:
        UsageError: The images are not uint8 of the model's shape, the labels do not go together
            with them or with the model, or the model has no bound on log p(x).
    """
    if not isinstance(model, Bounds):
        raise UsageError("this model has no bound on log p(x), so it cannot score images")

    def bounds(some: np.ndarray, own: np.ndarray | None, description: str) -> np.ndarray:
        if samples is not None:
            return importance_weighted_bound(model, some, samples, seed, progress, labels=own)
        return of_images(
            model,
            lambda model, floats, seed: model.statistics(floats, seed).terms["elbo"],
            some, seed, progress, description, own,
        )  # fmt: skip

    found = bounds(images, labels, "scoring")
    usual = bounds(validation, validation_labels, "scoring validation images")
    return Scores(found, percentiles(found, usual))


def percentiles(bounds: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """The percentage of usual images that have a lower bound than each image, `[count]`.

    Args:
        bounds: The bound on log p(x) of each image, `[count]`.
        usual: The bounds of the usual images, `[other count]`.
    """
    return 100 * np.searchsorted(np.sort(usual), bounds) / len(usual)


def reconstruct(
    model: Any,
    images: np.ndarray,
    progress: Progress = silent,
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """Reconstruct images, however many.

    Args:
        model: What `kvae.load` or `kvae.build` returned.
        images: uint8 `[count, height, width, channels]`.
        progress: Shows how much is done.
        labels: The number of each image's label, `[count]`, for a conditional model.

    Returns:
        float32 `[count, height, width, channels]` in [0, 1].

    Raises:
        UsageError: The images are not uint8 of the model's shape, the labels do not go together
            with them or with the model, or the model cannot reconstruct.
    """
    if not isinstance(model, Reconstructs):
        raise UsageError("this model has no reconstructions")
    return of_images(
        model,
        lambda model, floats, _: model.reconstruct(floats),
        images, 0, progress, "reconstructing", labels,
    )  # fmt: skip
