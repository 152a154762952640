"""Scatter plots of latents, and the methods that bring them into two dimensions."""

import contextlib
import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kvae.figures import style
from kvae.progress import Progress, silent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TSNE_ITERATIONS = 1000
MARKERS = "o^sDvP"
_REPORTED = 50


def tsne(latents: np.ndarray, seed: int = 0, progress: Progress = silent) -> np.ndarray:
    """Map latents to two dimensions with scikit-learn's t-SNE (van der Maaten & Hinton, 2008).

    Args:
        latents: One latent vector for each point, `[count, latent]`.
        seed: The seed of the random numbers.
        progress: Wraps the iterations to show how many are done.

    Returns:
        The points in the plane, `[count, 2]`.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    steps = range(TSNE_ITERATIONS // _REPORTED)
    ticks = iter(progress(steps, len(steps), "t-SNE"))

    class Watcher(io.StringIO):
        """Advances the progress when scikit-learn prints how many iterations it has done."""

        def write(self, text: str) -> int:
            if re.match(r"\[t-SNE\] Iteration \d+:", text):
                next(ticks, None)
            return len(text)

    model = TSNE(
        perplexity=min(30, (len(latents) - 1) / 3),
        max_iter=TSNE_ITERATIONS,
        random_state=seed,
        verbose=2,
    )
    # Each iteration is a few short loops, at whose ends all of OpenMP's threads meet. Where other
    # processes use the cores, too, the threads wait for each other most of the time. Products of
    # matrices are rounded differently by another number of threads, and the planes then differ.
    with threadpool_limits(1), contextlib.redirect_stdout(Watcher()):
        plane = model.fit_transform(latents)
    # t-SNE may stop early: the progress is then completed here.
    for _ in ticks:
        pass
    return plane


def pca(latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Map latents to their first two principal components.

    Args:
        latents: One latent vector for each point, `[count, latent]`, with at least two dimensions.

    Returns:
        The points in the plane, `[count, 2]`, and the share of the variance that each of the two
        components explains, `[2]`.
    """
    from sklearn.decomposition import PCA

    model = PCA(2)
    return model.fit_transform(latents), model.explained_variance_ratio_


def _densest(points: np.ndarray) -> np.ndarray:
    """The point with the nearest neighbours: the name of a class stands there, among its points."""
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    near = min(len(points) - 1, 20)
    return points[np.argmin(np.partition(distances, near, axis=1)[:, near])]


def scatter(
    points: np.ndarray,
    title: str,
    axes_names: tuple[str, str],
    labels: np.ndarray | None = None,
    label_names: Sequence[str] = (),
    order: np.ndarray | None = None,
    order_name: str = "",
) -> "Figure":
    """Plot points in the plane, coloured by their label or by a number such as that of a frame.

    Args:
        points: Where the points are, `[count, 2]`.
        title: The title of the figure.
        axes_names: The labels of the x-axis and of the y-axis; two empty strings if the axes have
            no meaning.
        labels: The label of each point as an integer, `[count]`; None if there are no labels.
        label_names: The name of each label, by its integer; if empty, the integers are shown.
        order: A number for each point, `[count]`, which decides its colour if `labels` is None.
            If both are None, all points have the same colour.
        order_name: What the numbers in `order` are.
    """
    figure, axes = style.panels(6.6 if labels is not None else 6.2, 5.4, title)
    _plot(axes[0, 0], points, axes_names, labels, label_names, order, order_name)
    return figure


def scatters(
    planes: Mapping[str, np.ndarray],
    title: str,
    labels: np.ndarray | None = None,
    label_names: Sequence[str] = (),
    order: np.ndarray | None = None,
    order_name: str = "",
) -> "Figure":
    """Plot the same points in several planes side by side, whose axes have no meaning.

    Args:
        planes: Where the points are, `[count, 2]`, by the title of each plane.
        title: The title of the figure.
        labels: The label of each point as an integer, `[count]`; None if there are no labels.
        label_names: The name of each label, by its integer; if empty, the integers are shown.
        order: A number for each point, `[count]`, which decides its colour if `labels` is None.
        order_name: What the numbers in `order` are.
    """
    figure, axes = style.panels(5.6 * len(planes), 5.4, title, columns=len(planes))
    for panel, (name, points) in zip(axes[0], planes.items(), strict=True):
        _plot(panel, points, ("", ""), labels, label_names, order, order_name)
        panel.set_title(name)
    return figure


def _plot(
    panel: Any,
    points: np.ndarray,
    axes_names: tuple[str, str],
    labels: np.ndarray | None,
    label_names: Sequence[str],
    order: np.ndarray | None,
    order_name: str,
) -> None:
    size = float(np.clip(6000 / len(points), 5, 25))
    if labels is not None:
        values = np.unique(labels)
        for index, value in enumerate(values):
            some = points[labels == value]
            name = label_names[value] if label_names else str(value)
            # Everyone can tell these few colours apart: further classes get other marker shapes.
            shape, shade = divmod(index, len(style.COLORS))
            panel.scatter(
                *some.T,
                s=size * (1 if shape == 0 else 2),
                color=style.COLORS[shade],
                marker=MARKERS[shape % len(MARKERS)],
                label=name,
                linewidths=0,
            )
            middle = _densest(some)
            box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
            panel.text(*middle, name, ha="center", va="center", fontsize=9, bbox=box)
        if len(values) <= 20:
            panel.legend(frameon=False, markerscale=3, bbox_to_anchor=(1.0, 1.0), loc="upper left")
    elif order is not None:
        dots = panel.scatter(*points.T, s=size, c=order, cmap="viridis", linewidths=0)
        panel.figure.colorbar(dots, ax=panel, label=order_name, shrink=0.8)
    else:
        panel.scatter(*points.T, s=size, color=style.BLUE, linewidths=0)
    if any(axes_names):
        panel.set(xlabel=axes_names[0], ylabel=axes_names[1])
    else:
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[:].set_visible(False)
