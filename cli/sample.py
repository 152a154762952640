"""kvae sample"""

from pathlib import Path

import click

from kvae_cli import options


@click.command()
@click.argument("model", required=False)
@click.option("--count", type=click.IntRange(min=1), default=64, show_default=True)
@options.seed
@click.option(
    "--output",
    "target",
    type=options.OutputFile(".png", ".npy"),
    default="samples.png",
    show_default=True,
    help="A grid (.png), or float32 [count, height, width, channels] in [0, 1] (.npy).",
)
@options.models
def sample(model: str | None, count: int, seed: int, target: Path, models: Path) -> None:
    """Draw images from MODEL: means of p(x|z) for z from the prior.

    MODEL is the name or the path of a saved model, by default the newest.
    """
    from kvae import files, runs

    path = runs.find(model, models, "saved model")
    files.check_writable(target.parent)

    import numpy as np

    from kvae import export, figures

    images = export.load(path).sample(count, seed).numpy()
    if target.suffix.lower() == ".npy":
        with files.whole_file(target) as scratch:
            np.save(scratch, images)
    else:
        figures.save_png(figures.tile(images), target)
    click.echo(f"{count} samples of {path.name} in {target}")
