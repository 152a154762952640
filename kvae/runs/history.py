"""`history.csv`: one row for each epoch, with the columns that the run's plan reports."""

import contextlib
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kvae.errors import KvaeError
from kvae.io.files import atomic_file
from kvae.io.reading import read_text
from kvae.metrics import Row

HISTORY = "history.csv"
FIRST = "epoch,seconds,"
TEXTS = ("objective",)
"""The columns that hold texts. All others hold numbers."""


@contextlib.contextmanager
def history_file(path: Path, past: list[Row]) -> Iterator[Callable[[Row], None]]:
    """Write the rows of past epochs, and keep the file open so that rows can be appended.

    Args:
        path: The file, which is replaced.
        past: The rows of the epochs that are done.

    Yields:
        A function that appends a row. The first row decides the columns.
    """
    with atomic_file(path) as scratch:
        lines = [_head(past[0]), *map(_line, past)] if past else []
        scratch.write_text("".join(lines), encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        empty = not past

        def append(row: Row) -> None:
            nonlocal empty
            if empty:
                file.write(_head(row))
                empty = False
            file.write(_line(row))
            file.flush()

        yield append


def _head(row: Row) -> str:
    return ",".join(row) + "\n"


def _line(row: Row) -> str:
    # Floats have all their digits, so that they are equal when they are read again.
    return ",".join(map(str, row.values())) + "\n"


def read_history(folder: Path) -> dict[str, list[Any]]:
    """The columns of a run's `history.csv` by name, as numbers or texts.

    There are none before the first epoch has ended.

    Args:
        folder: The run's folder.

    Raises:
        KvaeError: The file is missing or damaged.
    """
    path = folder / HISTORY
    try:
        # If a process was killed while it wrote a line, the line has no end and is left out.
        complete, _, unfinished = read_text(path).rpartition("\n")
        head, *rows = [*csv.reader(complete.splitlines())] or [[]]
        begun = complete or unfinished
        if begun[: len(FIRST)] != FIRST[: len(begun)] or len(set(head)) < len(head):
            raise ValueError("its columns do not begin with epoch and seconds, each once")
        if not rows:
            return {}
        columns: dict[str, list[Any]] = {name: [] for name in head}
        for number, row in enumerate(rows, 1):
            for name, cell in zip(head, row, strict=True):
                columns[name].append(cell if name in TEXTS else float(cell))
            if columns["epoch"][-1] != number:
                raise ValueError(f"row {number} is not of epoch {number}")
    except (ValueError, IndexError, csv.Error) as error:
        raise KvaeError(f"{path} is damaged: {error}") from error
    return columns
