"""Test images and where they are in a model's latent space: what the page's map is made from."""

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from kvae import figures
from kvae.data import Dataset
from kvae.errors import KvaeError
from kvae.explore import thumbnails
from kvae.inference import encode
from kvae.inference.encoding import of_images
from kvae.models.base import (
    Bounds,
    Conditional,
    Decodes,
    Embeds,
    Generates,
    Infers,
    Reconstructs,
)
from kvae.models.estimates import mean, stddev
from kvae.progress import Progress, silent

IMAGES = 2000
"""The largest number of test images on the map."""
LATENTS = 16
"""The largest number of latents with a slider."""
IN_USE = 0.01
"""A latent is in use if its KL, in nats, is above this."""
SPREAD = 3
"""How many of the prior's standard deviations a slider reaches to either side, at least."""
STEPS = 100
"""How many steps a slider has, at least."""
ELBO = "ELBO"
LATENT_MAP, PCA, TSNE = "Latents", "PCA", "t-SNE"


@dataclass(frozen=True)
class Latent:
    """A latent with a slider.

    Attributes:
        index: Its number in latent vectors, from 0.
        kl: Its mean KL on the test images, in nats; None if the model has no posterior.
        low: The lowest number on the slider.
        high: The highest number on the slider.
        step: From one number to the next.
    """

    index: int
    kl: float | None
    low: float
    high: float
    step: float

    @property
    def name(self) -> str:
        """`z` and its number, from 1, as figures name it."""
        return f"z{self.index + 1}"


class View(NamedTuple):
    """What a map shows.

    Attributes:
        kind: `LATENT_MAP`, `PCA` or `TSNE`.
        across: What increases to the right if the map is of two latents: the name of a latent, or
            `ELBO`.
        up: What increases upwards, likewise.
    """

    kind: str
    across: str = ""
    up: str = ""

    @property
    def axes(self) -> tuple[str, str]:
        """The names of the two columns of numbers that place the images."""
        return (self.across, self.up) if self.kind == LATENT_MAP else axes_of(self.kind)


def axes_of(kind: str) -> tuple[str, str]:
    """The names of the axes of a PCA or t-SNE map.

    Args:
        kind: `PCA` or `TSNE`.
    """
    return f"{kind} 1", f"{kind} 2"


@dataclass(frozen=True, eq=False)
class Atlas:
    """Test images, and where they are in a model's latent space.

    Attributes:
        images: uint8 `[count, height, width, channels]`.
        names: What each image is, `[count]`: its file, or its number among the test images.
        total: How many test images there are, of which these are some.
        labels: The label of each image as an integer, `[count]`; None if there are none.
        label_names: The name of each label, by its integer; empty if the integers are the names.
        elbo: The ELBO of each image in nats, `[count]`; None if the model has none.
        means: The embedding of each image, `[count, dimensions]`; None if the model has none.
        center: The mean of the prior, `[latent]`; None if the model does not decode latents.
        scale: The standard deviations of the prior, `[latent]`, or None.
        latents: The latents with a slider, or dimensions with an axis, by decreasing KL.
        others: How many more the model has.
        progress: Shows how much of t-SNE is done.
    """

    images: np.ndarray
    names: np.ndarray
    total: int
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    elbo: np.ndarray | None
    means: np.ndarray | None
    center: np.ndarray | None
    scale: np.ndarray | None
    latents: tuple[Latent, ...]
    others: int
    progress: Progress = silent

    @property
    def kinds(self) -> list[str]:
        """The kinds of map that can be drawn; none if the model does not embed images."""
        if self.means is None:
            return []
        count, dimensions = self.means.shape
        planes = [kind for kind, least in ((PCA, 2), (TSNE, 3)) if count >= least]
        return [LATENT_MAP, *(planes if dimensions > 1 else [])]

    @property
    def axes(self) -> list[str]:
        """What an axis of a map of latents can be: latents, and the ELBO."""
        return [each.name for each in self.latents] + ([ELBO] if self.elbo is not None else [])

    @property
    def can_walk(self) -> bool:
        """Whether a point of the map can be decoded: embeddings are points of the latent space."""
        return (
            self.means is not None
            and self.center is not None
            and self.means.shape[1:] == self.center.shape
        )

    @property
    def start(self) -> np.ndarray:
        """The first point that is decoded, `[latent]`: of an image, or else the prior's mean."""
        if self.can_walk:
            assert self.means is not None
            return self.means[0]
        assert self.center is not None
        return self.center

    @cached_property
    def pictures(self) -> list[str]:
        """The URI of each image, small enough for thousands of them to be in a page."""
        return thumbnails.thumbnails(self.images)

    def label_name(self, index: int) -> str:
        """The name of an image's label.

        Args:
            index: The image.
        """
        assert self.labels is not None
        label = self.labels[index]
        return str(self.label_names[label] if self.label_names else label)

    @cached_property
    def _pca(self) -> Any:
        from sklearn import decomposition

        return decomposition.PCA(2).fit(self.means)

    @cached_property
    def tsne(self) -> np.ndarray:
        """The t-SNE of the embeddings, `[count, 2]`. It takes seconds, and is computed once."""
        assert self.means is not None
        return figures.tsne(self.means, progress=self.progress)

    def column(self, axis: str) -> np.ndarray:
        """A number for each image, `[count]`.

        Args:
            axis: The name of an axis.
        """
        assert self.means is not None
        if axis == ELBO:
            assert self.elbo is not None
            return self.elbo
        if axis in axes_of(PCA):
            return self._pca.transform(self.means)[:, axes_of(PCA).index(axis)]
        if axis in axes_of(TSNE):
            return self.tsne[:, axes_of(TSNE).index(axis)]
        return self.means[:, self._index(axis)]

    def _index(self, axis: str) -> int:
        return next(each.index for each in self.latents if each.name == axis)

    def shares(self) -> tuple[float, float]:
        """The shares of the variance that the two principal components explain."""
        first, second = self._pca.explained_variance_ratio_
        return float(first), float(second)

    def hit(self, view: View, point: tuple[float, float], reach: tuple[float, float]) -> int | None:
        """The image at a point of a map; None if there is none within reach.

        Args:
            view: What the map shows.
            point: A point of the map.
            reach: How far an image may be from it in each direction.
        """
        places = np.stack([self.column(axis) for axis in view.axes], axis=1)
        far = np.linalg.norm((places - np.array(point)) / np.array(reach), axis=1)
        nearest = int(np.argmin(far))
        return nearest if far[nearest] <= 1 else None

    def latents_at(self, view: View, point: tuple[float, float], current: np.ndarray) -> np.ndarray:
        """The latents of a point of a map, `[latent]`.

        On a map of two latents, the others stay as they are. A point among principal components is
        on the plane through the mean of the embeddings. t-SNE has no inverse: the latents are those
        of the nearest image.

        Args:
            view: What the map shows.
            point: The point.
            current: The latents that were decoded last, `[latent]`.
        """
        assert self.means is not None
        if view.kind == PCA:
            return self._pca.inverse_transform(np.array([point], np.float32))[0].astype(np.float32)
        if view.kind == TSNE:
            return self.means[np.argmin(np.linalg.norm(self.tsne - np.array(point), axis=1))]
        latents = current.copy()
        for axis, value in zip(view.axes, point, strict=True):
            if axis != ELBO:
                latents[self._index(axis)] = value
        return latents

    def place(self, view: View, latents: np.ndarray) -> tuple[float, float]:
        """Where latents are on a map; NaN where that is not known.

        On a map of t-SNE it is the place of the image with the nearest latents.

        Args:
            view: What the map shows.
            latents: The latents, `[latent]`.
        """
        assert self.means is not None
        if view.kind == PCA:
            across, up = self._pca.transform(latents[None])[0]
        elif view.kind == TSNE:
            across, up = self.tsne[np.argmin(np.linalg.norm(self.means - latents, axis=1))]
        else:
            across, up = (
                math.nan if axis == ELBO else latents[self._index(axis)] for axis in view.axes
            )
        return float(across), float(up)


def survey(model: Any, dataset: Dataset, seed: int = 0, progress: Progress = silent) -> Atlas:
    """Encode test images, and find which latents are in use.

    Args:
        model: What `kvae.build` or `kvae.load` returned.
        dataset: The images that the model was trained on.
        seed: Decides all random numbers.
        progress: Shows how much is done.

    Raises:
        KvaeError: The model has nothing to look at, or is conditional.
    """
    if isinstance(model, Conditional):
        raise KvaeError("kvae explore does not take conditional models: try kvae figures")
    if not isinstance(model, Bounds | Decodes | Embeds | Generates | Reconstructs):
        raise KvaeError("there is nothing to explore: this model has neither latents nor samples")
    if dataset.train.numbers:
        raise KvaeError("there is nothing to look at: this model is of numbers, not of images")
    test = dataset.test
    numbered = dataclasses.replace(test, features={"number": np.arange(len(test))})
    some = numbered.spread(IMAGES)
    names = [f"test image {number}" for number in some.features["number"]]
    means = elbo = center = scale = kl = None
    if isinstance(model, Embeds | Bounds):
        encoded = encode(model, some.images, seed=seed, progress=progress)
        means, elbo = encoded.means, encoded.terms.get("elbo")
    if isinstance(model, Decodes):
        prior = model.prior.distribution()
        center, scale = mean(prior).numpy(), stddev(prior).numpy()
        if isinstance(model, Infers) and isinstance(model, Bounds):

            def usage(model: Any, floats: Any, seed: Any) -> Any:
                return model.statistics(floats, seed).per_dimension["kl_per_dimension"]

            each = of_images(model, usage, some.images, seed, progress, "use of the latents")
            kl = each.mean(axis=0)
    latents, others = _latents(kl, means, center, scale)
    return Atlas(
        some.images,
        np.array(names if some.files is None else some.files),
        len(test),
        some.labels,
        dataset.label_names,
        elbo,
        means,
        center,
        scale,
        latents,
        others,
        progress,
    )


def _latents(
    kl: np.ndarray | None,
    means: np.ndarray | None,
    center: np.ndarray | None,
    scale: np.ndarray | None,
) -> tuple[tuple[Latent, ...], int]:
    """The latents in use, by decreasing KL, and how many others there are."""
    if center is not None and scale is not None:
        low, high = center - SPREAD * scale, center + SPREAD * scale
        if means is not None and means.shape[1:] == center.shape:
            low, high = np.minimum(low, means.min(axis=0)), np.maximum(high, means.max(axis=0))
    elif means is not None:
        low, high = means.min(axis=0), means.max(axis=0)
    else:
        return (), 0
    order = np.arange(len(low)) if kl is None else np.argsort(-kl, kind="stable")
    used = len(low) if kl is None else int((kl > IN_USE).sum())
    # A map has two axes even if no latent is in use.
    order = order[: min(LATENTS, max(2, used))]
    return tuple(
        Latent(int(i), None if kl is None else float(kl[i]), *_rounded(low[i], high[i]))
        for i in order
    ), len(low) - len(order)


def _rounded(low: float, high: float) -> tuple[float, float, float]:
    """The ends of a slider, and a step that is a power of ten."""
    step = 10.0 ** math.floor(math.log10(max(float(high - low), 1e-6) / STEPS))
    digits = max(0, -round(math.log10(step)))
    low, high = step * math.floor(low / step), step * math.ceil(high / step)
    return round(low, digits), round(high, digits), round(step, digits)
