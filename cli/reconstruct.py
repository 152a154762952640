"""kvae reconstruct"""

from pathlib import Path

import click

from kvae.errors import KvaeError
from kvae_cli import options, output


@click.command()
@click.argument("model", required=False)
@click.option("--dataset", help="Images to reconstruct.  [default: the model's own]")
@click.option("--count", type=click.IntRange(min=1), default=10, show_default=True)
@click.option(
    "--output",
    "target",
    type=options.OutputFile(".png"),
    default="reconstructions.png",
    show_default=True,
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
    """Encode and decode test images: inputs above, reconstructions below.

    MODEL is the name or the path of a saved model, by default the newest.
    """
    from kvae import data, files, runs
    from kvae.config import read_config

    path = runs.find(model, models, "saved model")
    files.check_writable(target.parent)
    config = read_config(path)
    images = data.load(
        dataset or config.data.dataset,
        data_dir,
        config.data.split_seed,
        config.data.image_size,
        output.progress,
    )
    if images.image_shape != config.model.image_shape:
        shapes = [" x ".join(map(str, s)) for s in (config.model.image_shape, images.image_shape)]
        raise KvaeError(
            f"{path.name} is for images of {shapes[0]}, but {images.name} has {shapes[1]}"
        )
    from kvae import export, figures

    loaded = export.load(path)
    inputs = runs.inputs(loaded, images.test.spread(count).images)
    figures.save_png(figures.pairs(inputs, loaded.reconstruct(inputs).numpy()), target)
    click.echo(f"{len(inputs)} test images of {images.name} through {path.name} in {target}")
