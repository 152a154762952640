"""What XLA compiled, kept from one command to the next.

TensorFlow can keep compiled functions in a folder, but is not careful about it: a damaged file
there is an error, and nothing says which processor the code is for. So TensorFlow is given a folder
of its own, with links to what is known to be whole and was made under the same conditions; what it
adds is moved to the user's cache when the command ends.
"""

import atexit
import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import platform
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

FLAGS = "TF_XLA_FLAGS"
# What decides the code besides the program: the flags, and the threads that it is cut up for.
SETTINGS = (FLAGS, "XLA_FLAGS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
ENTRIES = 64
"""At most so many files are kept, each of about a megabyte."""
PREFIX = "kvae-xla-"
LEFT_SECONDS = 600
FREE_BYTES = 2**28
"""Below this much free space nothing is kept: TensorFlow fails where it cannot write."""


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Let TensorFlow, which is imported meanwhile, use and extend what was compiled before.

    Does nothing where that is not safe: with GPUs, for which it has not been tried, with flags of
    the user's own for the same thing, without a place to write to or with too little space.
    """
    given = os.environ.get(FLAGS, "")
    if "persistent_cache" in given or Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists():
        yield
        return
    try:
        cache = folder()
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_what_others_left()
        scratch = Path(tempfile.mkdtemp(prefix=PREFIX))
        _lock(scratch)
        if min(shutil.disk_usage(place).free for place in (cache, scratch)) < FREE_BYTES:
            scratch.rmdir()
            yield
            return
        for path in _whole(cache):
            (scratch / path.stem).symlink_to(path)
    except (OSError, RuntimeError):  # The latter where there is no home.
        yield
        return
    atexit.register(_keep, scratch, cache)
    os.environ[FLAGS] = (
        f"{given} --tf_xla_persistent_cache_directory={scratch} "
        "--tf_xla_persistent_cache_read_only=false"
    ).strip()
    yield


def _lock(scratch: Path) -> bool:
    """Mark a folder as this process's until it ends, however it does; False if it is another's."""
    descriptor = os.open(scratch, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    return True


def _remove_what_others_left() -> None:
    """Remove the folders of processes that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            # One that was just made may not be marked yet.
            if time.time() - left.stat().st_mtime > LEFT_SECONDS and _lock(left):
                shutil.rmtree(left, ignore_errors=True)


def folder() -> Path:
    """The user's cache of code for this TensorFlow, processor and settings."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    conditions = [importlib.metadata.version("tensorflow"), _processor()]
    # Threads are counted by the cores that this process may use, where the system tells.
    cores = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    conditions.append(str(len(cores)))
    conditions += [os.environ.get(name, "") for name in SETTINGS]
    digest = hashlib.sha256("\n".join(conditions).encode()).hexdigest()[:16]
    return Path(home) / "kvae" / "xla" / digest


def _processor() -> str:
    """What tells processors with different instructions apart."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        kinds = ("model name", "flags", "Features")
        return "\n".join(sorted({line for line in lines if line.startswith(kinds)}))
    return f"{platform.machine()} {platform.processor()}"


def _whole(cache: Path) -> list[Path]:
    """The newest files of a cache; those that are damaged or too many are removed."""
    newest = sorted(cache.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    whole: list[Path] = []
    for path in newest:
        if len(whole) < ENTRIES and path.suffix == f".{_checksum(path)}":
            whole.append(path)
        else:
            path.unlink(missing_ok=True)
    return whole


def _checksum(path: Path) -> str:
    return f"{zlib.crc32(path.read_bytes()):08x}"


def _keep(scratch: Path, cache: Path) -> None:
    """Move what TensorFlow added to the cache, each file whole or not at all."""
    with contextlib.suppress(OSError):
        for path in scratch.iterdir():
            if path.is_symlink() or path.suffix != ".pb":
                continue
            aside = cache / f".{path.name}.{os.getpid()}"
            shutil.copyfile(path, aside)
            aside.rename(cache / f"{path.name}.{_checksum(path)}")
    shutil.rmtree(scratch, ignore_errors=True)
