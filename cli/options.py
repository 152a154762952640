"""Options and values that several subcommands share."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kvae.runs.folders import MODELS, RUNS


class Folder(click.Path):
    """A folder, which may have to be made."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the name of the folder is empty: leave the option, or name one.", param)
        return super().convert(value, param, ctx)


FOLDER = Folder()
LARGEST = 10**9
"""Of numbers that stand for a count: TensorFlow counts with 32 bits."""
MOST_JOBS = 1000

runs = click.option(
    "--runs", type=FOLDER, default=RUNS, show_default=True, help="Folder of the runs."
)
models = click.option(
    "--models", type=FOLDER, default=MODELS, show_default=True, help="Folder of the saved models."
)
data_dir = click.option(
    "--data-dir",
    type=FOLDER,
    envvar="TFDS_DATA_DIR",
    help="Where TFDS keeps its datasets  [default: $TFDS_DATA_DIR or ~/tensorflow_datasets]",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
overwrite = click.option("--overwrite", is_flag=True, help="Replace what has the same name.")
importance_samples = click.option(
    "--importance-samples",
    type=click.IntRange(1, LARGEST),
    default=500,
    show_default=True,
    help="Draws of z an image for the importance-weighted bound on log p(x).",
)
seed = click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Random seed."
)


def jobs(default: int) -> Callable[[Any], Any]:
    """How many runs are trained at the same time."""
    return click.option(
        "--jobs",
        type=click.IntRange(1, MOST_JOBS),
        default=default,
        show_default=True,
        help="Runs that are trained at the same time.",
    )


class IntegerList(click.ParamType):
    """Whole numbers of 1 or more, separated by commas."""

    name = "N,N,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        # Longer numbers are nobody's, and take Python's conversion ever longer.
        if not re.fullmatch(r"[1-9]\d{0,17}(,[1-9]\d{0,17})*", value):
            self.fail(f"{value!r:.80} is not whole numbers of 1 or more with commas between.")
        return tuple(map(int, value.split(",")))


class ImageSize(click.ParamType):
    """Height and width as HEIGHTxWIDTH."""

    name = "HEIGHTxWIDTH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", value)
        if not match:
            self.fail(f"{value!r} is not HEIGHTxWIDTH in pixels, such as 28x20.", param)
        return int(match[1]), int(match[2])


class OutputFile(click.ParamType):
    """A file to be written, known by its suffix, in a folder that is there."""

    name = "FILE"

    def __init__(self, *suffixes: str) -> None:
        self.suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.suffix.lower() not in self.suffixes:
            self.fail(f"{value!r} must end in {' or '.join(self.suffixes)}.", param)
        if path.is_dir():
            self.fail(f"{value!r} is a folder.", param)
        return path
