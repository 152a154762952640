"""Figures of the embeddings of test images, in the plane."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kvae import figures
from kvae.gallery.subject import MOST_IMAGES, NotDrawnError, Subject
from kvae.models.chunks import of_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _embeddings(subject: Subject) -> tuple[np.ndarray, dict[str, Any]]:
    """Embeddings of test images, and the options of a plot that colour them."""
    some = subject.dataset.test.spread(MOST_IMAGES)
    images, _ = subject.some(MOST_IMAGES)
    own = subject.labels(MOST_IMAGES)
    means = of_rows(subject.model, lambda model, some, _: model.embed(some), images, labels=own)
    if some.labels is not None:
        names = subject.dataset.label_names
        return means, {"labels": some.labels, "label_names": names}
    if "frame" in some.features:
        return means, {"order": some.features["frame"], "order_name": "frame of the film"}
    return means, {}


def tsne(subject: Subject) -> "Figure":
    """t-SNE of the latent means of test images.

    Args:
        subject: The model that is drawn, and its data.
    """
    means, colours = _embeddings(subject)
    if means.shape[1] < 2:
        raise NotDrawnError("t-SNE needs two latent dimensions or more")
    if len(means) < 3:
        raise NotDrawnError(f"t-SNE needs three test images or more, and there are {len(means)}")
    plane = figures.tsne(means, subject.seed, subject.progress)
    title = f"{subject.name}: t-SNE of the latent means of test {subject.item}s"
    return figures.scatter(plane, title, ("", ""), **colours)


def tsne_of_levels(subject: Subject) -> "Figure":
    """t-SNE of the latent means of each level.

    Args:
        subject: The model that is drawn, and its data.
    """
    means, colours = _embeddings(subject)
    if len(means) < 3:
        raise NotDrawnError(f"t-SNE needs three test images or more, and there are {len(means)}")
    ends = np.cumsum(subject.model.latent_levels)
    planes = {
        f"level {number}, {part.shape[1]} latents": figures.tsne(
            part, subject.seed, subject.progress
        )
        for number, part in enumerate(np.split(means, ends[:-1], axis=1), 1)
        if part.shape[1] > 1
    }
    if not planes:
        raise NotDrawnError("t-SNE needs a level of two latent dimensions or more")
    title = f"{subject.name}: t-SNE of each level's latent means of test {subject.item}s"
    return figures.scatters(planes, title, **colours)


def pca(subject: Subject) -> "Figure":
    """The first two principal components of the latent means of test images.

    Args:
        subject: The model that is drawn, and its data.
    """
    means, colours = _embeddings(subject)
    title = f"{subject.name}: latent means of test {subject.item}s"
    if means.shape[1] < 2:
        raise NotDrawnError("PCA needs two latent dimensions or more")
    if len(means) < 2:
        raise NotDrawnError("PCA needs two test images or more, and there is 1")
    if means.shape[1] == 2:
        return figures.scatter(means, title, ("first latent", "second latent"), **colours)
    plane, shares = figures.pca(means)
    names = [
        f"{nth} principal component, {share:.0%} of the variance"
        for nth, share in zip(("first", "second"), shares, strict=True)
    ]
    return figures.scatter(plane, title, (names[0], names[1]), **colours)
