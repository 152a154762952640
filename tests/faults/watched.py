"""Runs commands one after another in processes of their own, and says what each of them did.

What takes long to import is imported once, here; every command gets a fork of this process, with a
limit on its memory, its time and the size of its files. A fork of a process without TensorFlow is
several times quicker: it is imported only with the argument `tensorflow`. Requests come as lines of
JSON on standard input, and answers go as lines of JSON to standard output. A request may have
Python instead of a command, for those who want to see that they are watched.
"""

import contextlib
import gc
import importlib
import json
import logging
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

ROOM = 3 * 2**30
"""Bytes that a command may ask for beyond what the import of TensorFlow took."""
LARGEST_FILE = 2**28
LIGHT = (
    "kvae.data.arrays",
    "kvae.data.folder",
    "kvae.data.tfds",
    "kvae.experiments.sweeps",
    "sklearn.datasets",
)
HEAVY = (
    "tensorflow_datasets",
    "kvae.evaluation",
    "kvae.runs.export",
    "kvae.gallery",
    "kvae.training",
)
TICK = 0.25
"""Seconds from one look at the clock to the next."""

_WRITES = {
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.link": (0, 1),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.utime": (0,),
    "shutil.rmtree": (0,),
}
"""What changes files, as `sys.addaudithook` tells it, and which of its arguments are paths."""
_RUNS = ("os.exec", "os.posix_spawn", "os.system", "pickle.find_class", "subprocess.Popen")
"""What runs something else."""


def _watch(inside: Path, seen: list[str]) -> None:
    """Note what is done outside a folder, and whatever is run, from here on."""

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        paths: list[Any] = []
        if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            paths = [arguments[0]]
        elif event in _WRITES:
            paths = [arguments[index] for index in _WRITES[event]]
        elif event in _RUNS:
            seen.append(f"{event} {arguments[0]}")
        for path in paths:
            if not isinstance(path, int):
                absolute = os.path.abspath(os.fsdecode(path))
                if not f"{absolute}/".startswith((f"{inside}/", "/dev/", "/proc/")):
                    seen.append(f"{event} {absolute}")

    sys.addaudithook(note)


def _memory(field: str) -> int:
    """Bytes of this process, by a name in /proc/self/status."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split(f"{field}:")[1].split()[0])


def _command(request: dict[str, Any], out: int) -> None:
    """Be the command; write to `out` what it did that nobody sees from outside."""
    from kvae_cli.main import cli

    inside = Path(request["inside"])
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    tempfile.tempdir = None
    for descriptor, name in (1, "stdout"), (2, "stderr"):
        file = os.open(f"{request['said']}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for limit, value in (
        (resource.RLIMIT_AS, _memory("VmSize") + ROOM),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    with contextlib.suppress(OSError):
        # The peak is counted from here.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _memory("VmRSS")
    seen: list[str] = []
    _watch(inside, seen)
    try:
        if "instead" in request:
            exec(request["instead"])
            code = 0
        else:
            code = cli.main(request["arguments"], prog_name="kvae")
    except SystemExit as end:
        code = end.code
    except BaseException:
        # What Python itself does with what nobody caught.
        traceback.print_exc()
        code = 1
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    peak = _memory("VmHWM") - before
    os.write(out, json.dumps({"code": code or 0, "peak": peak, "seen": seen}).encode())


def _delay(process: int) -> float:
    """Seconds in which others kept a process from running, which are not its fault."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    said = [Path(f"{request['said']}.{name}") for name in ("stdout", "stderr")]
    for path in said:
        path.touch()
    start = time.monotonic()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            _command(request, write)
        finally:
            os._exit(0)
    os.close(write)
    # Whatever the command starts goes with it.
    os.setpgid(child, child)
    hung, told = False, b""
    while True:
        # The command ends its answer by ending, and says nothing before.
        if select.select([read], [], [], TICK)[0]:
            part = os.read(read, 2**20)
            told += part
            if not part:
                break
        elif time.monotonic() - start - _delay(child) > request["seconds"]:
            hung = True
            break
    os.close(read)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    answer = {"code": None, "peak": 0, "seen": [], **(json.loads(told) if told else {})}
    answer |= {"hung": hung, "seconds": time.monotonic() - start, "status": status}
    for path in said:
        answer[path.suffix[1:]] = path.read_bytes().decode("utf-8", "backslashreplace")
        path.unlink()
    return answer


def _prepare(tensorflow: bool) -> None:
    """Import what commands import, as they do."""
    from kvae_cli import startup

    startup.install()
    for name in LIGHT + (HEAVY if tensorflow else ()):
        importlib.import_module(name)
    # Every command adds its own.
    logging.getLogger("kvae").handlers.clear()
    # A collection in a fork would write to every object, and so copy them all.
    gc.collect()
    gc.freeze()


def main() -> None:
    """Answer until standard input ends."""
    _prepare("tensorflow" in sys.argv)
    with os.fdopen(os.dup(1), "w") as answers:
        for line in sys.stdin:
            answers.write(json.dumps(_answer(json.loads(line))) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
