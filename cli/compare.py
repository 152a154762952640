"""kvae compare"""

import dataclasses
from pathlib import Path

import click

from kvae_cli import options, output


@click.command()
@click.argument("names", metavar="MODEL MODEL ...", nargs=-1, required=True)
@click.option(
    "--output",
    "target",
    type=options.OutputFile(".png", ".svg", ".pdf"),
    default="comparison.png",
    show_default=True,
    help="File of the figure.",
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
    """Compare saved models that were trained on the same data, on its test images.

    The best value of a line has a star. Differences between models are taken image by image.
    """
    from kvae.io import files
    from kvae.runs import folders

    if len(names) < 2:
        raise click.UsageError("name two models or more, each once.")
    paths = [folders.find(name, models, "saved model") for name in names]
    if len({path.resolve() for path in paths}) < len(paths):
        raise click.UsageError("name two models or more, each once.")
    if len({path.name for path in paths}) < len(paths):
        raise click.UsageError("two of the models have the same name: copy one to another name.")
    files.check_writable(target.parent)

    from kvae import evaluation, figures
    from kvae.runs import saved_models

    loaded = {path.name: saved_models.load(path) for path in paths}
    evaluation.check_comparable(loaded)
    images = folders.dataset_of(paths[0], None, data_dir, output.progress)
    quantities = evaluation.compare_models(loaded, images, seed)
    drawn = {
        quantity.name: list(zip(quantity.values, quantity.errors, strict=True))
        for quantity in quantities
        if quantity.errors
    }
    item = loaded[paths[0].name].config.data.item
    title = f"{len(images.test):,} test {item}s"
    figure = figures.compared(list(loaded), drawn, f"{title}, ± two standard errors", item)
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
    output.quantities(quantities, list(loaded), f"{title} of {images.name}")
    click.echo()
    output.line(f"* best of the line; ± standard error. Figure: {target}")
