"""What the commands share that use a trained model on images of a person's own."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kvae.errors import KvaeError, UsageError
from kvae_cli import options, output

if TYPE_CHECKING:
    import numpy as np

    from kvae.data.sources import Pictures

MOST_PICTURED = 10_000
"""The largest number of images in a picture."""

samples = click.option(
    "--samples",
    type=click.IntRange(1, options.LARGEST),
    help="Samples of z for each image, for the importance-weighted bound on log p(x).",
)


label = click.option(
    "--label",
    help="Name of the label that all images have, for a conditional model.  [default: their own]",
)


def sources(command: Callable[..., Any], required: bool = True) -> Callable[..., Any]:
    """Give a command the arguments and options that say which model and which images it takes.

    Args:
        command: The command.
        required: Whether a model and a source must be named.
    """
    for decorate in (
        options.data_dir,
        options.models,
        label,
        click.option(
            "--resize",
            is_flag=True,
            help="Resize images of another size, and make colours grey for a model of grey images.",
        ),
        click.argument("source", nargs=-1, required=required),
        click.argument("model", required=required),
    ):
        command = decorate(command)
    return command


split = click.option(
    "--split",
    type=click.Choice(("train", "validation", "test")),
    help="Which images of a dataset.  [default: all]",
)


def read(
    model: Path, source: tuple[str, ...], resize: bool, split: str | None, data_dir: Path | None
) -> "Pictures":
    """The images of the sources, in the shape that a saved model is for.

    Args:
        model: Folder of the saved model. If it was trained on resized images, these are resized.
        source: A dataset, a folder, a file of arrays or a table, or image files.
        resize: Whether to resize images of another size.
        split: The split of a dataset; None takes all images.
        data_dir: Folder of TensorFlow Datasets.
    """
    from kvae.config import read_config
    from kvae.data.sources import pictures

    config = read_config(model)
    resize = resize or config.data.image_size is not None
    found = pictures(
        source, config.model.image_shape, resize, split, data_dir, config.data.split_seed,
        output.progress, config.data.columns,
    )  # fmt: skip
    if found.notes:
        click.echo(f"Assumed: {'; '.join(found.notes)}.", err=True)
    return found


def labels(model: Any, found: "Pictures", label: str | None) -> "np.ndarray | None":
    """The numbers of the images' labels, int32 `[count]`, or None if the model needs none.

    Args:
        model: The model.
        found: The images.
        label: The name of the label that all of them have; None takes their own.

    Raises:
        UsageError: The model is not conditional, does not know the label, or the images have none.
        KvaeError: An image has a label that the model does not know.
    """
    import numpy as np

    from kvae.models.base import Conditional, label_numbers

    if label is not None:
        return np.full(len(found), number(model, label), np.int32)
    if not isinstance(model, Conditional):
        return None
    if found.labels is None:
        raise UsageError("the model is conditional, but the images have no labels: give `label`")
    return label_numbers(model, found.labels)


def number(model: Any, label: str) -> int:
    """The number of a label that a person named.

    Args:
        model: The model.
        label: The name of the label.

    Raises:
        UsageError: The model is not conditional, or does not know the label.
    """
    from kvae.models.base import Conditional, label_numbers

    if not isinstance(model, Conditional):
        raise UsageError("`label` is for conditional models, and this model is not one")
    try:
        return int(label_numbers(model, [label])[0])
    except KvaeError as error:
        raise UsageError(str(error)) from error


def counted(count: int, item: str = "image") -> str:
    """A number of images, or of rows, in words.

    Args:
        count: The number.
        item: What an image is called.
    """
    return f"1 {item}" if count == 1 else f"{count:,} {item}s"


def target_of(target: Path | None, model: Path, stem: str, arrays: tuple[str, ...]) -> Path:
    """The file to write: a picture or an array of images, or a table of numbers.

    Args:
        target: What was asked for; None is a picture, or a table if the model is of one.
        model: Folder of the saved model.
        stem: The name of the file that is written if none was asked for.
        arrays: Suffixes of files that hold a table.

    Raises:
        KvaeError: A picture was asked for and the model is of a table, or the reverse.
    """
    from kvae.config import read_config
    from kvae.io import files

    is_table = read_config(model).data.columns is not None
    if target is None:
        target = Path(stem + (arrays[0] if is_table else ".png"))
    suffix = target.suffix.lower()
    if is_table and suffix not in arrays:
        raise KvaeError(
            f"{model.name} is of a table of numbers, and there is no picture of it: give an "
            f"`output` that ends in {' or '.join(arrays)}"
        )
    if suffix == ".csv" and not is_table:
        raise KvaeError(f"{model.name} is of images, which are no table: give another `output`")
    files.check_writable(target.parent)
    return target


def picture_of(target: Path | None, model: Path, default: str, option: str) -> Path | None:
    """The picture to write; None if the model is of a table, of which there is none.

    Args:
        target: What was asked for.
        model: Folder of the saved model.
        default: The file that is written if none was asked for.
        option: The option that names it.

    Raises:
        KvaeError: A picture was asked for and the model is of a table.
    """
    from kvae.config import read_config
    from kvae.io import files

    if read_config(model).data.columns is not None:
        if target is not None:
            raise KvaeError(
                f"{model.name} is of a table of numbers, and there is no picture of it: leave out "
                f"`{option}`"
            )
        return None
    target = target or Path(default)
    files.check_writable(target.parent)
    return target


def refuse_many(count: int, target: Path, advice: str) -> None:
    """Refuse to draw more images than can be looked at.

    Args:
        count: The number of images in the picture.
        target: The file to write.
        advice: What to do instead.

    Raises:
        KvaeError: The file is a picture, and there would be too many images in it.
    """
    if target.suffix.lower() == ".png" and count > MOST_PICTURED:
        raise KvaeError(
            f"{target} would have {count:,} images, and {MOST_PICTURED:,} are the most: {advice}"
        )


def finish(found: "Pictures") -> None:
    """Say which files could not be read, if any, after the others are done.

    Raises:
        KvaeError: Some could not; it has the last message.
    """
    *others, last = found.failures or (None,)
    for message in others:
        click.echo(f"Error: {output.printable(str(message))}", err=True)
    if last is not None:
        raise KvaeError(last)


def refuse_existing(target: Path, overwrite: bool, option: str = "output") -> None:
    """Refuse to replace a file, or to write to a folder that cannot be written.

    Args:
        target: The file to write.
        overwrite: Whether it may be replaced.
        option: The option that names it.

    Raises:
        KvaeError: The file exists, or its folder cannot be written.
    """
    from kvae.io import files

    if target.exists() and not overwrite:
        raise KvaeError(f"{target} exists: give `overwrite`, or another `{option}`")
    files.check_writable(target.parent)
