"""Curves over the epochs of a training."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito (2008): told apart with every kind of colour vision.
TRAIN, VALIDATION = "#0072B2", "#D55E00"


def history(columns: Mapping[str, Sequence[float]], title: str) -> "Figure":
    """ELBO, reconstruction and KL of training and validation images against epochs.

    Args:
        columns: The columns of `history.csv` by name.
        title: Stands above.
    """
    # Not pyplot, which keeps every figure and may want a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(1, 3)
    for axes, term in zip(panels, ("elbo", "reconstruction", "kl"), strict=True):
        train, validation = columns[f"train_{term}"], columns[f"validation_{term}"]
        axes.plot(columns["epoch"], train, color=TRAIN, label="train")
        axes.plot(columns["epoch"], validation, color=VALIDATION, label="validation")
        axes.set_title("ELBO" if term == "elbo" else "KL" if term == "kl" else term)
        axes.set_xlabel("epoch")
        # The first epochs are far below the rest and would flatten what matters.
        late = [*train[len(train) // 20 :], *validation[len(validation) // 20 :]]
        low, high = min(late), max(late)
        margin = 0.05 * (high - low) or 1.0
        axes.set_ylim(low - margin, high + margin)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("nats an image")
    panels[0].legend(frameon=False)
    return figure
