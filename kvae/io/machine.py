"""The machine that this process runs on: its processor cores and its free memory."""

import contextlib
import os
import re
from pathlib import Path

from kvae.errors import KvaeError

_CGROUP = Path("/sys/fs/cgroup")
"""Where Linux tells the limits of a container."""


def cores() -> int:
    """The number of processor cores that this process may use, at least 1.

    `taskset` and cluster managers may leave it fewer than the machine has.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> float:
    """The bytes that this process may still take.

    This is the least of what is free, what a container leaves, and what `ulimit -v` leaves.
    """
    # Imported here because it takes as long as the rest of a command that needs no TensorFlow.
    import psutil

    room = float(psutil.virtual_memory().available)
    with contextlib.suppress(OSError, ValueError):
        limit, used, stat = (
            (_CGROUP / f"memory.{name}").read_text(encoding="ascii")
            for name in ("max", "current", "stat")
        )
        # Files that were read count as used, but are dropped when memory is needed.
        cached = re.findall(r"^(?:in)?active_file (\d+)", stat, re.MULTILINE)
        room = min(room, int(limit) - int(used) + sum(map(int, cached)))
    if hasattr(psutil, "RLIMIT_AS"):
        process = psutil.Process()
        address_space = process.rlimit(psutil.RLIMIT_AS)[0]
        if address_space != psutil.RLIM_INFINITY:
            room = min(room, address_space - process.memory_info().vms)
    return room


def require_memory(size: float, what: str, advice: str) -> None:
    """Refuse what cannot fit into memory, before it is tried.

    Args:
        size: The bytes that it takes.
        what: What takes them, for the message.
        advice: What to do about it, for the message.

    Raises:
        KvaeError: less memory is available.
    """
    room = available_memory()
    if size > room:
        raise KvaeError(
            f"{what} would take {in_bytes(size)} of memory, and {in_bytes(max(0, room))} are "
            f"free: {advice}"
        )


def in_bytes(size: float) -> str:
    """A number of bytes in words, such as 1.5 GiB.

    Args:
        size: The number.
    """
    if size >= 2**50:
        return "more than a petabyte"
    power, unit = next(((p, u) for p, u in ((30, "GiB"), (20, "MiB")) if size >= 2**p), (10, "KiB"))
    return f"{size / 2**power:,.{0 if size >= 10 * 2**power else 1}f} {unit}"
