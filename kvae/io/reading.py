"""Reading files that may be damaged, or made to do harm.

Whatever is wrong with a file is raised as a `KvaeError` of one line. Reading never waits for a
pipe, unpickles nothing, and takes no more memory than there is.
"""

import io
import json
import os
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from kvae.errors import KvaeError, first_line
from kvae.io import machine

if TYPE_CHECKING:
    import numpy as np

TEXT_BYTES = 2**26
"""The largest text file that is read; those of kvae are far smaller."""
HEADER_BYTES = 2**16
"""The longest header of an array that is read; NumPy checks the length only after reading."""
BOMB_BYTES, BOMB_RATIO = 2**28, 500
"""A `.npz` that is larger and that many times as large when unpacked is taken for a zip bomb."""


def open_regular(path: Path) -> BinaryIO:
    """Open the file at `path` to read it; pipes and devices, which may have no end, are refused."""
    try:
        # Without O_NONBLOCK, opening a pipe would wait for a process that writes to it. Windows has
        # no such pipes, but reads text unless it is told not to.
        flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(path, os.O_RDONLY | flags)
    except OSError as error:
        raise KvaeError(f"cannot read {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise KvaeError(f"cannot read {path}: it is not a regular file")
    return os.fdopen(handle, "rb")


def read_text(path: Path) -> str:
    """The text in the UTF-8 file at `path`."""
    with open_regular(path) as file:
        try:
            content = file.read(TEXT_BYTES + 1)
            if len(content) > TEXT_BYTES:
                raise ValueError(f"it has more than {TEXT_BYTES:,} bytes")
            return content.decode("utf-8")
        except (OSError, ValueError) as error:
            raise KvaeError(f"{path} is damaged: {error}") from error


def read_json(path: Path) -> Any:
    """The value in the JSON file at `path`."""
    try:
        return json.loads(read_text(path))
    except RecursionError as error:
        raise KvaeError(f"{path} is not a JSON file: it is nested too deeply") from error
    except ValueError as error:
        raise KvaeError(f"{path} is not a JSON file: {error}") from error


def read_arrays(
    path: Path, choose: Callable[[list[str]], Iterable[str]] = lambda names: names
) -> "dict[str, np.ndarray]":
    """Read arrays of numbers, by name.

    Args:
        path: A `.npz` file, or a `.npy` file, whose one array has the name of the file.
        choose: Takes the names of all arrays in the file and returns those to read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            # Python and NumPy warn about the headers of some files that they can read.
            with warnings.catch_warnings(action="ignore"):
                if file.read(2) == b"PK":
                    return _read_npz(file, size, path, choose)
                machine.require_memory(size, str(path), "take fewer images")
                return {name: _read_npy(file, name, path) for name in choose([path.stem])}
        except KvaeError:
            raise
        # Damaged files lead zipfile, ast, tokenize and NumPy to errors of nearly every kind.
        except Exception as error:
            raise KvaeError(
                f"{path} is not a whole .npy or .npz file of numbers: {first_line(error)}"
            ) from error


def _read_npz(
    file: BinaryIO, size: int, path: Path, choose: Callable[[list[str]], Iterable[str]]
) -> "dict[str, np.ndarray]":
    with zipfile.ZipFile(file) as archive:
        parts = {part.filename.removesuffix(".npy"): part for part in archive.infolist()}
        chosen = list(choose(list(parts)))
        # zipfile unpacks no more of a part than its `file_size`.
        unpacked = sum(parts[name].file_size for name in chosen)
        if unpacked > max(BOMB_BYTES, BOMB_RATIO * size):
            raise ValueError(
                f"its {size:,} bytes would grow to {unpacked:,} as in a zip bomb; if its images "
                "really are empty, save them as .npy"
            )
        machine.require_memory(unpacked, str(path), "take fewer images")
        arrays = {}
        for name in chosen:
            with archive.open(parts[name]) as part:
                arrays[name] = _read_npy(part, name, path)
                # zipfile compares the checksum when it gets to the end of a part.
                if part.read(1):
                    raise ValueError(f"{name} is longer than its array")
        return arrays


class Header(NamedTuple):
    """The shape and the type of an array in a file."""

    shape: tuple[int, ...]
    dtype: "np.dtype"


def array_header(path: Path) -> Header | None:
    """The header of the `.npy` file at `path`; None if that cannot be read."""
    with open_regular(path) as file:
        try:
            with warnings.catch_warnings(action="ignore"):
                return _header(file)
        # Damaged headers lead NumPy, ast and tokenize to errors of nearly every kind.
        except Exception:
            return None


def _header(file: Any) -> Header:
    from numpy.lib import format as npy

    # The header is read from a copy of a few bytes, since it may claim to have gigabytes.
    file.seek(0)
    head = io.BytesIO(file.read(HEADER_BYTES))
    version = npy.read_magic(head)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(head)
    # NumPy before 2 reads such an array as if it had some other size.
    if any(size < 0 for size in shape):
        raise ValueError(f"its shape is {shape}")
    return Header(shape, dtype)


def _read_npy(file: Any, name: str, path: Path) -> "np.ndarray":
    from numpy.lib import format as npy

    dtype = _header(file).dtype
    if dtype.kind not in "biuf":
        found = "pickled objects" if dtype.hasobject else f"values of type {dtype!s:.80}"
        raise KvaeError(f"{name} in {path} must hold numbers, but holds {found}")
    file.seek(0)
    return npy.read_array(file, allow_pickle=False)
