"""kvae data"""

from pathlib import Path

import click

from kvae_cli import options, output

OTHERS = {
    "tfds:NAME": "any image dataset of TensorFlow Datasets, such as tfds:fashion_mnist",
    "FOLDER": "a folder of images; sub-folders are labels",
    "FILE": ".npy, or .npz with one array or with x_train, y_train, x_test, y_test",
}


@click.group()
def data() -> None:
    """List and prepare datasets."""


@data.command(name="list")
@options.data_dir
@options.as_json
def list_datasets(data_dir: Path | None, as_json: bool) -> None:
    """List the built-in datasets and the other sources of images."""
    from kvae.data.catalog import catalog

    entries = catalog(data_dir)
    if as_json:
        output.as_json(entries)
        return
    for entry in entries:
        state = "ready" if entry["ready"] else "kvae data prepare " + entry["name"]
        click.echo(f"{entry['name']:12} {entry['description']}  [{state}]")
    for source, description in OTHERS.items():
        click.echo(f"{source:12} {description}")


@data.command()
@click.argument("name")
@options.data_dir
@options.as_json
def prepare(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Download and decode a dataset, so that training can begin at once."""
    from kvae import data as datasets

    loaded = datasets.load(name, data_dir, progress=output.progress)
    height, width, channels = loaded.image_shape
    counts = {part: len(loaded.split(part)) for part in ("train", "validation", "test")}
    if as_json:
        output.as_json(
            {
                "name": loaded.name,
                "description": loaded.description,
                "kind": loaded.kind,
                "image_shape": loaded.image_shape,
                "labels": loaded.label_names,
                "images": counts,
            }
        )
        return
    output.line(f"{loaded.name}: {loaded.description}")
    rows = [(part, f"{count:,}") for part, count in counts.items()]
    output.table([*rows, ("pixels", f"{height} x {width} x {channels}, {loaded.kind}")], "  ")
