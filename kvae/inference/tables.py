"""Tables of numbers in files."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kvae.errors import UsageError
from kvae.io.files import atomic_file


def write_table(columns: Mapping[str, np.ndarray], path: Path) -> None:
    """Write a table. The write is atomic.

    Numbers in a `.csv` file have as many digits as float32 needs to be read back exactly.

    Args:
        columns: Arrays `[rows]` by the name of the column; of an `.npz` file, arrays of any shape.
        path: The file to write: `.csv`, `.npz`, or `.parquet`, which needs pyarrow.

    Raises:
        UsageError: The file has another suffix, or pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise UsageError(f"{path} must end in {', '.join(WRITERS)}")
    with atomic_file(path) as scratch:
        WRITERS[suffix](columns, scratch)


def _csv(columns: Mapping[str, np.ndarray], path: Path) -> None:
    texts = [
        [f"{value:.9g}" for value in values.tolist()] if values.dtype.kind == "f" else values
        for values in columns.values()
    ]
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*texts, strict=True))


def _npz(columns: Mapping[str, np.ndarray], path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **columns)  # type: ignore[arg-type]


def _parquet(columns: Mapping[str, np.ndarray], path: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "a .parquet file needs pyarrow: install it with `pip install pyarrow`, or write .csv "
            "or .npz"
        ) from error
    table = pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
    parquet.write_table(table, path)


WRITERS = {".csv": _csv, ".npz": _npz, ".parquet": _parquet}
