"""The folder in which TensorFlow keeps the code that XLA compiled, for later commands."""

import contextlib
import hashlib
import importlib.metadata
import os
import re
import shutil
from pathlib import Path

from kvae.io.machine import cores

FLAGS = "TF_XLA_FLAGS"
ENTRIES = 64  # The number of files that are kept. Each has about a megabyte.
SPACE = 2**28  # The free bytes that there must be: TensorFlow fails where it cannot write.


def keep() -> None:
    """Let TensorFlow, which is imported next, use the folder, if that can be written."""
    # A parent process may have set its own folder, which is for another number of threads.
    flags = [flag for flag in os.environ.get(FLAGS, "").split() if "persistent_cache" not in flag]
    with contextlib.suppress(OSError, RuntimeError):  # The latter if there is no home folder.
        place = folder()
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in sorted(place.iterdir(), key=lambda path: path.stat().st_atime)[:-ENTRIES]:
            old.unlink(missing_ok=True)
        if os.access(place, os.W_OK) and shutil.disk_usage(place).free > SPACE:
            flags.append(f"--tf_xla_persistent_cache_directory={place}")
            flags.append("--tf_xla_persistent_cache_read_only=false")
            # The folder's name does not tell GPUs apart.
            flags.append("--tf_xla_persistent_cache_device_types=CPU")
    os.environ[FLAGS] = " ".join(flags)


def forget() -> None:
    """Remove the folder: TensorFlow has failed, perhaps because a file in it is damaged."""
    with contextlib.suppress(RuntimeError):
        shutil.rmtree(folder(), ignore_errors=True)


def folder() -> Path:
    """The folder for this TensorFlow, this processor and the settings that change the code."""
    conditions = [importlib.metadata.version("tensorflow"), str(cores())]
    conditions += [os.environ.get(name, "") for name in ("XLA_FLAGS", "TF_NUM_INTRAOP_THREADS")]
    with contextlib.suppress(OSError):
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        conditions += sorted(set(re.findall(r"(?m)^(?:model name|flags|Features).*", described)))
    digest = hashlib.sha256("\n".join(conditions).encode()).hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "kvae", "xla", digest)
