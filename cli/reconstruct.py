"""kvae reconstruct"""

from pathlib import Path

import click

from kvae_cli import options, output


@click.command()
@click.argument("model", required=False)
@click.option("--dataset", help="Images to reconstruct.  [default: the model's own]")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Number of images.",
)
@click.option(
    "--output",
    "target",
    type=options.OutputFile(".png"),
    default="reconstructions.png",
    show_default=True,
    help="File of the picture.",
)
@options.models
@options.data_dir
def reconstruct(
    model: str | None,
    dataset: str | None,
    count: int,
    target: Path,
    models: Path,
    data_dir: Path | None,
) -> None:
    """Reconstruct test images: the picture has each image above its reconstruction.

    MODEL is the name or the path of a saved model, by default the newest.
    """
    from kvae.io import files
    from kvae.runs import folders

    path = folders.find(model, models, "saved model")
    files.check_writable(target.parent)
    images = folders.dataset_of(path, dataset, data_dir, output.progress)
    from kvae import figures
    from kvae.runs import saved_models

    loaded = saved_models.load(path)
    inputs = loaded.inputs(images.test.spread(count).images).numpy()
    figures.save_png(figures.pairs(inputs, loaded.reconstruct(inputs).numpy()), target)
    output.line(f"{len(inputs)} test images of {images.name} through {path.name} in {target}")
