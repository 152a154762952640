"""kvae interpolate"""

from pathlib import Path

import click

from kvae_cli import options, output, pictures


@click.command()
@click.option(
    "--steps",
    type=click.IntRange(2, 1000),
    default=10,
    show_default=True,
    help="Decoded images from one image to the next.",
)
@click.option(
    "--method",
    type=click.Choice(("linear", "spherical")),
    default="linear",
    show_default=True,
    help="The way through the latents: a straight line, or an arc around the origin.",
)
@click.option(
    "--output",
    "target",
    type=options.OutputFile(".png", ".npy"),
    default="interpolation.png",
    show_default=True,
    help="File of the picture, or of float32 [pairs, steps, height, width, channels] in [0, 1].",
)
@pictures.sources
def interpolate(
    model: str,
    source: tuple[str, ...],
    steps: int,
    method: str,
    target: Path,
    resize: bool,
    label: str | None,
    models: Path,
    data_dir: Path | None,
) -> None:
    """Decode what lies between images in MODEL's latent space, from each image to the next.

    MODEL is the name or the path of a saved model. SOURCE is two image files or more, or a folder
    or a .npy file of two images or more. A conditional model decodes with the label of the image
    that the way starts from.
    """
    from kvae.io import files
    from kvae.runs import folders

    path = folders.find(model, models, "saved model")
    files.check_writable(target.parent)
    found = pictures.read(path, source, resize, None, data_dir)

    import numpy as np

    from kvae import figures, inference
    from kvae.runs import saved_models

    loaded = saved_models.load(path)
    labels = pictures.labels(loaded, found, label)
    between = inference.interpolate(loaded, found.images, steps, method, output.progress, labels)
    if target.suffix.lower() == ".npy":
        with files.atomic_file(target) as scratch:
            np.save(scratch, between)
    else:
        seen = loaded.inputs(found.images).numpy()
        rows = np.concatenate([seen[:-1, None], between, seen[1:, None]], axis=1)
        grid = figures.tile(rows.reshape(-1, *seen.shape[1:]), steps + 2)
        figures.save_png(grid, target)
    ways = "1 way" if len(between) == 1 else f"{len(between):,} ways"
    output.line(f"{ways} of {steps} steps through the latents of {path.name} in {target}")
    pictures.finish(found)
