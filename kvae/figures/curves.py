"""Plots of curves over training and over latent sizes, and bar charts of latent dimensions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kvae.figures import style
from kvae.metrics import Metric

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = 0.055
"""The distance of two lines of names, as a share of the height of the axes."""


def history(
    columns: Mapping[str, Sequence[Any]],
    metrics: Sequence[Metric],
    images: int,
    title: str,
    item: str = "image",
) -> "Figure":
    """Plot a run's metrics on training and validation images, one column of panels a metric.

    The upper row has the epochs on the x-axis. The lower row has the number of training images
    seen, on a logarithmic scale, as in Kingma & Welling (2014), Figure 2.

    Args:
        columns: The columns of `history.csv` by name.
        metrics: What is plotted, as far as training or validation images have it.
        images: How many training images an epoch has.
        title: The title of the figure.
        item: What an image is called: `row` if it is one of a table.
    """
    splits = {"train": style.BLUE, "validation": style.VERMILION}
    shown = [m for m in metrics if any(f"{split}_{m.name}" in columns for split in splits)]
    width = max(5.0, 10 * len(shown) / 3)
    figure, axes = style.panels(width, 5.6, title, rows=2, columns=max(1, len(shown)))
    epochs = np.asarray(columns["epoch"])
    for column, metric in enumerate(shown):
        curves = {
            split: columns[f"{split}_{metric.name}"]
            for split in splits
            if f"{split}_{metric.name}" in columns
        }
        for panel, places, left_out in (
            (axes[0, column], epochs, 1 / 20),
            (axes[1, column], epochs * images, 1 / 100),
        ):
            mark = _marker(places)
            for split, values in curves.items():
                panel.plot(places, values, color=splits[split], label=split, marker=mark)
            _limit(panel, list(curves.values()), left_out)
        axes[0, column].set(title=metric.label, xlabel="epochs")
        axes[1, column].set(xscale="log", xlabel=f"{item}s seen")
    for panel in axes[:, 0] if shown else []:
        panel.set_ylabel(_per_image(shown[0], item))
        panel.legend(frameon=False)
    return figure


def _per_image(metric: Metric, item: str = "image") -> str:
    return f"{metric.unit} {_with_article(item)}" if metric.unit else ""


def _with_article(item: str) -> str:
    return f"{'an' if item[0] in 'aeiou' else 'a'} {item}"


def _marker(places: np.ndarray) -> str | None:
    # A line through a single point would be invisible.
    return "o" if len(places) == 1 else None


def _limit(axes: Any, curves: Sequence[Sequence[float] | np.ndarray], left_out: float) -> None:
    # The first epochs have values far from the rest, which would flatten the later curve.
    late = [value for curve in curves for value in curve[int(len(curve) * left_out) :]]
    low, high = min(late), max(late)
    margin = 0.05 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)


def kl_bars(kl: np.ndarray, title: str, item: str = "image") -> "Figure":
    """Plot the KL of each latent dimension as a bar, the largest first.

    Args:
        kl: KL of each dimension in nats, `[latent]`.
        title: The title of the figure.
        item: What an image is called: `row` if it is one of a table.
    """
    order = np.argsort(kl)[::-1]
    figure, axes = style.panels(max(4.0, min(14.0, 1.6 + 0.28 * len(kl))), 3.4, title)
    panel = axes[0, 0]
    panel.bar(range(len(kl)), kl[order], color=style.BLUE)
    panel.set_xlabel("latent dimension, by KL")
    panel.set_ylabel(f"KL, nats {_with_article(item)}")
    if len(kl) <= 40:
        panel.set_xticks(range(len(kl)), [str(index + 1) for index in order], fontsize=8)
    return figure


def compared(
    names: Sequence[str],
    values: Mapping[str, Sequence[tuple[float, float]]],
    title: str,
    item: str = "image",
) -> "Figure":
    """Plot several runs side by side.

    Each quantity has a panel, in which each run is a point with a bar of two standard errors to
    either side.

    Args:
        names: The names of the runs.
        values: For each quantity, by its name, the mean and the standard error of each run.
        title: The title of the figure.
        item: What an image is called: `row` if it is one of a table.
    """
    height = 1.5 + 0.34 * len(names)
    figure, axes = style.panels(3.6 * len(values) + 1, height, title, columns=len(values))
    places = np.arange(len(names))
    for panel, (quantity, pairs) in zip(axes[0], values.items(), strict=True):
        means, errors = np.asarray(pairs, float).T
        panel.errorbar(means, places, xerr=2 * errors, fmt="o", color=style.BLUE, capsize=3)
        panel.set(xlabel=f"{quantity}, nats {_with_article(item)}", ylim=(len(names) - 0.5, -0.5))
        panel.set_yticks(places, names if panel is axes[0, 0] else [""] * len(names))
        panel.grid(axis="x", alpha=0.3)
    return figure


def histories(
    curves: Mapping[str, Sequence[Mapping[str, Sequence[Any]]]],
    metrics: Sequence[Metric],
    title: str,
) -> "Figure":
    """Plot metrics on validation images by epoch, for several settings.

    The line of a setting is the mean over its runs. The shaded band reaches from the lowest run to
    the highest.

    Args:
        curves: The runs of each setting, by its name: the columns of the `history.csv` of each run.
        metrics: What is plotted, as far as all runs have it.
        title: The title of the figure.
    """
    every = [run for runs in curves.values() for run in runs]
    drawn = [m for m in metrics if all(f"validation_{m.name}" in run for run in every)]
    figure, axes = style.panels(max(5.0, 4 * len(drawn)), 3.9, title, columns=max(1, len(drawn)))
    colors = style.sequence(len(curves))
    for panel, metric in zip(axes[0], drawn, strict=False):
        shown = []
        for color, (label, runs) in zip(colors, curves.items(), strict=True):
            # Some runs may have stopped early: only the epochs that all runs have are averaged.
            epochs = min(len(run["epoch"]) for run in runs)
            values = np.asarray([run[f"validation_{metric.name}"][:epochs] for run in runs])
            places = np.arange(1, epochs + 1)
            panel.plot(places, values.mean(0), color=color, label=label, marker=_marker(places))
            if len(runs) > 1:
                panel.fill_between(
                    places, values.min(0), values.max(0), color=color, alpha=0.2, linewidth=0
                )
            shown += list(values)
        _limit(panel, shown, 1 / 20)
        panel.set(title=metric.label, xlabel="epochs")
    axes[0, 0].set_ylabel(f"{_per_image(drawn[0])}, validation" if drawn else "")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right", frameon=False)
    return figure


class Line(NamedTuple):
    """One curve of a plot.

    Attributes:
        label: The curve's name in the legend. A label must have the same colour and dashes in all
            panels.
        x: Where the points are on the x-axis, `[count]`.
        y: The value at each point, `[count]`.
        color: Index of the colour in `kvae.figures.style.COLORS`.
        dashed: Whether the line is dashed; it is solid otherwise.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    color: int
    dashed: bool = False


def lines(
    panels: Mapping[str, Sequence[Line]], title: str, xlabel: str, ylabel: str, columns: int = 2
) -> "Figure":
    """Plot curves in several panels with logarithmic x-axes and one legend.

    Args:
        panels: The curves of each panel, by the panel's title.
        title: The title of the figure.
        xlabel: The label of all x-axes.
        ylabel: The label of all y-axes.
        columns: How many panels stand side by side.
    """
    rows, columns = -(-len(panels) // columns), min(columns, len(panels))
    width = max(2.4 * columns + 1.6, 7.0)
    figure, axes = style.panels(width, 2.6 * rows + 0.6, title, rows, columns)
    for panel, (name, curves) in zip(axes.flat, panels.items(), strict=False):
        for line in curves:
            color, dashes = style.COLORS[line.color], "--" if line.dashed else "-"
            mark = _marker(line.x)
            panel.plot(line.x, line.y, dashes, color=color, label=line.label, marker=mark)
        _limit(panel, [line.y for line in curves], 1 / 20)
        panel.set_xscale("log")
        panel.xaxis.set_minor_formatter("")
        panel.set_title(name, fontsize=9)
    for panel in list(axes.flat)[len(panels) :]:
        panel.axis("off")
    figure.supxlabel(xlabel)
    figure.supylabel(ylabel)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right", frameon=False)
    return figure


def by_latent(
    lines: Mapping[str, Sequence[tuple[int, float, float]]], metric: Metric, title: str
) -> "Figure":
    """Plot a metric of test images against the number of latent dimensions.

    Args:
        lines: The points of each setting, by its name: the number of latent dimensions, and the
            mean and the standard deviation of the metric over seeds.
        metric: What is plotted.
        title: The title of the figure.
    """
    figure, axes = style.panels(5.6, 4, title)
    panel = axes[0, 0]
    colors = style.sequence(len(lines))
    for color, (label, points) in zip(colors, lines.items(), strict=True):
        latents, means, errors = zip(*sorted(points), strict=True)
        panel.errorbar(latents, means, errors, fmt="o-", color=color, capsize=3, label=label)
    panel.set(
        xscale="log",
        xlabel="latent dimensions",
        ylabel=f"test {metric.label}, {_per_image(metric)}",
    )
    ticks = sorted({latent for points in lines.values() for latent, _, _ in points})
    panel.set_xticks(ticks, list(map(str, ticks)))
    panel.minorticks_off()
    if len(lines) > 1:
        panel.legend(frameon=False)
    return figure


def points(
    places: Mapping[str, tuple[float, float]], axes: tuple[str, str], title: str
) -> "Figure":
    """Plot points with their names, which stand beside the axes.

    Args:
        places: The two coordinates of each point, by its name.
        axes: The labels of both axes.
        title: The title of the figure.
    """
    figure, panels = style.panels(8.0, 5.0, title)
    panel = panels[0, 0]
    panel.set(xlabel=axes[0], ylabel=axes[1])
    ordered = sorted(places.items(), key=lambda item: item[1][1])
    panel.plot(*np.transpose([place for _, place in ordered]), "o", color=style.BLUE)
    low, high = panel.get_ylim()
    # Each name is as high as its point, or as much higher as the names below need.
    heights: list[float] = []
    for _, (_, y) in ordered:
        lowest = heights[-1] + LINE if heights else 0.0
        heights.append(max((y - low) / (high - low), lowest))
    most = 1 - LINE * np.arange(len(ordered))[::-1]
    for (name, place), height in zip(ordered, np.minimum(heights, most), strict=True):
        panel.annotate(
            name,
            place,
            xytext=(1.04, height),
            textcoords="axes fraction",
            va="center",
            arrowprops={"arrowstyle": "-", "color": "0.8", "relpos": (0, 0.5), "shrinkB": 4},
        )
    return figure
