"""Curves over a training, and bars over latent dimensions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kvae.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TERMS = {"elbo": "ELBO", "reconstruction": "reconstruction", "kl": "KL"}


def history(columns: Mapping[str, Sequence[float]], images: int, title: str) -> "Figure":
    """ELBO, reconstruction and KL of training and validation images, against epochs and images.

    Against images seen, on a logarithmic scale, as in Kingma & Welling (2014), Figure 2.

    Args:
        columns: The columns of `history.csv` by name.
        images: Seen in an epoch.
        title: Stands above.
    """
    figure, axes = style.panels(10, 5.6, title, rows=2, columns=3)
    epochs = np.asarray(columns["epoch"])
    for column, (term, name) in enumerate(TERMS.items()):
        train, validation = columns[f"train_{term}"], columns[f"validation_{term}"]
        for panel, places, left_out in (
            (axes[0, column], epochs, 1 / 20),
            (axes[1, column], epochs * images, 1 / 100),
        ):
            panel.plot(places, train, color=style.BLUE, label="train")
            panel.plot(places, validation, color=style.VERMILION, label="validation")
            _limit(panel, [train, validation], left_out)
        axes[0, column].set(title=name, xlabel="epochs")
        axes[1, column].set(xscale="log", xlabel="images seen")
    for panel in axes[:, 0]:
        panel.set_ylabel("nats an image")
    axes[0, 0].legend(frameon=False)
    return figure


def _limit(axes: Any, curves: Sequence[Sequence[float]], left_out: float) -> None:
    # The first epochs are far from the rest and would flatten what matters.
    late = [value for curve in curves for value in curve[int(len(curve) * left_out) :]]
    low, high = min(late), max(late)
    margin = 0.05 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)


def kl_bars(kl: np.ndarray, title: str) -> "Figure":
    """KL of each latent dimension, the largest first.

    Args:
        kl: Nats, `[latent]`.
        title: Stands above.
    """
    order = np.argsort(kl)[::-1]
    figure, axes = style.panels(max(4.0, min(14.0, 1.6 + 0.28 * len(kl))), 3.4, title)
    panel = axes[0, 0]
    panel.bar(range(len(kl)), kl[order], color=style.BLUE)
    panel.set_xlabel("latent dimension, by KL")
    panel.set_ylabel("KL, nats an image")
    if len(kl) <= 40:
        panel.set_xticks(range(len(kl)), [str(index + 1) for index in order], fontsize=8)
    return figure


def compared(
    names: Sequence[str], values: Mapping[str, Sequence[tuple[float, float]]], title: str
) -> "Figure":
    """Several runs side by side: a panel a quantity, a point a run with two standard errors.

    Args:
        names: Of the runs.
        values: By quantity, a mean and its standard error for each run.
        title: Stands above.
    """
    height = 1.5 + 0.34 * len(names)
    figure, axes = style.panels(3.6 * len(values) + 1, height, title, columns=len(values))
    places = np.arange(len(names))
    for panel, (quantity, pairs) in zip(axes[0], values.items(), strict=True):
        means, errors = np.asarray(pairs, float).T
        panel.errorbar(means, places, xerr=2 * errors, fmt="o", color=style.BLUE, capsize=3)
        panel.set(xlabel=f"{quantity}, nats an image", ylim=(len(names) - 0.5, -0.5))
        panel.set_yticks(places, names if panel is axes[0, 0] else [""] * len(names))
        panel.grid(axis="x", alpha=0.3)
    return figure
