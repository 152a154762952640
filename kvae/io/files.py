"""Atomic files and folders: a reader finds the old one or the new one, never a part of one."""

import contextlib
import ctypes
import json
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kvae.errors import KvaeError
from kvae.io.locks import locked

_SCRATCH = r"\.{}\.[a-z0-9_]{{8}}(\.\w+)?"
"""Names of scratch files and folders: our prefix, eight characters of `tempfile`, our suffix."""


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Write a file that appears at `path`, complete and flushed to the disk, or not at all.

    A file that is there already is replaced when the block ends; if the block raises an error, it
    stays as it is.

    Args:
        path: The file; its folder must exist.

    Yields:
        A scratch file in the same folder, to write to.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        # mkstemp makes private files, but a result is to be as readable as any other file.
        scratch.chmod(0o666 & ~_umask())
        flush(scratch)
        scratch.replace(path)
        flush(path.parent)
    finally:
        scratch.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(
    path: Path, replace: bool = False, locks: contextlib.ExitStack | None = None
) -> Iterator[Path]:
    """Make a folder that appears at `path`, complete and flushed to the disk, or not at all.

    With `replace`, at any instant either the old or the new folder is at `path`, as `move_folder`
    says. If the block raises an error, the old folder stays as it is. What killed processes left
    when they made the same folder is removed.

    Args:
        path: The folder; its parents are made where they are missing.
        replace: Whether a folder that is there already is replaced when the block ends.
        locks: Keeps the folder locked until this stack is closed, rather than until the block ends.

    Yields:
        A scratch folder in the same place, to write into.

    Raises:
        FileExistsError: without `replace`, a folder is at `path`, or appeared during the block.
        KvaeError: another process has locked the folder that is to be replaced.
    """
    if path.exists() and not replace:
        raise FileExistsError(f"{path} exists already")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_scratch(path.parent, path.name)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        with contextlib.ExitStack() as block:
            old = block.enter_context(locked(path)) if path.exists() else None
            lock = (locks or block).enter_context(locked(scratch))
            yield scratch
            scratch.chmod(0o777 & ~_umask())
            for inner in scratch.rglob("*"):
                flush(inner)
            flush(scratch)
            move_folder(scratch, path, replace)
            if old is not None:
                old.release()
            lock.follow(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def move_folder(folder: Path, path: Path, replace: bool) -> None:
    """Rename a folder; with `replace`, let it change names with the folder that is there.

    Linux exchanges the two names in one step, so that one of the folders is always at `path`.
    Other systems, and file systems that cannot do this, rename the old folder to `.NAME.old` first:
    if the process is killed at that instant, the old folder is found there.

    Args:
        folder: The folder to rename.
        path: Its new name, in the same folder.
        replace: Whether to exchange the two if `path` is there already. The old folder then has the
            name that `folder` had.

    Raises:
        FileExistsError: without `replace`, a folder is at `path`.
    """
    if replace and path.exists():
        if not _exchange(folder, path):
            old = path.with_name(f".{path.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            path.rename(old)
            folder.rename(path)
            old.rename(folder)
    else:
        try:
            folder.rename(path)
        except OSError as error:
            if path.exists():
                raise FileExistsError(f"{path} exists already") from error
            raise
    flush(path.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Let two files or folders change names in one step; False where that cannot be done."""
    if sys.platform != "linux":
        return False
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux.
    names = os.fsencode(one), os.fsencode(other)
    return renameat2 is not None and renameat2(here, names[0], here, names[1], exchange) == 0


def remove_scratch(folder: Path, name: str | None = None) -> None:
    """Remove the scratch files and folders that killed processes left.

    Folders that a process works in are locked, and stay. Files are not: no other process may be
    writing files in `folder`.

    Args:
        folder: Where to look.
        name: The name that the finished file or folder would have had, looked for in `folder`
            itself; None removes those of every name, in the folders inside `folder`, too.
    """
    pattern = re.compile(_SCRATCH.format(re.escape(name) if name else ".+"))
    for left in list(folder.iterdir() if name else folder.rglob("*")):
        if pattern.fullmatch(left.name):
            if left.is_dir():
                with contextlib.suppress(OSError, KvaeError), locked(left):
                    shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Write a file, or the names in a folder, to the disk, so that they survive a loss of power.

    Args:
        path: The file or folder.
    """
    on_windows = os.name == "nt"
    if on_windows and path.is_dir():
        return  # Windows flushes no folders, and only files that are open for writing.
    descriptor = os.open(path, os.O_RDWR if on_windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write a value as an atomic file of indented JSON.

    Args:
        path: The file; its folder must exist.
        value: What `json.dumps` can encode.
    """
    with atomic_file(path) as scratch:
        scratch.write_text(to_json(value) + "\n", encoding="utf-8")


def to_json(value: Any) -> str:
    """Indented JSON. Numbers that are not finite, which JSON does not have, become null.

    Args:
        value: Dictionaries, lists, tuples, strings, numbers, booleans and None.
    """
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_writable(folder: Path) -> None:
    """Make a folder where it is missing, and check that files can be made in it.

    Args:
        folder: The folder.

    Raises:
        KvaeError: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise KvaeError(f"cannot write to the folder {folder}: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
