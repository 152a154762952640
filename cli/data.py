"""kvae data"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kvae.errors import KvaeError
from kvae_cli import options, output

if TYPE_CHECKING:
    from kvae.data import Dataset

PARTS = ("train", "validation", "test")
OTHERS = {
    "tfds:NAME": "any image dataset of TensorFlow Datasets, such as tfds:fashion_mnist",
    "FOLDER": "a folder of images; sub-folders are splits or labels",
    "FILE": ".npy, or .npz with one array or with x_train, y_train, x_test, y_test",
    "TABLE": "numbers in a .csv file, or in a .npy file of floats with two axes",
}
MOST_LABELS = 20
"""The largest number of labels that are listed."""
MOST_COLUMNS = 50
"""The largest number of columns of a table that are listed."""
SHEET = Path("images.png")


@click.group()
def data() -> None:
    """List, prepare and look at datasets."""


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
    if as_json:
        output.as_json(_summary(loaded))
        return
    _print(loaded)


@data.command()
@click.argument("dataset")
@click.option(
    "--image-size", type=options.ImageSize(), help="Resize images of your own or of tfds:NAME."
)
@click.option(
    "--output",
    "target",
    type=options.OutputFile(".png"),
    help="File of the sheet of images; there is none of a table.  [default: images.png]",
)
@options.data_dir
@options.as_json
def show(
    dataset: str,
    image_size: tuple[int, int] | None,
    target: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Show how DATASET is read, before anything is trained on it.

    DATASET is what `kvae train --dataset` takes. Prints the splits, the sizes, the labels, what was
    assumed, and what is remarkable; and writes a sheet of images from each split. Of a table it
    prints the columns.
    """
    from kvae import data as datasets
    from kvae.io import files

    files.check_writable((target or SHEET).parent)
    loaded = datasets.load(dataset, data_dir, image_size=image_size, progress=output.progress)
    if loaded.columns is not None:
        if target is not None:
            raise KvaeError(f"{loaded.name} is a table: there is no sheet of it for `output`")
        _show_table(loaded, as_json)
        return
    target = target or SHEET
    from kvae import figures

    splits = {f"{part} ({len(loaded.split(part)):,})": loaded.split(part) for part in PARTS}
    figures.save_png(figures.sheet({text: split.images for text, split in splits.items()}), target)
    found = datasets.look(loaded)
    if as_json:
        output.as_json(
            _summary(loaded)
            | {
                "label_counts": _label_counts(loaded),
                "lowest": found.lowest,
                "highest": found.highest,
                "repeated": found.repeated,
                "leaked": found.leaked,
                "notes": loaded.notes,
                "remarks": loaded.remarks,
                "sheet": str(target),
            }
        )
        return
    _print(loaded, f", from {found.lowest} to {found.highest}")
    labels = _label_counts(loaded)
    rows = [[name, *(f"{counts[part]:,}" for part in PARTS)] for name, counts in labels.items()]
    if rows:
        output.table([["label", *PARTS], *rows[:MOST_LABELS]], "  ")
    if len(rows) > MOST_LABELS:
        output.line(f"  and {len(rows) - MOST_LABELS:,} more labels")
    for line in output.notes(loaded):
        output.line(line)
    output.line(f"Sheet of images in {target}")


def _show_table(loaded: "Dataset", as_json: bool) -> None:
    """Print what was read of a table."""
    import numpy as np

    columns = loaded.columns
    assert columns is not None
    rows = np.concatenate([columns.rows(loaded.split(part).images) for part in PARTS])
    lowest, highest = rows.min(axis=0).tolist(), rows.max(axis=0).tolist()
    names = columns.names or tuple(map(str, range(len(columns))))
    each = zip(names, columns.means, columns.stddevs, lowest, highest, strict=True)
    keys = "column", "mean", "stddev", "lowest", "highest"
    found = [dict(zip(keys, of_one, strict=True)) for of_one in each]
    if as_json:
        output.as_json(
            _summary(loaded) | {"columns": found, "notes": loaded.notes, "remarks": loaded.remarks}
        )
        return
    _print(loaded)
    shown = [[text if isinstance(text, str) else f"{text:.5g}" for text in one.values()]
             for one in found]  # fmt: skip
    output.table([list(keys), *shown[:MOST_COLUMNS]], "  ")
    if len(found) > MOST_COLUMNS:
        output.line(f"  and {len(found) - MOST_COLUMNS:,} more columns")
    for line in output.notes(loaded):
        output.line(line)


def _summary(loaded: "Dataset") -> dict[str, Any]:
    return {
        "name": loaded.name,
        "description": loaded.description,
        "kind": loaded.kind,
        "image_shape": loaded.image_shape,
        "labels": loaded.label_names,
        "rows" if loaded.train.numbers else "images": {
            part: len(loaded.split(part)) for part in PARTS
        },
    }


def _print(loaded: "Dataset", values: str = "") -> None:
    height, width, channels = loaded.image_shape
    output.line(f"{loaded.name}: {loaded.description}")
    rows = [(part, f"{len(loaded.split(part)):,}") for part in PARTS]
    if loaded.columns is not None:
        output.table([*rows, ("columns", f"{len(loaded.columns):,}")], "  ")
        return
    pixels = f"{height} x {width} x {channels}, {loaded.kind}{values}"
    output.table([*rows, ("pixels", pixels)], "  ")


def _label_counts(loaded: "Dataset") -> dict[str, dict[str, int]]:
    """How many images of each split have a label, by the name of the label."""
    import numpy as np

    columns = {part: loaded.split(part).labels for part in PARTS}
    if any(labels is None for labels in columns.values()):
        return {}
    numbers = np.unique(np.concatenate(list(columns.values())))
    names = dict(enumerate(loaded.label_names))
    return {
        names.get(int(number), str(number)): {
            part: int((labels == number).sum()) for part, labels in columns.items()
        }
        for number in numbers
    }
