"""The common style of all figures: colours that everyone can tell apart, and plain axes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kvae.io.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# From Okabe & Ito (2008): people with any kind of colour vision can tell them apart.
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
"""Pixels of white around an image, and the height of a line of text in pixels."""


def panels(width: float, height: float, title: str, rows: int = 1, columns: int = 1) -> Any:
    """Create a figure with a grid of axes.

    Args:
        width: The figure's width in inches.
        height: The figure's height in inches.
        title: The title of the figure.
        rows: How many rows of axes there are.
        columns: How many columns of axes there are.

    Returns:
        The figure, and an array of its axes, `[rows, columns]`.
    """
    # pyplot is not used, since it keeps every figure in memory and may need a display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(rows, columns, squeeze=False)
    for each in axes.flat:
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def sequence(count: int) -> list[Any]:
    """Colours for settings: the distinct ones if they suffice, else a sequence from dark to light.

    Args:
        count: How many colours are needed.
    """
    if count < len(COLORS):
        return [color for color in COLORS if color != YELLOW][:count]
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0, 0.9, count)))


def picture(
    grid: np.ndarray, title: str, below: str = "", left: tuple[str, ...] = (), side: str = ""
) -> "Figure":
    """A figure of a grid of images, with text around it. No pixel of the grid is blurred.

    Args:
        grid: uint8, `[height, width, channels]` with 1 or 3 channels, as `kvae.figures.tile`
            returns it.
        title: The title above the grid.
        below: The name of the horizontal direction, below the grid; none if empty.
        left: A label for each row of the grid, to its left; none if empty.
        side: The name of the vertical direction, to the left of the grid; none if empty.
    """
    from matplotlib.figure import Figure

    height, width = grid.shape[:2]
    # A letter of a label is about seven pixels wide.
    labels = 7 * max(map(len, left)) + MARGIN if left else STRIP if side else 0
    words = 8 * max(len(title), len(below))
    across = max(width + labels, words) + 2 * MARGIN
    bottom = STRIP if below else MARGIN
    down = height + STRIP + bottom
    figure = Figure(figsize=(across / 100, down / 100), dpi=100)
    # The grid starts at a whole pixel: matplotlib would blur it otherwise.
    start = MARGIN + labels + (across - 2 * MARGIN - labels - width) // 2
    axes = figure.add_axes((start / across, bottom / down, width / across, height / down))
    # Grey images are drawn in RGB too: a colour map would change some grey levels by one.
    axes.imshow(np.broadcast_to(grid, (height, width, 3)), interpolation="nearest")
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    figure.text(0.5, 1 - 10 / down, title, ha="center", va="top", fontsize=11, parse_math=False)
    if below:
        axes.set_xlabel(below, fontsize=10)
    if side:
        axes.set_ylabel(side, fontsize=10)
    if left:
        centres = (np.arange(len(left)) + 0.5) * height / len(left)
        # Names of labels may have dollar signs, which would begin a formula.
        axes.set_yticks(centres, left, fontsize=9, parse_math=False)
        axes.tick_params(length=0)
    return figure


def save(figure: "Figure", path: Path) -> None:
    """Write a figure to a file. The write is atomic.

    Args:
        figure: The figure to write.
        path: The file to write; its suffix decides the format.
    """
    with atomic_file(path) as scratch:
        figure.savefig(scratch, format=path.suffix[1:], dpi=figure.dpi)
