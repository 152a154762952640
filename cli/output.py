"""What commands show: results on standard output, messages and progress on standard error."""

import contextlib
import logging
import os
import re
import stat
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kvae.data import Dataset
    from kvae.evaluation import Quantity


def printable(text: str) -> str:
    """A text on one line that cannot move the cursor, change colours, or fail to be encoded.

    Names come from files and folders, and may hold anything.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def spoken(text: str) -> str:
    """A message of the library as the command line says it.

    The library marks the fields of a configuration by backticks, which stand for options here:
    `batch_size` is --batch-size, and `prior=mixture` is --prior mixture.
    """
    return re.sub(r"`([a-z][a-z0-9_]*)(?:=([^`]*))?`", _option, text)


def _option(field: "re.Match[str]") -> str:
    name = f"--{field[1].replace('_', '-')}"
    return name if field[2] is None else f"{name} {field[2]}"


def show_messages() -> None:
    """Show on standard error what the library logs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(message)s"))
    logger = logging.getLogger("kvae")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    # Some libraries make the root logger write, too.
    logger.propagate = False


class OneLine(logging.Formatter):
    """Formats a message of the library as one line that names options."""

    def format(self, record: logging.LogRecord) -> str:
        return spoken(printable(super().format(record)))


def leave_terminals() -> None:
    """Have what is written to terminals that have gone away go nowhere.

    What is still in buffers would fail to be written when Python ends, and decide the exit code.
    """
    for descriptor in 1, 2:
        # One that was closed from the beginning is none.
        with contextlib.suppress(OSError):
            # One that is gone is a device still, but says that it is no terminal.
            if stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)


def notes(images: "Dataset") -> list[str]:
    """At most two lines: what was assumed when images were read, and what is remarkable."""
    lines = ("Assumed", images.notes), ("Note", images.remarks)
    return [spoken(f"{word}: {'; '.join(found)}.") for word, found in lines if found]


def line(text: str) -> None:
    """Print a line with names in it."""
    click.echo(printable(text))


def table(rows: Sequence[Sequence[str]], indent: str = "", left: int = 0) -> None:
    """Print rows in columns: the first and the last `left` to the left, the others to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if index == 0 or index >= len(row) - left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo((indent + "  ".join(cells)).rstrip())


def quantities(found: "Sequence[Quantity]", models: Sequence[str], title: str) -> None:
    """Print a comparison of models, the best value of each line with a star."""
    lines = [[title, *models, ""]]
    lines += [[q.name, *(_cell(q, i) for i in range(len(models))), q.unit] for q in found]
    table(lines, left=1)


def _cell(quantity: "Quantity", index: int) -> str:
    value = quantity.values[index]
    digits = 2 if quantity.unit == "nats" else 0 if quantity.name == "active units" else 4
    text = f"{value:.{digits}f}"
    if quantity.errors:
        text += f" ± {quantity.errors[index]:.{digits}f}"
    return f"{text} *" if quantity.best == index else f"{text}  "


def as_json(value: Any) -> None:
    """Print a value as JSON."""
    from kvae.io.files import to_json

    click.echo(to_json(value))


def bar(items: Iterable[Any] | None, total: int, description: str, unit: str) -> Any:
    """A progress bar on standard error; none where that is no terminal."""
    from tqdm import tqdm

    description = printable(description)
    return tqdm(items, desc=description, total=total, unit=unit, disable=None, leave=False)


def progress(items: Iterable[Any], total: int, description: str) -> Iterable[Any]:
    """A `kvae.progress.Progress` that shows a bar over images."""
    return bar(items, total, description, "image")


def steps(items: Iterable[Any], total: int, description: str) -> Iterable[Any]:
    """A `kvae.progress.Progress` that shows a bar over steps."""
    return bar(items, total, description, "step")
