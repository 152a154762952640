"""Latents in the plane."""

import contextlib
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kvae.figures import style
from kvae.progress import Progress, silent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TSNE_ITERATIONS = 1000
MARKERS = "o^sDvP"
_REPORTED = 50


def tsne(latents: np.ndarray, seed: int = 0, progress: Progress = silent) -> np.ndarray:
    """t-SNE (van der Maaten & Hinton, 2008) of latents, by scikit-learn: `[count, 2]`.

    Args:
        latents: `[count, latent]`.
        seed: Decides the random numbers.
        progress: Shows how far along it is.
    """
    from sklearn.manifold import TSNE

    steps = range(TSNE_ITERATIONS // _REPORTED)
    ticks = iter(progress(steps, len(steps), "t-SNE"))

    class Watcher(io.StringIO):
        """scikit-learn tells how far it got by printing."""

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
    with contextlib.redirect_stdout(Watcher()):
        plane = model.fit_transform(latents)
    # Whatever is left: it may have stopped early.
    for _ in ticks:
        pass
    return plane


def pca(latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first two principal components of latents, `[count, 2]`, and their shares of variance.

    Args:
        latents: `[count, latent]`, of at least two dimensions.
    """
    from sklearn.decomposition import PCA

    model = PCA(2)
    return model.fit_transform(latents), model.explained_variance_ratio_


def _densest(points: np.ndarray) -> np.ndarray:
    """The point whose neighbours are nearest: a name there is among its own."""
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
    """Points in the plane, coloured by label, or by a number such as a frame's.

    Args:
        points: `[count, 2]`.
        title: Stands above.
        axes_names: Of the two directions; empty where they have no meaning.
        labels: Integers, `[count]`, or None.
        label_names: What they stand for.
        order: Numbers, `[count]`, used where there are no labels, or None.
        order_name: What they are.
    """
    figure, axes = style.panels(6.6 if labels is not None else 6.2, 5.4, title)
    panel = axes[0, 0]
    size = float(np.clip(6000 / len(points), 5, 25))
    if labels is not None:
        values = np.unique(labels)
        for index, value in enumerate(values):
            some = points[labels == value]
            name = label_names[value] if label_names else str(value)
            # Few colours can be told apart by everyone: more classes have other shapes.
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
        figure.colorbar(dots, ax=panel, label=order_name, shrink=0.8)
    else:
        panel.scatter(*points.T, s=size, color=style.BLUE, linewidths=0)
    if any(axes_names):
        panel.set(xlabel=axes_names[0], ylabel=axes_names[1])
    else:
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[:].set_visible(False)
    return figure
