"""kvae score"""

from pathlib import Path

import click

from kvae_cli import options, output, pictures


@click.command()
@click.option(
    "--top",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="How many of the least usual images are shown.",
)
@click.option(
    "--output",
    "target",
    type=options.OutputFile(".csv", ".npz", ".parquet"),
    help="File for a table of all images.",
)
@click.option(
    "--picture",
    type=options.OutputFile(".png"),
    help="File of the picture; there is none of a table.  [default: unusual.png]",
)
@pictures.samples
@pictures.split
@pictures.sources
@options.seed
@options.overwrite
@options.as_json
def score(
    model: str,
    source: tuple[str, ...],
    top: int,
    target: Path | None,
    picture: Path | None,
    samples: int | None,
    split: str | None,
    resize: bool,
    label: str | None,
    models: Path,
    data_dir: Path | None,
    seed: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Say how usual each image of SOURCE is to MODEL: its bound on log p(x), in nats.

    A conditional model bounds log p(x|y), where y is the image's label.

    MODEL is the name or the path of a saved model. SOURCE is a dataset, a folder, a .npy or .npz
    file, a table of numbers, or image files. The percentile is the percentage of MODEL's own
    validation images that have a lower bound. The picture has the least usual images, with their
    reconstructions below if MODEL reconstructs.
    """
    from kvae.runs import folders

    path = folders.find(model, models, "saved model")
    if target:
        pictures.refuse_existing(target, overwrite)
    picture = pictures.picture_of(picture, path, "unusual.png", "picture")
    found = pictures.read(path, source, resize, split, data_dir)
    own = folders.dataset_of(path, None, data_dir, output.progress)

    from kvae import figures, inference
    from kvae.models.base import Reconstructs, labels_of
    from kvae.runs import saved_models

    loaded = saved_models.load(path)
    labels = pictures.labels(loaded, found, label)
    scores = inference.score(
        loaded, found.images, own.validation.images, samples, seed, output.progress,
        labels, labels_of(loaded, own, own.validation),
    )  # fmt: skip
    table = {found.item: found.names}
    if found.labels is not None:
        table["label"] = found.labels
    table |= {"bound": scores.bounds, "percentile": scores.percentiles}
    if target:
        inference.write_table(table, target)
    least = scores.order[:top]
    if picture and len(least):
        some = found.images[least]
        of_some = None if labels is None else labels[least]
        seen = loaded.inputs(some, seed).numpy()
        if isinstance(loaded, Reconstructs):
            drawn = figures.pairs(seen, inference.reconstruct(loaded, some, labels=of_some))
        else:
            drawn = figures.tile(seen)
        figures.save_png(drawn, picture)
    rows = [{name: values[index].item() for name, values in table.items()} for index in least]
    if as_json:
        output.as_json({"model": path.name, f"{found.item}s": len(found), "least usual": rows})
    else:
        where = f"; the least usual in {picture}" if picture and len(least) else ""
        output.line(f"{pictures.counted(len(found), found.item)} scored by {path.name}{where}")
        lines = [list(table)] + [
            [f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row.values()]
            for row in rows
        ]
        output.table(lines if rows else [])
    pictures.finish(found)
