"""kvae encode"""

from pathlib import Path

import click

from kvae.errors import UsageError
from kvae_cli import options, output, pictures


@click.command()
@click.option(
    "--output",
    "target",
    type=options.OutputFile(".csv", ".npz", ".parquet"),
    default="latents.csv",
    show_default=True,
    help="File of the table. A .parquet file needs pyarrow.",
)
@pictures.samples
@pictures.split
@pictures.sources
@options.seed
@options.overwrite
def encode(
    model: str,
    source: tuple[str, ...],
    target: Path,
    samples: int | None,
    split: str | None,
    resize: bool,
    label: str | None,
    models: Path,
    data_dir: Path | None,
    seed: int,
    overwrite: bool,
) -> None:
    """Write what MODEL says of each image of SOURCE to a table: bound, latents.

    MODEL is the name or the path of a saved model. SOURCE is a dataset, a folder, a .npy or .npz
    file, a table of numbers, or image files. A row has the image's file, its label if there is one,
    its ELBO with its parts in nats, and the means and the standard deviations of its latents.
    """
    from kvae.runs import folders

    path = folders.find(model, models, "saved model")
    pictures.refuse_existing(target, overwrite)
    found = pictures.read(path, source, resize, split, data_dir)

    from kvae import inference
    from kvae.models.base import Bounds, Embeds
    from kvae.runs import saved_models

    loaded = saved_models.load(path)
    if not isinstance(loaded, Embeds):
        advice = ": `kvae score` scores them" if isinstance(loaded, Bounds) else ""
        raise UsageError(f"this model has no latents to encode images by{advice}")
    labels = pictures.labels(loaded, found, label)
    encoded = inference.encode(loaded, found.images, samples, seed, output.progress, labels)
    shape = encoded.arrays if target.suffix.lower() == ".npz" else encoded.columns
    columns = {found.item: found.names} | shape(found.names, found.labels)
    if found.item != "image":
        del columns["image"]
    inference.write_table(columns, target)
    output.line(f"{pictures.counted(len(found), found.item)} through {path.name} in {target}")
    pictures.finish(found)
