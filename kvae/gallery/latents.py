"""Figures of a latent space that can be walked."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kvae import figures
from kvae.gallery.images import readable
from kvae.gallery.subject import MOST_IMAGES, NotDrawnError, Subject
from kvae.inference import path
from kvae.models.base import Conditional, Layered, given, of_any_label, seed_pair
from kvae.models.chunks import of_rows
from kvae.models.estimates import mean, stddev

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MANIFOLD_SIDE = 15
LEVEL_ROWS = 3
LEVEL_COLUMNS = 12
TRAVERSED = 12
STEPS = 9
INTERPOLATIONS = 6


def is_plane(model: Any) -> bool:
    """Whether a model has two latent dimensions.

    Args:
        model: A model with a latent space that can be walked.
    """
    return bool(of_any_label(model).prior.distribution().event_shape == (2,))


def manifold(subject: Subject) -> "Figure":
    """The decoded plane of two latents.

    Args:
        subject: The model that is drawn, and its data.
    """
    model, name = of_any_label(subject.model), subject.name
    if isinstance(subject.model, Conditional):
        name += f", label {readable(subject.model.classes[0])}"
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


def levels(subject: Subject) -> "Figure":
    """Samples in which some levels of latents are fixed.

    Args:
        subject: The model that is drawn, and its data.
    """
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


def divergences(subject: Subject) -> np.ndarray:
    """The mean KL of each latent dimension on test images, `[latent]`, in nats.

    Args:
        subject: The model that is drawn, and its data.
    """
    images, _ = subject.some(MOST_IMAGES)

    def usage(model: Any, images: Any, seed: Any) -> Any:
        return model.statistics(images, seed).per_dimension["kl_per_dimension"]

    own = subject.labels(MOST_IMAGES)
    return of_rows(subject.model, usage, images, subject.seed, own).mean(axis=0)


def kl(subject: Subject) -> "Figure":
    """The KL of each latent dimension.

    Args:
        subject: The model that is drawn, and its data.
    """
    title = f"{subject.name}: use of the latents on test {subject.item}s"
    return figures.kl_bars(divergences(subject), title, subject.item)


def traversals(subject: Subject) -> "Figure":
    """What one latent at a time decodes to.

    Args:
        subject: The model that is drawn, and its data.
    """
    kl = divergences(subject)
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


def interpolation(subject: Subject) -> "Figure":
    """What is decoded on the way from one test image to another.

    Args:
        subject: The model that is drawn, and its data.
    """
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
