"""Tables of numbers in `.csv` and `.npy` files."""

import csv
import io
import math
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from kvae.data.columns import Columns
from kvae.data.dataset import Dataset, Read, Split, fingerprints, partition
from kvae.data.request import Request, absolute, expanded, refuse_resizing
from kvae.errors import KvaeError, UsageError
from kvae.io import machine
from kvae.io.files import atomic_file
from kvae.io.reading import array_header, open_regular, read_arrays

SHOWN = 40
"""How many letters of a cell an error message shows."""


class Table(NamedTuple):
    """A table as it was read.

    Attributes:
        names: The name of each column; empty if they have none.
        rows: Finite numbers, float32 or float64 `[rows, columns]`.
    """

    names: tuple[str, ...]
    rows: np.ndarray


def is_table(path: Path) -> bool:
    """Whether a file is a table: a `.csv` file, or a `.npy` file of floats with two axes.

    Args:
        path: The file, which need not exist.
    """
    if path.suffix.lower() == ".csv":
        return True
    if path.suffix.lower() != ".npy" or not path.is_file():
        return False
    header = array_header(path)
    return header is not None and len(header.shape) == 2 and header.dtype.kind == "f"


def load(request: Request) -> Dataset:
    """Load a table, whose rows are split 80 : 10 : 10 at random. Equal rows are in the same split.

    Args:
        request: Its `name` is the path of a file for which `is_table` holds, its `seed` decides the
            split, and its `columns` say how rows are standardised; without them the training rows
            do.

    Raises:
        KvaeError: The file is missing, damaged or no table, has fewer than 10 rows, or has other
            columns than `columns`.
    """
    refuse_resizing(request)
    path = absolute(request.name)
    table = read_table(path, request.columns)
    same = np.unique(fingerprints(table.rows), return_inverse=True)[1]
    parts = partition(len(table.rows), request.seed, str(path), None, same, "rows")
    columns = request.columns or _measured(table, parts[0], path)
    train, validation, test = (
        Split(columns.images(table.rows[part]), numbers=True) for part in parts
    )
    return Dataset(
        str(path), train, validation, test, f"rows of {path.name}",
        split_seed=request.seed, columns=columns,
    )  # fmt: skip


def read(request: Request, columns: Columns) -> Read:
    """Read all rows of a table for a trained model, in the order of the file.

    Args:
        request: Its `name` is the path of a file for which `is_table` holds.
        columns: The columns of the model.

    Raises:
        KvaeError: The file is missing, damaged or no table, has no rows, or has other columns.
    """
    path = absolute(request.name)
    table = read_table(path, columns)
    rows = Split(columns.images(table.rows), numbers=True)
    return Read({"": rows}, f"rows of {path.name}", (), ())


def read_table(path: Path, columns: Columns | None = None) -> Table:
    """Read a table.

    Args:
        path: A `.csv` file, with commas between the columns and perhaps with a line of names, or a
            `.npy` file of floats `[rows, columns]`.
        columns: The columns that it must have; None takes any.

    Raises:
        KvaeError: The file is missing, damaged, no table of finite numbers, or has other columns.
    """
    table = _read_csv(path) if path.suffix.lower() == ".csv" else _read_npy(path)
    if not table.rows.size:
        raise KvaeError(f"{path} has no rows of numbers")
    if columns is not None:
        _require_same(table, columns, path)
    return table


def _measured(table: Table, train: np.ndarray, path: Path) -> Columns:
    try:
        columns = Columns.measured(table.rows[train], table.names)
    except UsageError as error:
        raise KvaeError(f"{path} has numbers whose squares are too large") from error
    if not columns.varying.any():
        raise KvaeError(f"all training rows of {path} are the same: there is nothing to learn")
    return columns


def _require_same(table: Table, columns: Columns, path: Path) -> None:
    count = table.rows.shape[1]
    if count != len(columns):
        raise KvaeError(
            f"{path} has {_counted(count)}, but the model is of a table of {_counted(len(columns))}"
        )
    if table.names and columns.names:
        for number, (own, other) in enumerate(zip(table.names, columns.names, strict=True), 1):
            if own != other:
                raise KvaeError(
                    f"column {number} of {path} is {own!r:.{SHOWN}}, but that of the model's table "
                    f"is {other!r:.{SHOWN}}"
                )


def _counted(count: int) -> str:
    return "1 column" if count == 1 else f"{count:,} columns"


def _read_npy(path: Path) -> Table:
    (rows,) = read_arrays(path).values()
    # NumPy's own floats alone: not those of half precision, which have too few digits to compute.
    rows = rows.astype(np.float32 if rows.dtype.itemsize <= 4 else np.float64)
    wrong = np.argwhere(~np.isfinite(rows))
    if len(wrong):
        row, column = wrong[0]
        raise KvaeError(
            f"{path}: row {row:,}, column {column:,}, from 0, is {rows[row, column]}; numbers must "
            "be finite, so fill in or leave out what is missing"
        )
    return Table((), rows)


def _read_csv(path: Path) -> Table:
    numbers = array("d")
    names: tuple[str, ...] = ()
    width = count = 0
    for line, cells in _lines(path):
        if not width:
            width = len(cells)
            if not any(_is_number(cell) for cell in cells):
                names = _names(cells, path, line)
                continue
        if len(cells) != width:
            raise KvaeError(
                f"{path}: line {line:,} has {_counted(len(cells))}, but the first has "
                f"{_counted(width)}"
            )
        try:
            row = [*map(float, cells)]
        except ValueError:
            row = []
        # Python reads 1_000 as a number, too.
        if not all(map(math.isfinite, row)) or not row or any("_" in cell for cell in cells):
            _refuse(path, line, cells, names)
        numbers.extend(row)
        count += 1
    return Table(names, np.frombuffer(numbers).reshape(count, width))


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV file that are not empty, each with its number, from 1."""
    with open_regular(path) as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        # A digit and a comma become eight bytes.
        machine.require_memory(8 * size, str(path), "take fewer rows")
        try:
            # Spreadsheets begin UTF-8 with a mark.
            reader = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True)
            empty = 0
            for cells in reader:
                if not cells:
                    empty = empty or reader.line_num
                elif empty:
                    raise KvaeError(f"{path}: line {empty:,} is empty, and others follow")
                else:
                    yield reader.line_num, cells
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise KvaeError(f"{path} is not a .csv file in UTF-8: {error}") from error


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _names(cells: Sequence[str], path: Path, line: int) -> tuple[str, ...]:
    names = tuple(cell.strip() for cell in cells)
    for number, name in enumerate(names, 1):
        if not name:
            raise KvaeError(f"{path}: line {line:,} has no name for column {number}")
        if name in names[: number - 1]:
            raise KvaeError(f"{path} has two columns called {name!r:.{SHOWN}}")
    return names


def _refuse(path: Path, line: int, cells: Sequence[str], names: Sequence[str]) -> NoReturn:
    """Say which cell of a line is no finite number."""
    number, cell = next(
        (number, cell)
        for number, cell in enumerate(cells, 1)
        if not _is_number(cell) or not math.isfinite(float(cell))
    )
    column = f"column {names[number - 1]!r:.{SHOWN}}" if names else f"column {number}"
    where = f"{path}: line {line:,}, {column}"
    if not cell.strip():
        raise KvaeError(f"{where} is empty: fill in or leave out what is missing")
    if _is_number(cell):
        raise KvaeError(f"{where} is {cell.strip()}; numbers must be finite")
    advice = ": columns have commas between them" if len(cells) == 1 else ""
    raise KvaeError(f"{where} is {cell!r:.{SHOWN}}, which is no number{advice}")


def write_table(rows: np.ndarray, names: Sequence[str], path: Path) -> None:
    """Write a table that `read_table` reads. The write is atomic.

    Args:
        rows: float64 `[rows, columns]`, or for a `.npy` file of any shape.
        names: The name of each column; empty writes none.
        path: The `.csv` or `.npy` file. Numbers in a `.csv` file are read back exactly.
    """
    with atomic_file(expanded(path)) as scratch:
        if path.suffix.lower() == ".npy":
            np.save(scratch, rows)
            return
        with scratch.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if names:
                writer.writerow(names)
            writer.writerows(rows.tolist())
