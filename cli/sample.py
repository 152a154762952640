"""kvae sample"""

from pathlib import Path

import click

from kvae_cli import options, output, pictures

TILE = 56
"""The approximate height and width, in pixels, to which each sample is enlarged in a picture."""


@click.command()
@click.argument("model", required=False)
@click.option(
    "--count",
    type=click.IntRange(1, options.LARGEST),
    default=64,
    show_default=True,
    help="Number of samples.",
)
@click.option(
    "--label",
    help="Name of the label of all samples of a conditional model.  [default: random labels, as "
    "often as training images have them]",
)
@options.seed
@click.option(
    "--output",
    "target",
    type=options.OutputFile(".png", ".npy", ".csv"),
    help="File of the samples: a grid (.png), or float32 [count, height, width, channels] in "
    "[0, 1] (.npy); of a table, .csv or .npy.  [default: samples.png, or samples.csv of a table]",
)
@options.models
def sample(
    model: str | None,
    count: int,
    label: str | None,
    seed: int,
    target: Path | None,
    models: Path,
) -> None:
    """Make new images with MODEL: the means of p(x|z) for samples of z from the prior.

    MODEL is the name or the path of a saved model, by default the newest. Of a model of a table,
    new rows are samples of p(x), in the units of its columns.
    """
    from kvae.config import read_config
    from kvae.io import files, machine
    from kvae.runs import folders

    path = folders.find(model, models, "saved model")
    height, width, channels = read_config(path).model.image_shape
    numbers = 4 * height * width * channels
    enlarged = channels * max(height * width, TILE**2)
    machine.require_memory(
        count * (4 * numbers + 2 * enlarged), f"{count:,} samples", "choose a smaller --count"
    )
    target = pictures.target_of(target, path, "samples", (".csv", ".npy"))

    import numpy as np

    from kvae import figures
    from kvae.data.tables import write_table
    from kvae.inference import sampled_rows
    from kvae.models.chunks import sampled
    from kvae.runs import saved_models

    loaded = saved_models.load(path)
    if label is not None:
        number = pictures.number(loaded, label)
        loaded = loaded.given(number)
    columns = loaded.config.data.columns
    if columns is not None:
        write_table(sampled_rows(loaded, count, seed), columns.names, target)
        output.line(f"{pictures.counted(count, 'sample')} of {path.name} in {target}")
        return
    images = sampled(loaded, count, seed)
    if target.suffix.lower() == ".npy":
        with files.atomic_file(target) as scratch:
            np.save(scratch, images)
    else:
        figures.save_png(figures.tile(images), target)
    of_label = "" if label is None else f", label {label},"
    output.line(f"{count} samples of {path.name}{of_label} in {target}")
