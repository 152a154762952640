"""Files and folders that appear whole or not at all."""

import contextlib
import ctypes
import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kvae.errors import KvaeError

_SCRATCH = r"\.{}\.[a-z0-9_]{{8}}(\.\w+)?"
"""What `tempfile` makes of our prefix: eight characters of its own, and our suffix."""


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A scratch file that takes the place of `path` when the block ends without an error."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        # mkstemp's files are private; a result should be as readable as any other file.
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
    """A scratch folder that becomes `path` when the block ends without an error.

    What killed processes left of making the same folder is removed.

    Args:
        path: Its parents are made where there are none.
        replace: What is there.
        locks: Keeps the folder locked to this process beyond the block, until it is closed.

    Raises:
        FileExistsError: `path` is there already, and not to be replaced; it may have come to be
            during the block.
    """
    if path.exists() and not replace:
        raise FileExistsError(f"{path} exists already")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_scratch(path.parent, path.name)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        with contextlib.ExitStack() as block:
            (locks or block).enter_context(locked(scratch))
            yield scratch
            scratch.chmod(0o777 & ~_umask())
            for inner in scratch.rglob("*"):
                flush(inner)
            flush(scratch)
            move_folder(scratch, path, replace)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def move_folder(folder: Path, path: Path, replace: bool) -> None:
    """Rename a folder to `path`; what it replaces is left under the folder's old name.

    Raises:
        FileExistsError: `path` is there already, and not to be replaced.
    """
    if replace and path.exists():
        _exchange(folder, path)
    else:
        try:
            folder.rename(path)
        except OSError as error:
            if path.exists():
                raise FileExistsError(f"{path} exists already") from error
            raise
    flush(path.parent)


def _exchange(one: Path, other: Path) -> None:
    """Let two folders change names: at once where the system can, otherwise by three renames."""
    at_once = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux.
    if at_once and at_once(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0:
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{other.name}.", dir=other.parent))
    other.rename(aside)
    one.rename(other)
    aside.rename(one)


def remove_scratch(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes left of making files and folders.

    Args:
        folder: No other process may be making files in it; folders in the making are locked.
        name: Only what was to have this name, and only in the folder itself.
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
    """See that a file, or the names in a folder, outlast a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a folder, whatever becomes of its name, to this process for the block.

    The system lets go of it however the process ends.

    Raises:
        KvaeError: another process has it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KvaeError(
                f"{folder} is in use by another process: wait for it to end, or stop it"
            ) from error
        except OSError:
            pass  # A file system without locks: there nobody can tell.
        yield
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    with atomic_file(path) as scratch:
        scratch.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def check_writable(folder: Path) -> None:
    """Make sure that files can be made in `folder`, which may have to be made first.

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
