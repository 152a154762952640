"""kvae interpolate"""

import math
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
    help="File of the picture, or of float32 [pairs, steps, height, width, channels] in [0, 1]; of "
    "a table, float64 [pairs, steps, columns].  [default: interpolation.png, or interpolation.npy "
    "of a table]",
)
@pictures.sources
def interpolate(
    model: str,
    source: tuple[str, ...],
    steps: int,
    method: str,
    target: Path | None,
    resize: bool,
    label: str | None,
    models: Path,
    data_dir: Path | None,
) -> None:
    """Decode what lies between images in MODEL's latent space, from each image to the next.

    MODEL is the name or the path of a saved model. SOURCE is two image files or more, or a folder
    or a .npy file of two images or more, or a table of two rows or more. A conditional model
    decodes with the label of the image that the way starts from.
    """
    from kvae.io import files, machine
    from kvae.runs import folders

    path = folders.find(model, models, "saved model")
    target = pictures.target_of(target, path, "interpolation", (".npy",))
    found = pictures.read(path, source, resize, None, data_dir)
    pictures.refuse_many(len(found) * (steps + 2), target, "name a few images")
    numbers = (len(found) - 1) * steps * math.prod(found.images.shape[1:])
    machine.require_memory(8 * numbers, f"{len(found):,} images", "name a few images")

    import numpy as np

    from kvae import figures, inference
    from kvae.data.tables import write_table
    from kvae.runs import saved_models

    loaded = saved_models.load(path)
    labels = pictures.labels(loaded, found, label)
    between = inference.interpolate(loaded, found.images, steps, method, output.progress, labels)
    columns = loaded.config.data.columns
    if columns is not None:
        rows = columns.rows(between.reshape(-1, *found.images.shape[1:]))
        write_table(rows.reshape(*between.shape[:2], -1), (), target)
    elif target.suffix.lower() == ".npy":
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
