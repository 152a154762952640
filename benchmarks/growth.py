"""Measure how the time and memory of an epoch grow with the size of the problem."""

import dataclasses
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.problems import Problem
from benchmarks.training import in_turn

BASE = Problem("noise", "bernoulli", 28**2, 500, 20, 128, epochs=1, count=20_000)
SWEEPS: dict[str, tuple[str, tuple[int, ...]]] = {
    "images": ("count", (10_000, 30_000, 100_000, 200_000, 500_000)),
    "pixels of an image": ("pixels", (14**2, 28**2, 56**2, 112**2)),
    "hidden units": ("hidden", (125, 250, 500, 1000, 2000)),
    "latent dimensions": ("latent", (2, 10, 50, 200)),
    "images a batch": ("batch_size", (16, 64, 128, 512, 2048)),
}
FLOOR, KVAE, CHUNKS = "floor (NumPy)", "kvae", "kvae, in chunks"


def measure(rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Vary one property of the problem at a time.

    Args:
        rounds: How many times each epoch is timed.

    Returns:
        For each sweep, by its name, the median seconds and the peak MiB at each of its values.
    """
    results: dict[str, list[dict[str, Any]]] = {}
    for title, (field, values) in SWEEPS.items():
        names = (FLOOR, KVAE, CHUNKS) if field == "count" else (FLOOR, KVAE)
        points = results[title] = []
        for value in values:
            problem = dataclasses.replace(BASE, **{field: value})
            answers, _ = in_turn(problem, names, rounds, f"{title}: {value:,}")
            seconds = {name: [each["seconds"] for each in given] for name, given in answers.items()}
            point: dict[str, Any] = {"value": value}
            for name in names:
                pairs = zip(seconds[name], seconds[FLOOR], strict=True)
                point[name] = {
                    "seconds": median(seconds[name]),
                    "to_floor": median(a / b for a, b in pairs),
                    "memory": answers[name][-1]["memory"],
                }
            points.append(point)
    return results


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """The sweeps as a Markdown table.

    Args:
        results: What `measure` returned.
    """
    lines = [
        "| | | floor, s | kvae, s | × floor | MiB | in chunks × kvae | MiB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for title, points in results.items():
        for point in points:
            floor, kvae = point[FLOOR], point[KVAE]
            chunks = " | |"
            if CHUNKS in point:
                ratio = point[CHUNKS]["seconds"] / kvae["seconds"]
                chunks = f"{ratio:.2f} | {point[CHUNKS]['memory']:.0f} |"
            lines.append(
                f"| {title} | {point['value']:,} | {floor['seconds']:.3f} | {kvae['seconds']:.3f} "
                f"| {kvae['to_floor']:.2f} | {kvae['memory']:.0f} | {chunks}"
            )
    return "\n".join(lines)


def plot(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Plot seconds (upper row) and memory (lower row) of each sweep (columns) to a file.

    The axes of the upper row are logarithmic: linear growth is a line of slope one.

    Args:
        results: What `measure` returned.
        path: The file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 6.4), layout="constrained")
    axes = figure.subplots(2, len(results), sharey="row", squeeze=False)
    styles = {
        FLOOR: ("#777777", "--", "o", "matrix products alone"),
        KVAE: ("#0072B2", "-", "o", "kvae"),
        CHUNKS: ("#D55E00", ":", "s", "kvae, in chunks"),
    }
    for column, (title, points) in enumerate(results.items()):
        seconds, memory = axes[:, column]
        values = [point["value"] for point in points]
        for name, (color, line, marker, label) in styles.items():
            if name not in points[0]:
                continue
            for axis, quantity in ((seconds, "seconds"), (memory, "memory")):
                if quantity == "memory" and name == FLOOR:
                    continue
                heights = [point[name][quantity] for point in points]
                axis.plot(values, heights, color=color, ls=line, marker=marker, label=label)
        seconds.set(xscale="log", yscale="log", title=title)
        memory.set(xscale="log", xlabel=title, ylim=(0, None))
        for axis in (seconds, memory):
            axis.set_xticks(values, [f"{value:,}" for value in values], rotation=30, ha="right")
            axis.minorticks_off()
            axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("seconds an epoch")
    axes[1, 0].set_ylabel("peak MiB")
    axes[0, 0].legend(frameon=False)
    figure.savefig(path, dpi=110)
