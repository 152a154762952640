"""Locks of folders. They end with the process at the latest."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from kvae.errors import KvaeError

try:
    import fcntl
except ImportError:  # On Windows.
    HAS_FLOCK = False
else:
    HAS_FLOCK = True


class Lock:
    """Keeps a folder to this process.

    POSIX systems lock the folder itself, and the lock stays with it when it is renamed. Windows has
    no such locks: there, a file among the user's temporary files is locked for the folder's path.

    Args:
        folder: The folder, which must exist.

    Raises:
        KvaeError: Another process has locked it.
    """

    def __init__(self, folder: Path) -> None:
        self._release = _take(folder)

    def follow(self, path: Path) -> None:
        """Keep the lock, now that the folder was renamed.

        Args:
            path: The new path of the folder.

        Raises:
            KvaeError: Another process has locked the new path, on Windows.
        """
        if not HAS_FLOCK:
            self._release()
            self._release = _take(path)

    def release(self) -> None:
        """Let others have the folder. A lock that was released already stays so."""
        self._release()
        self._release = lambda: None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[Lock]:
    """Keep a folder to this process for the block.

    Args:
        folder: The folder, which must exist.

    Raises:
        KvaeError: Another process has locked it.
    """
    lock = Lock(folder)
    try:
        yield lock
    finally:
        lock.release()


def _take(folder: Path) -> Callable[[], None]:
    """Lock a folder. Returns the function that releases it."""
    return (_take_folder if HAS_FLOCK else _take_file)(folder)


def _take_folder(folder: Path) -> Callable[[], None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise _in_use(folder) from error
    except OSError:
        pass  # Some network file systems have no locks; work goes on without one.
    return lambda: os.close(descriptor)


def _take_file(folder: Path) -> Callable[[], None]:
    # Imported here because POSIX systems do without it.
    from filelock import FileLock, Timeout

    name = os.path.normcase(folder.resolve(strict=True))
    places = Path(tempfile.gettempdir(), "kvae-locks")
    places.mkdir(exist_ok=True)
    lock = FileLock(places / f"{hashlib.sha256(name.encode()).hexdigest()}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise _in_use(folder) from error
    return lock.release


def _in_use(folder: Path) -> KvaeError:
    return KvaeError(f"{folder} is in use by another process: wait for it to end, or stop it")
