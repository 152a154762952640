"""The pictures of a trained model, by name: from a model and its data to `kvae.figures`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kvae import figures
from kvae.config import family
from kvae.data import Dataset
from kvae.errors import KvaeError
from kvae.evaluation import nearest
from kvae.models.base import Decodes, Embeds, Generates, Infers, Reconstructs
from kvae.models.estimates import mean, stddev
from kvae.models.usage import kl_per_dimension
from kvae.progress import Progress, silent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = 64
RECONSTRUCTIONS = 20
MANIFOLD_SIDE = 15
TRAVERSED = 12
STEPS = 9
INTERPOLATIONS = 6
NEAREST = 20
SCATTERED = 2000
"""Test images in t-SNE and PCA: more take long and cover each other."""


class NotDrawnError(KvaeError):
    """A picture whose model or run lacks what the picture needs."""


@dataclass(frozen=True)
class Subject:
    """What pictures are drawn of.

    Attributes:
        name: The model's name.
        model: What `kvae.build` or `kvae.load` returned.
        dataset: Its images.
        history: The columns of `history.csv`; None where there is no run.
        frames: What `kvae.runs.film.Film` kept, `epochs` and `images`; None or empty where there is
            no run, or no frames.
        seed: Decides random numbers.
        progress: Shows how much of the longer pictures is done.
    """

    name: str
    model: Any
    dataset: Dataset
    history: Mapping[str, Sequence[Any]] | None = None
    frames: Mapping[str, np.ndarray] | None = None
    seed: int = 0
    progress: Progress = silent

    def inputs(self, count: int) -> np.ndarray:
        """Some test images as the model sees them.

        Args:
            count: How many, at most.
        """
        return self.model.inputs(self.dataset.test.spread(count).images, self.seed).numpy()

    def need(self, *capabilities: type[Any]) -> None:
        """Refuse a model that lacks a capability.

        Args:
            capabilities: Protocols of `kvae.models.base`.

        Raises:
            NotDrawnError: The model lacks one of them.
        """
        for capability in capabilities:
            if not isinstance(self.model, capability):
                raise NotDrawnError(f"this model has no {LACKS[capability]}")


LACKS = {
    Generates: "samples",
    Reconstructs: "reconstructions",
    Embeds: "embeddings",
    Infers: "posterior q(z|x)",
    Decodes: "latent space that can be walked",
}


def draw(
    subject: Subject, names: Iterable[str], folder: Path, suffix: str = ".png"
) -> dict[str, Path]:
    """Draw pictures into a folder.

    Args:
        subject: What they are of.
        names: Keys of `PICTURES`.
        folder: Made where it is missing.
        suffix: `.png`, `.svg` or `.pdf`; an animation is a `.gif` whatever it is.

    Returns:
        Where each is.

    Raises:
        NotDrawnError: for one of the names something is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name in names:
        drawn = PICTURES[name](subject)
        if isinstance(drawn, list):
            paths[name] = folder / f"{name}.gif"
            figures.save_gif(drawn, paths[name])
        else:
            paths[name] = folder / f"{name}{suffix}"
            figures.save(drawn, paths[name])
    return paths


def _curves(subject: Subject) -> "Figure":
    if not subject.history:
        raise NotDrawnError("curves need the run's history.csv, and there is no such run")
    count = len(subject.dataset.train)
    metrics = family(subject.model.config.family).metrics
    title = f"{subject.name}: training and validation"
    return figures.history(subject.history, metrics, count, title)


def _samples(subject: Subject) -> "Figure":
    subject.need(Generates)
    images = subject.model.sample(SAMPLES, subject.seed).numpy()
    return figures.picture(figures.tile(images), f"{subject.name}: samples from the prior")


def _reconstructions(subject: Subject) -> "Figure":
    subject.need(Reconstructs)
    images = subject.inputs(RECONSTRUCTIONS)
    pairs = figures.pairs(images, subject.model.reconstruct(images).numpy())
    title = f"{subject.name}: test images, and below each its reconstruction"
    return figures.picture(pairs, title)


def _manifold(subject: Subject) -> "Figure":
    subject.need(Decodes)
    means, scales = _prior(subject)
    if len(means) != 2:
        raise NotDrawnError(
            f"the manifold is drawn of two latent dimensions, and there are {len(means)}"
        )
    latents = means + scales * figures.manifold_latents(MANIFOLD_SIDE)
    grid = subject.model.mean_images(latents).numpy()
    edge = 50 / MANIFOLD_SIDE
    standard = np.all(means == 0) and np.all(scales == 1)
    gaussian = "N(0, 1)" if standard else "a Gaussian as wide as the prior"
    between = f"from the {edge:.0f} % to the {100 - edge:.0f} % quantile of {gaussian}"
    return figures.picture(
        figures.tile(grid, MANIFOLD_SIDE),
        f"{subject.name}: the decoded plane of latents",
        below=f"first latent, {between}",
        side=f"second latent, {between}",
    )


def _prior(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each latent dimension under the prior."""
    prior = subject.model.prior.distribution()
    return mean(prior).numpy(), stddev(prior).numpy()


def _kl(subject: Subject) -> np.ndarray:
    subject.need(Infers, Decodes)
    posterior = subject.model.encode(subject.inputs(SCATTERED))
    return kl_per_dimension(posterior, subject.model.prior.distribution()).numpy().mean(axis=0)


def _kl_bars(subject: Subject) -> "Figure":
    return figures.kl_bars(_kl(subject), f"{subject.name}: use of the latents on test images")


def _traversals(subject: Subject) -> "Figure":
    kl = _kl(subject)
    order = np.argsort(kl)[::-1][:TRAVERSED]
    image = subject.inputs(1)
    latents = np.tile(subject.model.embed(image), (len(order), STEPS, 1))
    means, scales = _prior(subject)
    for row, index in enumerate(order):
        latents[row, :, index] = means[index] + scales[index] * np.linspace(-3, 3, STEPS)
    images = subject.model.mean_images(latents.reshape(-1, latents.shape[-1])).numpy()
    return figures.picture(
        figures.tile(images, STEPS),
        f"{subject.name}: one latent at a time",
        below="the latent within three of the prior's standard deviations, the others as of a "
        "test image",
        left=tuple(f"z{index + 1}, KL {kl[index]:.2f}" for index in order),
    )


def _interpolation(subject: Subject) -> "Figure":
    subject.need(Embeds, Decodes)
    images = subject.inputs(2 * INTERPOLATIONS)
    pairs = len(images) // 2
    if not pairs:
        raise NotDrawnError("interpolation needs two test images or more, and there is 1")
    starts, ends = images[:pairs], images[pairs : 2 * pairs]
    first, last = (subject.model.embed(some).numpy() for some in (starts, ends))
    shares = np.linspace(0, 1, STEPS, dtype=np.float32)[None, :, None]
    latents = (1 - shares) * first[:, None] + shares * last[:, None]
    between = subject.model.mean_images(latents.reshape(-1, latents.shape[-1])).numpy()
    between = between.reshape(pairs, STEPS, *images.shape[1:])
    rows = np.concatenate([starts[:, None], between, ends[:, None]], axis=1)
    return figures.picture(
        figures.tile(rows.reshape(-1, *images.shape[1:]), STEPS + 2),
        f"{subject.name}: from one test image to another",
        below="outermost the images, between them what is decoded on the way",
    )


def _nearest(subject: Subject) -> "Figure":
    subject.need(Generates)
    samples = subject.model.sample(NEAREST, subject.seed).numpy()
    train = subject.dataset.train.images
    _, index = nearest(samples, train / np.float32(255))
    pairs = figures.pairs(samples, train[index] / np.float32(255))
    title = f"{subject.name}: samples, and below each the nearest training image"
    return figures.picture(pairs, title)


def _embeddings(subject: Subject) -> tuple[np.ndarray, dict[str, Any]]:
    """Embeddings of test images, and what to colour them by."""
    subject.need(Embeds)
    some = subject.dataset.test.spread(SCATTERED)
    means = subject.model.embed(subject.inputs(SCATTERED)).numpy()
    if some.labels is not None:
        names = subject.dataset.label_names
        return means, {"labels": some.labels, "label_names": names}
    if "frame" in some.features:
        return means, {"order": some.features["frame"], "order_name": "frame of the film"}
    return means, {}


def _tsne(subject: Subject) -> "Figure":
    means, colours = _embeddings(subject)
    if means.shape[1] < 2:
        raise NotDrawnError("t-SNE needs two latent dimensions or more")
    if len(means) < 3:
        raise NotDrawnError(f"t-SNE needs three test images or more, and there are {len(means)}")
    plane = figures.tsne(means, subject.seed, subject.progress)
    title = f"{subject.name}: t-SNE of the latent means of test images"
    return figures.scatter(plane, title, ("", ""), **colours)


def _pca(subject: Subject) -> "Figure":
    means, colours = _embeddings(subject)
    title = f"{subject.name}: latent means of test images"
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


def _animation(subject: Subject) -> list[Any]:
    if not subject.frames:
        raise NotDrawnError(
            "the animation needs what was kept in training, and there is no such run"
        )
    return figures.animation(subject.frames["images"], subject.frames["epochs"])


PICTURES: dict[str, Callable[[Subject], Any]] = {
    "curves": _curves,
    "samples": _samples,
    "reconstructions": _reconstructions,
    "manifold": _manifold,
    "kl": _kl_bars,
    "traversals": _traversals,
    "interpolation": _interpolation,
    "pca": _pca,
    "nearest": _nearest,
    "tsne": _tsne,
    "animation": _animation,
}
"""Functions from a `Subject` to a figure, or to the pictures of an animation."""


def quick(subject: Subject) -> list[str]:
    """Names of the pictures that every training draws, as far as the model can.

    Args:
        subject: What they are drawn of.
    """
    model = subject.model
    needs: dict[str, tuple[Any, ...]] = {
        "curves": (),
        "samples": (Generates,),
        "reconstructions": (Reconstructs,),
        "manifold": (Decodes,),
        "kl": (Infers, Decodes),
        "traversals": (Infers, Embeds, Decodes),
        "animation": (Generates,),
    }
    names = [name for name, each in needs.items() if all(isinstance(model, c) for c in each)]
    if "manifold" in names and model.prior.distribution().event_shape != (2,):
        names.remove("manifold")
    return names
