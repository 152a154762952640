"""One look for all figures: colours that everyone can tell apart, and no more ink than needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kvae.io.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito (2008): told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY, VERMILION, BLACK = COLORS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#F0E442",
    "#56B4E9",
    "#D55E00",
    "#000000",
)
DPI = 110
MARGIN, STRIP = 12, 34
"""Pixels around an image, and for a line of text."""


def panels(width: float, height: float, title: str, rows: int = 1, columns: int = 1) -> Any:
    """A figure and its axes, `[rows, columns]`.

    Args:
        width: In inches.
        height: In inches.
        title: Stands above.
        rows: Of axes.
        columns: Of axes.
    """
    # Not pyplot, which keeps every figure and may want a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(rows, columns, squeeze=False)
    for each in axes.flat:
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def sequence(count: int) -> list[Any]:
    """Colours for settings: those told apart best, or, for more of them, from dark to light."""
    if count < len(COLORS):
        return [color for color in COLORS if color != YELLOW][:count]
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0, 0.9, count)))


def picture(
    grid: np.ndarray, title: str, below: str = "", left: tuple[str, ...] = (), side: str = ""
) -> "Figure":
    """A grid of images, pixel for pixel, with words around it.

    Args:
        grid: uint8 `[height, width, 1 or 3]`, as `kvae.figures.tile` gives it.
        title: Stands above.
        below: Names the horizontal direction.
        left: A label for each row of the grid.
        side: Names the vertical direction.
    """
    from matplotlib.figure import Figure

    height, width = grid.shape[:2]
    # About seven pixels a letter.
    labels = 7 * max(map(len, left)) + MARGIN if left else STRIP if side else 0
    words = 8 * max(len(title), len(below))
    across = max(width + labels, words) + 2 * MARGIN
    bottom = STRIP if below else MARGIN
    down = height + STRIP + bottom
    figure = Figure(figsize=(across / 100, down / 100), dpi=100)
    # Whole pixels, or they would be blurred.
    start = MARGIN + labels + (across - 2 * MARGIN - labels - width) // 2
    axes = figure.add_axes((start / across, bottom / down, width / across, height / down))
    # In colour even where it is grey: a map of colours would change some shades by one.
    axes.imshow(np.broadcast_to(grid, (height, width, 3)), interpolation="nearest")
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    figure.text(0.5, 1 - 10 / down, title, ha="center", va="top", fontsize=11)
    if below:
        axes.set_xlabel(below, fontsize=10)
    if side:
        axes.set_ylabel(side, fontsize=10)
    if left:
        centres = (np.arange(len(left)) + 0.5) * height / len(left)
        axes.set_yticks(centres, left, fontsize=9)
        axes.tick_params(length=0)
    return figure


def save(figure: "Figure", path: Path) -> None:
    """Write a figure, whole or not at all, in the format that the suffix names."""
    with whole_file(path) as scratch:
        figure.savefig(scratch, format=path.suffix[1:], dpi=figure.dpi)
