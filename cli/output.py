"""What subcommands show: tables and JSON on standard output, progress on standard error."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click


def table(rows: Sequence[Sequence[str]], indent: str = "") -> None:
    """Print rows in columns: the first to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *rest = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        cells = [cell.rstrip().rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        click.echo((indent + "  ".join([first, *cells])).rstrip())


def as_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2))


def bar(items: Iterable[Any] | None, total: int, description: str, unit: str) -> Any:
    """A progress bar on standard error; none where that is no terminal."""
    from tqdm import tqdm

    return tqdm(items, desc=description, total=total, unit=unit, disable=None, leave=False)


def progress(items: Iterable[Any], total: int, description: str) -> Iterable[Any]:
    """A `kvae.data.Progress` that shows a bar over images."""
    return bar(items, total, description, "image")
