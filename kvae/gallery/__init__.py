"""The figures of a trained model, by name. They are computed here and plotted by `kvae.figures`."""

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
from kvae.inference import path
from kvae.models.base import (
    Bounds,
    Completes,
    Conditional,
    Decodes,
    Embeds,
    Filters,
    Generates,
    Infers,
    Layered,
    Quantizes,
    Reconstructs,
    given,
    labels_of,
    of_any_label,
    seed_pair,
)
from kvae.models.chunks import of_rows
from kvae.models.estimates import mean, stddev
from kvae.progress import Progress, silent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = 64
RECONSTRUCTIONS = 20
MANIFOLD_SIDE = 15
COMPLETED = 8
"""The number of images that are completed, each `COMPLETIONS` times."""
COMPLETIONS = 6
LABELLED = 20
"""The largest number of labels that are drawn; of more, those at even distances are."""
LABEL_COLUMNS = 12
LEVEL_ROWS = 3
LEVEL_COLUMNS = 12
LONGEST_LABEL = 20
TRAVERSED = 12
FILTERS = 144
"""The largest number of units whose filters are drawn; of more, those with the largest weights."""
STEPS = 9
INTERPOLATIONS = 6
NEAREST = 20
SCATTERED = 2000
"""The largest number of test images in t-SNE and PCA. More would take long and hide each other."""


class NotDrawnError(KvaeError):
    """A figure cannot be drawn, because the model or the run lacks what it needs."""


@dataclass(frozen=True)
class Subject:
    """A model, and what else figures are drawn from.

    Attributes:
        name: The model's name, which titles have.
        model: What `kvae.build` or `kvae.load` returned.
        dataset: The images that figures are drawn with.
        history: The columns of `history.csv` by name; None where there is no run.
        frames: The samples that `kvae.runs.film.Film` kept during training: `epochs`, `[frames]`,
            and `images`, uint8 `[frames, count, height, width, channels]`. None or empty where
            there are none.
        seed: Decides all random numbers.
        progress: Shows how much of the longer figures is done.
    """

    name: str
    model: Any
    dataset: Dataset
    history: Mapping[str, Sequence[Any]] | None = None
    frames: Mapping[str, np.ndarray] | None = None
    seed: int = 0
    progress: Progress = silent

    @property
    def item(self) -> str:
        """What the data are many of: `image` or `row`."""
        return self.model.config.data.item

    def some(self, count: int) -> tuple[np.ndarray, Any]:
        """Some test images as the model sees them, float32 `[count, height, width, channels]`, and
        the model, given their labels if it is conditional.

        Args:
            count: The largest number of images.
        """
        some = self.dataset.test.spread(count)
        images = self.model.inputs(some.images, self.seed).numpy()
        return images, given(self.model, self.labels(count))

    def labels(self, count: int) -> np.ndarray | None:
        """The numbers of the labels of the images that `some` returns; None unless the model is
        conditional.

        Args:
            count: The largest number of images.
        """
        return labels_of(self.model, self.dataset, self.dataset.test.spread(count))

    def need(self, *capabilities: type[Any]) -> None:
        """Refuse a model that lacks a capability.

        Args:
            capabilities: Protocols of `kvae.models.base` that the model must implement.

        Raises:
            NotDrawnError: The model lacks one of the capabilities.
        """
        for capability in capabilities:
            if not isinstance(self.model, capability):
                raise NotDrawnError(f"this model has no {LACKS[capability]}")


LACKS = {
    Bounds: "bound on log p(x)",
    Conditional: "labels to choose from",
    Generates: "samples",
    Completes: "completions",
    Filters: "units that see the whole image",
    Quantizes: "codes",
    Reconstructs: "reconstructions",
    Embeds: "embeddings",
    Infers: "posterior q(z|x)",
    Decodes: "latent space that can be walked",
    Layered: "levels of latents",
}
"""What a model lacks that does not have a capability, as messages name it."""


def draw(
    subject: Subject, names: Iterable[str], folder: Path, suffix: str = ".png"
) -> dict[str, Path]:
    """Draw figures and save them in a folder.

    Args:
        subject: The model that is drawn, and its data.
        names: Names of figures, which are the keys of `PICTURES`.
        folder: The folder, which is made if it is missing.
        suffix: `.png`, `.svg` or `.pdf`. An animation is always a `.gif`.

    Returns:
        The path of each figure by name.

    Raises:
        NotDrawnError: The model or the run lacks what a figure needs, or the figure shows images
            and the model is of numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name in names:
        if name in OF_IMAGES and subject.dataset.train.numbers:
            raise NotDrawnError("it shows images, and the model is of numbers")
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
    return figures.history(subject.history, metrics, count, title, subject.item)


def _samples(subject: Subject) -> "Figure":
    subject.need(Generates)
    images = subject.model.sample(SAMPLES, subject.seed).numpy()
    return figures.picture(figures.tile(images), f"{subject.name}: samples")


def _completions(subject: Subject) -> "Figure":
    subject.need(Completes)
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


def _codes(subject: Subject) -> "Figure":
    subject.need(Quantizes)
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


def _single_codes(subject: Subject) -> "Figure":
    subject.need(Quantizes)
    model = subject.model
    images, _ = subject.some(SCATTERED)
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


def _filters(subject: Subject) -> "Figure":
    subject.need(Filters)
    weights = subject.model.filters().numpy()
    largest = np.abs(weights).max(axis=(1, 2, 3))
    order = np.argsort(-np.square(weights).sum(axis=(1, 2, 3)), kind="stable")[:FILTERS]
    scale = 2 * np.maximum(largest, 1e-6)[:, None, None, None]
    return figures.picture(
        figures.tile((0.5 + weights / scale)[order]),
        f"{subject.name}: the weights of the first layer's units",
        below="grey is zero and each unit has its own scale; the largest weights first",
    )


def _labels(subject: Subject) -> "Figure":
    subject.need(Conditional)
    model = subject.model
    chosen = np.linspace(0, len(model.classes) - 1, min(LABELLED, len(model.classes)))
    numbers = chosen.round().astype(int).tolist()
    rows = [model.given(number).sample(LABEL_COLUMNS, subject.seed).numpy() for number in numbers]
    return figures.picture(
        figures.tile(np.concatenate(rows), LABEL_COLUMNS),
        f"{subject.name}: samples of each label",
        below="a column has the same random numbers in all rows",
        left=tuple(_readable(model.classes[number]) for number in numbers),
    )


def _readable(label: str) -> str:
    """The name of a label as figures show it: names of folders may be no text, and long."""
    return label.encode("utf-8", "backslashreplace").decode()[:LONGEST_LABEL]


def _reconstructions(subject: Subject) -> "Figure":
    subject.need(Reconstructs)
    images, model = subject.some(RECONSTRUCTIONS)
    pairs = figures.pairs(images, model.reconstruct(images).numpy())
    title = f"{subject.name}: test images, and below each its reconstruction"
    return figures.picture(pairs, title)


def _manifold(subject: Subject) -> "Figure":
    subject.need(Decodes)
    model, name = of_any_label(subject.model), subject.name
    if isinstance(subject.model, Conditional):
        name += f", label {_readable(subject.model.classes[0])}"
    means, scales = _prior(model)
    if len(means) != 2:
        raise NotDrawnError(
            f"the manifold is drawn of two latent dimensions, and there are {len(means)}"
        )
    latents = means + scales * figures.manifold_latents(MANIFOLD_SIDE)
    grid = model.mean_images(latents).numpy()
    edge = 50 / MANIFOLD_SIDE
    standard = np.all(means == 0) and np.all(scales == 1)
    gaussian = "N(0, 1)" if standard else "a Gaussian as wide as the prior"
    between = f"from the {edge:.0f} % to the {100 - edge:.0f} % quantile of {gaussian}"
    return figures.picture(
        figures.tile(grid, MANIFOLD_SIDE),
        f"{name}: the decoded plane of latents",
        below=f"first latent, {between}",
        side=f"second latent, {between}",
    )


def _prior(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation of each latent dimension under the prior."""
    prior = model.prior.distribution()
    return mean(prior).numpy(), stddev(prior).numpy()


def _levels(subject: Subject) -> "Figure":
    subject.need(Decodes, Layered)
    model = of_any_label(subject.model)
    levels, prior = model.latent_levels, model.prior.distribution()
    seeds = seed_pair(subject.seed), seed_pair(subject.seed + 1)
    fixed = prior.sample(LEVEL_ROWS, seed=seeds[0]).numpy()[:, None]
    anew = prior.sample([LEVEL_ROWS, LEVEL_COLUMNS], seed=seeds[1]).numpy()
    rows, names = [], list[str]()
    for number in range(1, len(levels) + 1):
        below = np.arange(anew.shape[-1]) < sum(levels[:number])
        latents = np.where(below, anew, fixed)
        rows.append(model.mean_images(latents.reshape(-1, latents.shape[-1])).numpy())
        name = "all levels" if number == len(levels) else f"levels 1-{number}"
        names += ["level 1" if number == 1 else name] * LEVEL_ROWS
    return figures.picture(
        figures.tile(np.concatenate(rows), LEVEL_COLUMNS),
        f"{subject.name}: what each level of latents decides",
        below="in a row, the levels that are named are drawn anew, and those above are fixed",
        left=tuple(names),
    )


def _kl(subject: Subject) -> np.ndarray:
    subject.need(Infers, Decodes, Bounds)
    images, _ = subject.some(SCATTERED)

    def usage(model: Any, images: Any, seed: Any) -> Any:
        return model.statistics(images, seed).per_dimension["kl_per_dimension"]

    own = subject.labels(SCATTERED)
    return of_rows(subject.model, usage, images, subject.seed, own).mean(axis=0)


def _kl_bars(subject: Subject) -> "Figure":
    title = f"{subject.name}: use of the latents on test {subject.item}s"
    return figures.kl_bars(_kl(subject), title, subject.item)


def _traversals(subject: Subject) -> "Figure":
    kl = _kl(subject)
    order = np.argsort(kl)[::-1][:TRAVERSED]
    image, model = subject.some(1)
    latents = np.tile(model.embed(image), (len(order), STEPS, 1))
    # Given the label of one image, the prior is a batch of one.
    means, scales = (np.ravel(each) for each in _prior(model))
    for row, index in enumerate(order):
        latents[row, :, index] = means[index] + scales[index] * np.linspace(-3, 3, STEPS)
    images = model.mean_images(latents.reshape(-1, latents.shape[-1])).numpy()
    return figures.picture(
        figures.tile(images, STEPS),
        f"{subject.name}: one latent at a time",
        below="the latent within three of the prior's standard deviations, the others as of a "
        "test image",
        left=tuple(f"{_latent(subject.model, index)}, KL {kl[index]:.2f}" for index in order),
    )


def _latent(model: Any, index: int) -> str:
    """The name of a latent dimension: its number, and that of its level if there are levels."""
    if not isinstance(model, Layered):
        return f"z{index + 1}"
    ends = np.cumsum(model.latent_levels)
    level = int(np.searchsorted(ends, index, side="right"))
    return f"level {level + 1}, z{index + 1 - int(ends[level]) + model.latent_levels[level]}"


def _interpolation(subject: Subject) -> "Figure":
    subject.need(Embeds, Decodes)
    (images, model), own = subject.some(2 * INTERPOLATIONS), subject.labels(2 * INTERPOLATIONS)
    pairs = len(images) // 2
    if not pairs:
        raise NotDrawnError("interpolation needs two test images or more, and there is 1")
    starts, ends = images[:pairs], images[pairs : 2 * pairs]
    means = model.embed(images).numpy()
    latents = path(means[:pairs], means[pairs : 2 * pairs], STEPS)
    # Steps first, so that the labels of a conditional model are those of the images at the start.
    flat = latents.swapaxes(0, 1).reshape(-1, latents.shape[-1])
    walked = subject.model if own is None else given(subject.model, own[:pairs])
    between = walked.mean_images(flat).numpy()
    between = between.reshape(STEPS, pairs, *images.shape[1:]).swapaxes(0, 1)
    rows = np.concatenate([starts[:, None], between, ends[:, None]], axis=1)
    return figures.picture(
        figures.tile(rows.reshape(-1, *images.shape[1:]), STEPS + 2),
        f"{subject.name}: from one test image to another",
        below="outermost the images, between them what is decoded on the way"
        + (", given the label of the first" if own is not None else ""),
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
    """Embeddings of test images, and the options of a plot that colour them."""
    subject.need(Embeds)
    some = subject.dataset.test.spread(SCATTERED)
    images, _ = subject.some(SCATTERED)
    own = subject.labels(SCATTERED)
    means = of_rows(subject.model, lambda model, some, _: model.embed(some), images, labels=own)
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
    title = f"{subject.name}: t-SNE of the latent means of test {subject.item}s"
    return figures.scatter(plane, title, ("", ""), **colours)


def _tsne_of_levels(subject: Subject) -> "Figure":
    subject.need(Embeds, Layered)
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


def _pca(subject: Subject) -> "Figure":
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


def _animation(subject: Subject) -> list[Any]:
    if not subject.frames:
        raise NotDrawnError(
            "the animation needs what was kept in training, and there is no such run"
        )
    return figures.animation(subject.frames["images"], subject.frames["epochs"])


PICTURES: dict[str, Callable[[Subject], Any]] = {
    "curves": _curves,
    "samples": _samples,
    "completions": _completions,
    "codes": _codes,
    "single-codes": _single_codes,
    "filters": _filters,
    "labels": _labels,
    "reconstructions": _reconstructions,
    "manifold": _manifold,
    "levels": _levels,
    "kl": _kl_bars,
    "traversals": _traversals,
    "interpolation": _interpolation,
    "pca": _pca,
    "nearest": _nearest,
    "tsne": _tsne,
    "tsne-levels": _tsne_of_levels,
    "animation": _animation,
}
"""Functions from a `Subject` to a figure, or to the list of the pictures of an animation."""
OF_IMAGES = (
    "samples",
    "completions",
    "codes",
    "single-codes",
    "filters",
    "labels",
    "reconstructions",
    "manifold",
    "levels",
    "traversals",
    "interpolation",
    "nearest",
    "animation",
)
"""Figures that show images."""


def quick(subject: Subject) -> list[str]:
    """The names of the figures that are drawn after every training, and that the model allows.

    Args:
        subject: The model that is drawn, and its data.
    """
    model = subject.model
    needs: dict[str, tuple[Any, ...]] = {
        "curves": (),
        "samples": (Generates,),
        "completions": (Completes,),
        "codes": (Quantizes,),
        "single-codes": (Quantizes,),
        "filters": (Filters,),
        "labels": (Conditional,),
        "reconstructions": (Reconstructs,),
        "manifold": (Decodes,),
        "levels": (Decodes, Layered),
        "kl": (Infers, Decodes, Bounds),
        "traversals": (Infers, Embeds, Decodes, Bounds),
        "animation": (Generates,),
    }
    names = [name for name, each in needs.items() if all(isinstance(model, c) for c in each)]
    if subject.dataset.train.numbers:
        names = [name for name in names if name not in OF_IMAGES]
    if "manifold" in names and of_any_label(model).prior.distribution().event_shape != (2,):
        names.remove("manifold")
    return names
