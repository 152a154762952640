"""kvae nearest"""

from pathlib import Path

import click

from kvae_cli import options, output, pictures


@click.command()
@click.option(
    "--count",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    help="Training images for each image.",
)
@click.option(
    "--output",
    "target",
    type=options.OutputFile(".png"),
    help="File of the picture; there is none of a table.  [default: nearest.png]",
)
@pictures.split
@pictures.sources
@options.as_json
def nearest(
    model: str,
    source: tuple[str, ...],
    count: int,
    target: Path | None,
    split: str | None,
    resize: bool,
    label: str | None,
    models: Path,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Find the training images of MODEL that are nearest to those of SOURCE, by their latents.

    MODEL is the name or the path of a saved model. SOURCE is a dataset, a folder, a .npy or .npz
    file, a table of numbers, or image files. The picture has a row for each image: the image, then
    the training images, the nearest first.
    """
    from kvae.runs import folders

    path = folders.find(model, models, "saved model")
    target = pictures.picture_of(target, path, "nearest.png", "output")
    found = pictures.read(path, source, resize, split, data_dir)
    if target:
        pictures.refuse_many(len(found) * (count + 1), target, "name fewer images")
    own = folders.dataset_of(path, None, data_dir, output.progress)
    train = own.train

    import numpy as np

    from kvae import figures, inference
    from kvae.models.base import labels_of
    from kvae.runs import saved_models

    loaded = saved_models.load(path)
    index, distances = inference.nearest(
        loaded, found.images, train.images, count, output.progress,
        pictures.labels(loaded, found, label), labels_of(loaded, own, train),
    )  # fmt: skip
    if target:
        rows = np.concatenate([found.images[:, None], train.images[index]], axis=1)
        flat = rows.reshape(-1, *found.images.shape[1:])
        figures.save_png(figures.tile(flat / np.float32(255), rows.shape[1]), target)
    names = train.files if train.files is not None else np.arange(len(train)).astype(str)
    table = [
        [str(name), rank, str(names[which]), float(distance)]
        for name, indices, far in zip(found.names, index, distances, strict=True)
        for rank, (which, distance) in enumerate(zip(indices, far, strict=True), start=1)
    ]
    keys = found.item, "rank", f"training {found.item}", "distance"
    if as_json:
        output.as_json([dict(zip(keys, row, strict=True)) for row in table])
    else:
        where = f" in {target}" if target else ""
        many = pictures.counted(len(found), found.item)
        output.line(f"{many} with the nearest training {found.item}s{where}")
        lines = [list(keys)]
        output.table(
            lines + [[image, str(rank), own, f"{far:.3f}"] for image, rank, own, far in table]
        )
    pictures.finish(found)
