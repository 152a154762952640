"""Reading files that may be damaged, or made to do harm: what they say of themselves is checked.

Nothing waits for a pipe, nothing is unpickled, and no memory is taken for what a file only claims
to hold.
"""

import io
import json
import math
import os
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from kvae.errors import KvaeError
from kvae.io import machine

if TYPE_CHECKING:
    import numpy as np

TEXT_BYTES = 2**26
"""Texts are small: what is larger than this is none of kvae's."""
_HEAD_BYTES = 2**16
_CHUNK_BYTES = 2**22
_DEFLATE = 1032
"""Zip's compression cannot make a file smaller than by this factor."""
_BOMB = 500
"""Nor does it make images smaller than by this one, unless there is nothing in them."""
_BOMB_BYTES = 2**28
_ENCRYPTED = 1


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read it; a pipe or a device, which may have no end, is refused.

    Raises:
        KvaeError: it is none, or cannot be read.
    """
    try:
        # Without waiting for somebody to write, should it be a pipe.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise KvaeError(f"cannot read {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise KvaeError(f"cannot read {path}: it is not a regular file")
    return os.fdopen(handle, "rb")


def read_text(path: Path) -> str:
    """What a text file holds.

    Raises:
        KvaeError: it cannot be read, is not text, or is far too large.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > TEXT_BYTES:
            raise KvaeError(f"{path} is damaged: it has {size:,} bytes")
        try:
            return file.read(TEXT_BYTES).decode("utf-8")
        except (OSError, ValueError) as error:
            raise KvaeError(f"{path} is damaged: {error}") from error


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        KvaeError: the file cannot be read or is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except RecursionError as error:
        raise KvaeError(f"{path} is not a JSON file: it is nested too deeply") from error
    except ValueError as error:
        raise KvaeError(f"{path} is not a JSON file: {error}") from error


def read_arrays(
    path: Path, wanted: Callable[[list[str]], Iterable[str]] = lambda names: names
) -> "dict[str, np.ndarray]":
    """Arrays of numbers in a `.npy`, under the file's own name, or in a `.npz`.

    Args:
        path: The file.
        wanted: Says which ones to read, by the names of all.

    Raises:
        KvaeError: the file cannot be read or is damaged, an array is not of numbers, or they do
            not fit into memory.
    """
    with open_regular(path) as file:
        try:
            if file.read(2) == b"PK":
                return _read_npz(file, path, wanted)
            file.seek(0)
            name = path.stem
            if name not in wanted([name]):
                return {}
            size = os.fstat(file.fileno()).st_size
            return {name: _read_npy(file, size, f"{name} in {path}")}
        except KvaeError:
            raise
        # Damaged files lead zipfile, ast, tokenize and NumPy to errors of nearly every kind.
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise KvaeError(
                f"{path} is not a whole .npy or .npz file of numbers: {reason}"
            ) from error


def check_npy(path: Path) -> None:
    """Refuse a `.npy` that does not hold the numbers that it says, without reading them.

    Raises:
        KvaeError: as `read_arrays`, but for memory.
    """
    with open_regular(path) as file:
        try:
            _read_head(file, os.fstat(file.fileno()).st_size, str(path))
        except KvaeError:
            raise
        except Exception as error:  # As above.
            raise KvaeError(f"{path} is not a whole .npy file of numbers: {error}") from error


def _read_npz(
    file: BinaryIO, path: Path, wanted: Callable[[list[str]], Iterable[str]]
) -> "dict[str, np.ndarray]":
    packed = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        chosen = list(wanted(list(members)))
        for name in chosen:
            info = members[name]
            if info.flag_bits & _ENCRYPTED:
                raise ValueError(f"{name} is encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{name} is compressed in a way that NumPy never does")
            compressed = max(1, min(info.compress_size, packed))
            if info.file_size > _DEFLATE * compressed + _HEAD_BYTES:
                raise ValueError(f"{name} cannot be as large as it says")
            if info.file_size > _BOMB_BYTES and info.file_size > _BOMB * compressed:
                raise KvaeError(
                    f"{path} looks like a zip bomb: {name} grows from {compressed:,} bytes to "
                    f"{info.file_size:,}; if its images really are empty, save them as .npy"
                )
        machine.require_memory(
            sum(members[name].file_size for name in chosen), str(path), "take fewer"
        )
        arrays = {}
        for name in chosen:
            with archive.open(members[name]) as member:
                where = f"{name} in {path}"
                arrays[name] = _read_npy(member, members[name].file_size, where)
                if member.read(1):
                    raise ValueError(f"{name} holds more than it says")
        return arrays


def _read_npy(file: Any, size: int, where: str) -> "np.ndarray":
    """The array in a file of `size` bytes, which is read no further than to the array's end."""
    import numpy as np

    shape, fortran, dtype, rest = _read_head(file, size, where)
    total = math.prod(shape) * dtype.itemsize
    machine.require_memory(total, where, "take fewer or smaller images")
    content = np.empty(total, np.uint8)
    view = content.data
    view[: len(rest)] = rest
    filled = len(rest)
    while filled < total:
        count = file.readinto(view[filled : filled + _CHUNK_BYTES])
        if not count:
            raise ValueError(f"it ends after {filled:,} of {total:,} bytes")
        filled += count
    flat = content.view(dtype)
    return flat.reshape(shape[::-1]).transpose() if fortran else flat.reshape(shape)


def _read_head(
    file: Any, size: int, where: str
) -> "tuple[tuple[int, ...], bool, np.dtype[Any], bytes]":
    """Shape, order and type of the array in a `.npy` of `size` bytes, and what was read of it."""
    import numpy as np
    from numpy.lib import format as npy

    head = io.BytesIO(file.read(_HEAD_BYTES))
    version = npy.read_magic(head)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version[0]}.{version[1]} is unknown")
    # Python itself warns of what stands in some headers.
    with warnings.catch_warnings(action="ignore"):
        shape, fortran, dtype = readers[version](head)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which could run anything")
    if dtype.kind not in "biuf":
        raise KvaeError(f"{where} must hold numbers, but its type is {np.dtype(dtype)}")
    if any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"its shape cannot be {shape}")
    start = head.tell()
    total = math.prod(shape) * dtype.itemsize
    if total > size - start:
        raise ValueError(f"it says that {total:,} bytes follow, but {size - start:,} do")
    return shape, fortran, dtype, head.read(total)
