"""Ways between images, and distances of images, in the latent space of a model."""

from typing import Any, NamedTuple

import numpy as np

from kvae.errors import UsageError
from kvae.inference.encoding import of_images
from kvae.models.base import Decodes, Embeds, given
from kvae.progress import Progress, silent

METHODS = ("linear", "spherical")


class Neighbours(NamedTuple):
    """The images that are nearest to others, the nearest first.

    Attributes:
        indices: Numbers of the images, `[count, neighbours]`.
        distances: Euclidean distances of their latents, `[count, neighbours]`.
    """

    indices: np.ndarray
    distances: np.ndarray


def embeddings(
    model: Any,
    images: np.ndarray,
    progress: Progress = silent,
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """One vector for each image, `[count, dimensions]`: of a VAE, the mean of q(z|x).

    Args:
        model: A model that embeds images.
        images: uint8 `[count, height, width, channels]`.
        progress: Shows how much is done.
        labels: The number of each image's label, `[count]`, for a conditional model.

    Raises:
        UsageError: The images are not uint8 of the model's shape, the labels do not go together
            with them or with the model, or the model does not embed.
    """
    if not isinstance(model, Embeds):
        raise UsageError("this model has no embeddings")
    return of_images(
        model, lambda model, floats, _: model.embed(floats), images, 0, progress, "encoding", labels
    )


def path(first: np.ndarray, last: np.ndarray, steps: int, method: str = "linear") -> np.ndarray:
    """Points on the way from one latent vector to another, both included.

    Args:
        first: Latents, `[count, latent]`.
        last: Latents, `[count, latent]`.
        steps: The number of points; 2 or more.
        method: `linear` takes the straight line. `spherical` turns at a constant rate from one
            direction to the other (Shoemake, 1985; White, 2016), so that on the way the latents
            are about as long as at the ends.

    Returns:
        `[count, steps, latent]`.

    Raises:
        UsageError: There are fewer than two steps, or there is no such method.
    """
    if steps < 2:
        raise UsageError(f"steps must be 2 or more, got {steps}")
    if method not in METHODS:
        raise UsageError(f"method must be {' or '.join(METHODS)}, got {method}")
    share = np.linspace(0, 1, steps, dtype=np.float32)[None, :, None]
    first, last = (np.asarray(each, np.float32)[:, None] for each in (first, last))
    straight = (1 - share) * first + share * last
    if method == "linear":
        return straight
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(last, axis=-1)
    cosine = np.sum(first * last, axis=-1) / np.maximum(lengths, np.finfo(np.float32).tiny)
    angle = np.arccos(np.clip(cosine, -1, 1))[..., None]
    sine = np.sin(angle)
    # There is no arc between latents of the same or of opposite directions, nor from the origin.
    turns = (sine > 1e-4) & (lengths[..., None] > 0)
    sine = np.where(turns, sine, 1)
    arc = (np.sin((1 - share) * angle) * first + np.sin(share * angle) * last) / sine
    return np.where(turns, arc, straight)


def interpolate(
    model: Any,
    images: np.ndarray,
    steps: int = 10,
    method: str = "linear",
    progress: Progress = silent,
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """What is decoded on the way from each image to the next, through their latents.

    A conditional model decodes with the label of the image that the way starts from.

    Args:
        model: A model that embeds images and decodes latents.
        images: uint8 `[count, height, width, channels]`; two or more.
        steps: The number of decoded images from one image to the next, both ends included.
        method: `linear` or `spherical`, as in `path`.
        progress: Shows how much is done.
        labels: The number of each image's label, `[count]`, for a conditional model.

    Returns:
        float32 `[count - 1, steps, height, width, channels]` in [0, 1].

    Raises:
        UsageError: There are fewer than two images or steps, they are not uint8 of the model's
            shape, the labels do not go together with them or with the model, there is no such
            method, or the model lacks such a latent space.
    """
    if not isinstance(model, Decodes):
        raise UsageError("this model has no latent space that can be walked")
    if len(images) < 2:
        raise UsageError(f"interpolation needs two images or more, but got {len(images)}")
    means = embeddings(model, images, progress, labels)
    points = path(means[:-1], means[1:], steps, method)
    own = [None] * len(points) if labels is None else labels[:-1]
    decoded = [
        given(model, label).mean_images(row).numpy() for row, label in zip(points, own, strict=True)
    ]
    return np.stack(decoded)


class Index:
    """Images among which those nearest to others are found, by their latents.

    Args:
        model: A model that embeds images.
        among: The images to choose from, such as training images, uint8 `[count, height, width,
            channels]`.
        progress: Shows how much is done.
        labels: The number of the label of each of these, `[count]`, for a conditional model.

    Raises:
        UsageError: The images are not uint8 of the model's shape, the labels do not go together
            with them or with the model, or the model does not embed.
    """

    def __init__(
        self,
        model: Any,
        among: np.ndarray,
        progress: Progress = silent,
        labels: np.ndarray | None = None,
    ) -> None:
        from sklearn.neighbors import NearestNeighbors

        self._count = len(among)
        self._search = NearestNeighbors().fit(embeddings(model, among, progress, labels))

    def nearest(self, points: np.ndarray, count: int = 5) -> Neighbours:
        """The images of the index that are nearest to points of the latent space.

        Args:
            points: `[other count, dimensions]`.
            count: How many neighbours each point has; all, if there are fewer to choose from.
        """
        distances, indices = self._search.kneighbors(points, min(count, self._count))
        return Neighbours(indices, distances)


def nearest(
    model: Any,
    images: np.ndarray,
    among: np.ndarray,
    count: int = 5,
    progress: Progress = silent,
    labels: np.ndarray | None = None,
    labels_among: np.ndarray | None = None,
) -> Neighbours:
    """The images that are nearest to others in latent space.

    Args:
        model: A model that embeds images.
        images: uint8 `[count, height, width, channels]`.
        among: The images to choose from, such as training images, uint8 `[other count, height,
            width, channels]`.
        count: How many neighbours each image has; all, if there are fewer to choose from.
        progress: Shows how much is done.
        labels: The number of each image's label, `[count]`, for a conditional model.
        labels_among: The same for the images to choose from.

    Raises:
        UsageError: The images are not uint8 of the model's shape, the labels do not go together
            with them or with the model, or the model does not embed.
    """
    index = Index(model, among, progress, labels_among)
    return index.nearest(embeddings(model, images, progress, labels), count)
