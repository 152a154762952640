"""kvae compare"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kvae_cli import options, output

if TYPE_CHECKING:
    from kvae.evaluation import Quantity


@click.command()
@click.argument("names", metavar="MODEL MODEL ...", nargs=-1, required=True)
@click.option(
    "--output",
    "target",
    type=options.OutputFile(".png", ".svg", ".pdf"),
    default="comparison.png",
    show_default=True,
    help="The figure.",
)
@options.seed
@options.models
@options.data_dir
@options.as_json
def compare(
    names: tuple[str, ...],
    target: Path,
    seed: int,
    models: Path,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Compare saved models of the same data on its test images.

    The best value of a line has a star. Differences are taken image by image.
    """
    from kvae import files, runs

    if len(set(names)) < 2:
        raise click.UsageError("name two models or more, each once.")
    paths = [runs.find(name, models, "saved model") for name in names]
    files.check_writable(target.parent)

    from kvae import evaluation, export, figures

    loaded = {path.name: export.load(path) for path in paths}
    evaluation.check_comparable(loaded)
    images = runs.dataset_of(paths[0], None, data_dir, output.progress)
    quantities = evaluation.compare_models(loaded, images, seed)
    drawn = {
        quantity.name: list(zip(quantity.values, quantity.errors, strict=True))
        for quantity in quantities
        if quantity.errors
    }
    figure = figures.compared(
        list(loaded), drawn, f"{len(images.test):,} test images, ± two standard errors"
    )
    figures.save(figure, target)
    if as_json:
        output.as_json(
            {
                "models": list(loaded),
                "quantities": [dataclasses.asdict(quantity) for quantity in quantities],
                "figure": str(target),
            }
        )
        return
    lines = [[f"{len(images.test):,} test images of {images.name}", *loaded, ""]]
    lines += [[q.name, *(_cell(q, i) for i in range(len(loaded))), q.unit] for q in quantities]
    output.table(lines, left=1)
    click.echo(f"\n* best of the line; ± standard error. Figure: {target}")


def _cell(quantity: "Quantity", index: int) -> str:
    value = quantity.values[index]
    digits = 2 if quantity.unit == "nats" else 0 if quantity.name == "active units" else 4
    text = f"{value:.{digits}f}"
    if quantity.errors:
        text += f" ± {quantity.errors[index]:.{digits}f}"
    return f"{text} *" if quantity.best == index else f"{text}  "
