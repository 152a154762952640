"""The command line of the benchmarks: `python -m benchmarks COMMAND`."""

import os
import platform
from pathlib import Path

import click

from benchmarks import (
    adversarial,
    checkpoints,
    commands,
    drawing,
    encoding,
    fingerprints,
    growth,
    own,
    parts,
    profile,
    splits,
    sweeps,
    tables,
    training,
)
from benchmarks.problems import PROBLEMS
from kvae.io.files import write_json


@click.group()
def main() -> None:
    """Compare kvae with something else on this machine; print tables and write JSON files."""


@main.command(name="training")
@click.argument("problems", nargs=-1, type=click.Choice(list(PROBLEMS)))
@click.option("--rounds", type=click.IntRange(min=2), default=7, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-training.json")
def training_command(problems: tuple[str, ...], rounds: int, output: Path) -> None:
    """Time an epoch of kvae, of its matrix products alone, and of other frameworks."""
    results = [training.compare(problem, rounds) for problem in problems or PROBLEMS]
    write_json(output, {"machine": machine(), "training": results})
    click.echo("\n\n".join(map(training.table, results)))


@main.command(name="adversarial")
@click.argument("problems", nargs=-1, type=click.Choice(adversarial.TIMED))
@click.option("--rounds", type=click.IntRange(min=2), default=7, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-adversarial.json")
def adversarial_command(problems: tuple[str, ...], rounds: int, output: Path) -> None:
    """Time an epoch of an adversarial network, in kvae and in PyTorch."""
    results = [adversarial.compare(name, rounds) for name in problems or adversarial.TIMED]
    write_json(output, {"machine": machine(), "adversarial": results})
    click.echo(adversarial.table(results))


@main.command(name="strategies")
@click.argument("problems", nargs=-1, type=click.Choice(list(PROBLEMS)))
@click.option("--rounds", type=click.IntRange(min=2), default=7, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-strategies.json")
def strategies_command(problems: tuple[str, ...], rounds: int, output: Path) -> None:
    """Time an epoch of kvae, of a strategy with one device, and of two workers."""
    results = {problem: training.share(problem, rounds) for problem in problems or PROBLEMS}
    write_json(output, {"machine": machine(), "strategies": results})
    click.echo("\n\n".join(training.share_table(results[name], name) for name in results))


@main.command(name="commands")
@click.option("--rounds", type=click.IntRange(min=2), default=5, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-commands.json")
def commands_command(rounds: int, output: Path) -> None:
    """Measure the time and memory of whole commands, and of each of their stages."""
    whole, long_run = commands.whole(rounds), commands.long_run()
    write_json(output, {"machine": machine(), "commands": whole, "long_run": long_run})
    click.echo(f"{commands.table(whole)}\n\n{commands.long_table(long_run)}")


@main.command(name="growth")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-growth.json")
@click.option("--plot", type=click.Path(path_type=Path), default="benchmarks-growth.png")
def growth_command(rounds: int, output: Path, plot: Path) -> None:
    """Measure how time and memory grow with images, pixels, units, latents and batches."""
    results = growth.measure(rounds)
    write_json(output, {"machine": machine(), "growth": results})
    growth.plot(results, plot)
    click.echo(growth.table(results))


@main.command(name="own")
@click.argument("datasets", nargs=-1, type=click.Choice(list(own.DATASETS)))
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-own.json")
def own_command(datasets: tuple[str, ...], output: Path) -> None:
    """Train images that no recipe knows, and compare with linear models."""
    results = own.measure(datasets or tuple(own.DATASETS))
    write_json(output, {"machine": machine(), "own": results})
    click.echo(own.table(results))


@main.command(name="splits")
@click.option("--family", default="vae", show_default=True)
@click.option("--likelihood", help="The likelihood that takes the place of the recipe's.")
@click.option("--count", type=click.IntRange(min=2), default=5, show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), envvar="TFDS_DATA_DIR")
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-splits.json")
def splits_command(
    family: str, likelihood: str | None, count: int, data_dir: Path | None, output: Path
) -> None:
    """Train the best recipe of the Frey Faces on random splits, and measure it on new frames."""
    results = splits.measure(family, likelihood, range(1, count + 1), data_dir)
    write_json(output, {"machine": machine(), "splits": results})
    click.echo(splits.table(results))


@main.command(name="encode")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-encode.json")
def encode_command(rounds: int, output: Path) -> None:
    """Time the encoding and scoring of 10,000 images beside a loop of Keras's predict."""
    results = encoding.measure(rounds)
    write_json(output, {"machine": machine(), "encode": results})
    click.echo(encoding.table(results))


@main.command(name="drawing")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-drawing.json")
def drawing_command(rounds: int, output: Path) -> None:
    """Time how long models without a quick decoder take to draw images one symbol after another."""
    results = drawing.measure(rounds)
    write_json(output, {"machine": machine(), "drawing": results})
    click.echo(drawing.table(results))


@main.command(name="tables")
@click.argument("names", nargs=-1, type=click.Choice(list(tables.TABLES)))
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-tables.json")
def tables_command(names: tuple[str, ...], repeats: int, output: Path) -> None:
    """Compare held-out log-likelihoods of tables with those of PCA and factor analysis."""
    results = tables.measure(names or tuple(tables.TABLES), repeats)
    write_json(output, {"machine": machine(), "tables": results})
    click.echo(tables.table(results))


@main.command(name="parts")
@click.argument("datasets", nargs=-1, type=click.Choice(list(parts.SETTINGS)))
@click.option("--data-dir", type=click.Path(path_type=Path), envvar="TFDS_DATA_DIR")
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-parts.json")
def parts_command(datasets: tuple[str, ...], data_dir: Path | None, output: Path) -> None:
    """Compare all priors, posteriors and bounds in quality and in the time of an epoch."""
    results = {}
    for name in datasets or parts.SETTINGS:
        results[name] = parts.measure(name, data_dir)
        write_json(output, {"machine": machine(), "parts": results})
        click.echo(f"{name}\n\n{parts.table(results[name])}\n")


@main.command(name="checkpoints")
@click.argument("runs", nargs=-1, type=click.Choice(list(checkpoints.RUNS)))
@click.option("--data-dir", type=click.Path(path_type=Path), envvar="TFDS_DATA_DIR")
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-checkpoints.json")
def checkpoints_command(runs: tuple[str, ...], data_dir: Path | None, output: Path) -> None:
    """Measure the share of the training time that checkpoints take."""
    results = {
        name: checkpoints.measure(name, data_dir, **checkpoints.RUNS[name])
        for name in runs or checkpoints.RUNS
    }
    write_json(output, {"machine": machine(), "checkpoints": results})
    click.echo(checkpoints.table(results))


@main.command(name="sweep")
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default="benchmarks-sweep.json")
def sweep_command(jobs: int, output: Path) -> None:
    """Time a sweep of 12 Frey Faces runs, and the same runs as separate commands."""
    result = sweeps.measure(jobs)
    write_json(output, {"machine": machine(), "sweep": result})
    click.echo(sweeps.table(result))


@main.command(name="fingerprints")
@click.option("--data-dir", type=click.Path(path_type=Path), envvar="TFDS_DATA_DIR")
def fingerprints_command(data_dir: Path | None) -> None:
    """Print hashes of short trainings, to test whether two commits train the same weights."""
    for name, weights, history in fingerprints.fingerprints(data_dir):
        click.echo(f"{name:30} {weights}  {history}")


@main.command(name="profile")
@click.argument("problem", type=click.Choice(list(PROBLEMS)))
@click.option("--rows", type=click.IntRange(min=1), default=20, show_default=True)
def profile_command(problem: str, rows: int) -> None:
    """Time the operations of a training step."""
    click.echo(f"| operation of a {problem} step | microseconds |\n| --- | --- |")
    for name, microseconds in profile.profile(problem, rows):
        click.echo(f"| {name} | {microseconds:.0f} |")


def machine() -> dict[str, object]:
    """The machine that the figures were measured on."""
    return {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}


if __name__ == "__main__":
    main()
