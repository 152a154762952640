"""kvae reconstruct"""

from functools import partial
from pathlib import Path

import click

from kvae_cli import options, output, pictures

OWN = 10
"""How many of the model's own test images are reconstructed if no others are given."""


@click.command()
@click.option(
    "--count",
    type=click.IntRange(min=1),
    help=f"So many images, at even distances.  [default: all; of the model's own, {OWN}]",
)
@click.option(
    "--output",
    "target",
    type=options.OutputFile(".png", ".npy", ".csv"),
    help="File of the picture, or of float32 [count, height, width, channels] in [0, 1]; of a "
    "table, .csv or .npy.  [default: reconstructions.png, or reconstructions.csv of a table]",
)
@pictures.split
@partial(pictures.sources, required=False)
def reconstruct(
    model: str | None,
    source: tuple[str, ...],
    count: int | None,
    target: Path | None,
    split: str | None,
    resize: bool,
    label: str | None,
    models: Path,
    data_dir: Path | None,
) -> None:
    """Reconstruct the images of SOURCE: the picture has each image above its reconstruction.

    MODEL is the name or the path of a saved model, by default the newest. SOURCE is a dataset, a
    folder, a .npy or .npz file, a table of numbers, or image files; by default MODEL's own test
    images. Reconstructed rows of a table are in the units of its columns.
    """
    from kvae.config import read_config
    from kvae.io import files
    from kvae.runs import folders

    path = folders.find(model, models, "saved model")
    target = pictures.target_of(target, path, "reconstructions", (".csv", ".npy"))
    if not source:
        source, split, count = (read_config(path).data.dataset,), split or "test", count or OWN
    found = pictures.read(path, source, resize, split, data_dir)

    import numpy as np

    from kvae import figures, inference
    from kvae.data.dataset import spread
    from kvae.data.tables import write_table
    from kvae.runs import saved_models

    loaded = saved_models.load(path)
    labels = pictures.labels(loaded, found, label)
    which = spread(len(found), count or len(found))
    images = found.images[which]
    pictures.refuse_many(2 * len(images), target, "choose a smaller `count`, or a .npy `output`")
    reconstructions = inference.reconstruct(
        loaded, images, output.progress, None if labels is None else labels[which]
    )
    columns = loaded.config.data.columns
    if columns is not None:
        write_table(columns.rows(reconstructions), columns.names, target)
    elif target.suffix.lower() == ".npy":
        with files.atomic_file(target) as scratch:
            np.save(scratch, reconstructions)
    else:
        figures.save_png(figures.pairs(loaded.inputs(images).numpy(), reconstructions), target)
    output.line(f"{pictures.counted(len(images), found.item)} through {path.name} in {target}")
    pictures.finish(found)
