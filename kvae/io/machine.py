"""The machine that this process runs on: its cores, and whether something fits into memory."""

import contextlib
import math
import os
import re
from pathlib import Path

from kvae.errors import KvaeError

_CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """The number of processor cores that this process may use.

    A container or `taskset` may leave fewer than the machine has.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> float:
    """Bytes that this process may still take, as far as the system tells; infinite if it does not.

    The least of what is free, of what a container leaves, and of what `ulimit -v` leaves.
    """
    room = math.inf
    with contextlib.suppress(OSError, ValueError, IndexError):
        free = Path("/proc/meminfo").read_text(encoding="ascii").split("MemAvailable:")[1]
        room = 1024 * int(free.split()[0])
    with contextlib.suppress(OSError, ValueError):
        most, used = (int((_CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        # Files that were read are counted, and are let go of when memory is needed.
        of_files = re.findall(r"^(?:in)?active_file (\d+)", _stat(), re.MULTILINE)
        room = min(room, most - used + sum(map(int, of_files)))
    with contextlib.suppress(OSError, ValueError, ImportError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            room = min(room, limit - pages * os.sysconf("SC_PAGE_SIZE"))
    return room


def _stat() -> str:
    return (_CGROUP / "memory.stat").read_text(encoding="ascii")


def require_memory(size: float, what: str, instead: str) -> None:
    """Refuse what cannot fit into memory.

    Args:
        size: Bytes that it takes.
        what: Names it in the error.
        instead: What to do about it.

    Raises:
        KvaeError: there is less memory.
    """
    room = available_memory()
    if size > room:
        raise KvaeError(
            f"{what} would take {_shown(size)} of memory, and {_shown(max(0, room))} are free: "
            f"{instead}"
        )


def _shown(size: float) -> str:
    gigabytes = size / 2**30
    if gigabytes >= 1e6:
        return "more than a petabyte"
    return f"{gigabytes:,.0f} GiB" if gigabytes >= 10 else f"{gigabytes:.1f} GiB"
