"""What can be wrong with a file, and what must hold of whoever reads it then.

Tests have tables of what must be said, and of what is bad, by name: the content of a file, or a
function that makes or damages the file at a path.
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import pickle
import re
import resource
import shutil
import signal
import stat
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner

from kvae.errors import KvaeError
from kvae_cli import main

FAILED, USAGE = 1, 2
"""Exit codes."""
SECONDS, PEAK, ROOM = 10, 2**28, 3 * 2**30
"""What an answer may take: time, bytes of memory, and bytes that are asked for."""
Bad = bytes | str | Callable[[Path], Any]


def each(table: dict[Any, Any], names: str = "says, bad") -> pytest.MarkDecorator:
    """Gives a test the key and the value of every entry of the tables in a table."""
    entries = []
    for key, group in table.items():
        for name in group:
            parts = [*(key if isinstance(key, tuple) else [key]), name]
            told = ", ".join(part for part in parts if isinstance(part, str))
            told = told.encode("unicode_escape").decode()[:90]
            bad = group[name] if isinstance(group, dict) else name
            entries.append(pytest.param(key, bad, id=told))
    return pytest.mark.parametrize(names, entries)


# What must hold ---------------------------------------------------------------------------------


def _memory(field: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split(f"{field}:")[1].split()[0])


@contextlib.contextmanager
def bounded(seconds: int = SECONDS) -> Iterator[None]:
    """Fails a block that takes too long or, where the system tells, too much memory."""
    clear = Path("/proc/self/clear_refs")
    if not clear.exists():
        yield
        return

    def too_long(*_: Any) -> None:
        raise AssertionError(f"no answer within {seconds} seconds")

    # The peak is counted from here.
    clear.write_text("5", encoding="ascii")
    before, limits = _memory("VmRSS"), resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_memory("VmSize") + ROOM, limits[1]))
    handler = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    start = time.monotonic()
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, limits)
    # The alarm waits for the end of what is not Python.
    assert time.monotonic() - start < seconds, "it took too long"
    assert _memory("VmHWM") - before < PEAK, "it took too much memory"


def _everything(root: Path) -> dict[str, Any]:
    """Every file and folder below `root`, with what changes when it is written to."""
    found: dict[str, Any] = {}
    for folder, folders, files in os.walk(root):
        found |= {os.path.join(folder, name): "folder" for name in folders}
        for path in (Path(folder, name) for name in files):
            about = path.lstat()
            # Not of those that seem to be of a terabyte.
            whole = stat.S_ISREG(about.st_mode) and about.st_size < 2**28
            content = hashlib.sha256(path.read_bytes()).digest() if whole else b""
            found[str(path)] = (about.st_mode, about.st_size, about.st_mtime_ns, content)
    return found


@contextlib.contextmanager
def untouched(*may: str) -> Iterator[None]:
    """Fails a block that makes, changes or removes anything here, but in the folders `may`."""
    root = Path.cwd()
    before = _everything(root)
    yield
    after = _everything(root)
    changed = [name for name in {*before, *after} if before.get(name) != after.get(name)]
    allowed = tuple(f"{root / folder}/" for folder in may)
    wrong = [name for name in changed if not f"{name}/".startswith(allowed)]
    assert not wrong, wrong


def refuses(
    says: str, read: Callable[..., Any], *arguments: Any, may: tuple[str, ...] = ()
) -> None:
    """A function raises an error of kvae's own, of one line, and touches nothing."""
    with untouched(*may), bounded(), pytest.raises(KvaeError) as raised:
        read(*arguments)
    assert says in str(raised.value), raised.value
    assert len(str(raised.value).splitlines()) == 1, raised.value


ABOVE = "Usage: |Try |$|preparing |.* to train on|.* latents, |The pixels |.* runs, |.* is complete"
"""What may stand above an error: how the command is used, or what was begun."""


def check_error(says: str, stdout: str, stderr: str) -> None:
    """What a command said is one error, of one line, that no terminal obeys."""
    *above, last = stderr.strip().split("\n")
    assert last.startswith("Error: "), stderr
    assert says in last or says in last.replace("_", "-"), last
    assert not [line for line in above if not re.match(ABOVE, line)], stderr
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", stderr)
    assert stdout == ""
    assert len(stderr) < 2500


def command_refuses(
    says: str, code: int, line: str, *words: str, may: tuple[str, ...] = (), **environment: str
) -> None:
    """A command ends with one error and an exit code, and touches nothing.

    Typed is `line`, in which '' is an empty word, and behind it `words`, which may have spaces.
    """
    typed = [word.replace("''", "") for word in line.split(" ")] + [*words]
    with untouched(*may), bounded(), mock.patch.object(main.startup, "install"):
        result = CliRunner().invoke(main.cli, typed, env=environment, prog_name="kvae")
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    assert result.exit_code == code, result.output
    check_error(says, result.stdout, result.stderr)


# What is bad ------------------------------------------------------------------------------------


def damage(path: Path, bad: Bad) -> None:
    """Make or damage a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if callable(bad):
        bad(path)
    else:
        path.write_bytes(bad if isinstance(bad, bytes) else bad.encode())


def cut(keep: float) -> Bad:
    """The first part of what is there."""
    return lambda path: os.truncate(path, int(path.stat().st_size * keep))


def flip(*places: float) -> Bad:
    """What is there, with some bytes inverted."""

    def make(path: Path) -> None:
        data = bytearray(path.read_bytes())
        for place in places:
            data[int((len(data) - 1) * place)] ^= 0xFF
        path.write_bytes(data)

    return make


def changed(*keys: str, to: Any = None, remove: bool = False) -> Bad:
    """A JSON file in which one value is another, or is not there."""

    def make(path: Path) -> None:
        inner = root = json.loads(path.read_text())
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = to
        if remove:
            del inner[keys[-1]]
        path.write_text(json.dumps(root))

    return make


def sparse(head: bytes, size: int = 10**12) -> Bad:
    """A file that seems to be of a terabyte, and takes hardly any."""
    return lambda path: (path.write_bytes(head), os.truncate(path, size))


def gone(path: Path) -> None:
    """Nothing at all."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def instead(make: Callable[[Path], Any]) -> Bad:
    """Something else in the place of what is there."""
    return lambda path: (gone(path), make(path))


NO_FILE: dict[str, Bad] = {
    "nothing": gone,
    "a folder": instead(Path.mkdir),
    "a pipe": instead(os.mkfifo),
    "a link to itself": instead(lambda path: path.symlink_to(path.name)),
    "a link to nowhere": instead(lambda path: path.symlink_to("nowhere")),
    "a device without an end": instead(lambda path: path.symlink_to("/dev/zero")),
}
"""What may be there in place of any file."""


class Runs:
    """Pickles to something that leaves a trace when it is unpacked."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpacked",)


PICKLE = pickle.dumps([Runs()])
NO_DATA: dict[str, Bad] = {
    "empty": b"",
    "text": b"hello, world",
    "HTML": b"<!doctype html><title>404</title>",
    "binary": bytes(range(256)),
    "zeros": bytes(5000),
    "UTF-16": '{"recipe": "best"}'.encode("utf-16"),
    "a program": b"#!/bin/sh\nmkdir ran\n",
    "a pickle": PICKLE,
}
"""What may be in any file."""
NO_OBJECT: dict[str, Bad] = NO_DATA | {
    "of another program": b'{"model_type": "bert", "hidden_size": 768}',
    "YAML with code": b"!!python/object/apply:os.mkdir ['unpacked']",
    "brackets without an end": b"[" * 200_000,
    "objects without an end": b'{"a":' * 200_000,
    "brackets within brackets": b"[" * 50_000 + b"]" * 50_000,
    "a number of a million digits": b"1" * 10**6,
    "twenty megabytes of spaces": b" " * 20_000_000,
    **{text: text for text in ("{}", "[]", "3", "null", "NaN", '"recipe"')},
}
"""What may be in a file that should have a JSON object of ours."""


def pixels(count: int = 20, height: int = 8, width: int = 8) -> np.ndarray:
    """Images that could be trained on, of the digits' size."""
    return np.random.default_rng(0).integers(0, 256, (count, height, width), np.uint8)


def npy(
    descr: Any = "|u1", shape: Any = (20, 8, 8), data: bytes = b"", header: bytes | None = None,
    version: int = 1,
) -> bytes:  # fmt: skip
    """A `.npy` whose header says what it is told to say."""
    fields = {"descr": descr, "fortran_order": False, "shape": shape}
    header = repr(fields).encode("latin1") + b"\n" if header is None else header
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def saved(array: np.ndarray, **options: Any) -> bytes:
    """A `.npy` as NumPy writes it."""
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(**members: np.ndarray | bytes) -> bytes:
    """A compressed `.npz` of arrays, or of members given byte by byte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(f"{name}.npy", member if isinstance(member, bytes) else saved(member))
    return file.getvalue()


@functools.cache
def bomb(shape: tuple[int, ...]) -> bytes:
    """A `.npz` of a quarter of a megabyte that is a thousand times as large when it is unpacked."""
    return npz(images=npy(shape=shape, data=bytes(2**28)))


def patched(archive: bytes, place: int, value: bytes) -> bytes:
    """A `.npz` of one array with other bytes at a place of its entry in the directory.

    The header of the array has the same fields, two bytes before, and is changed in the same way.
    """
    data = bytearray(archive)
    entry = archive.rindex(b"PK\1\2") + place
    data[entry : entry + len(value)] = value
    if place < 28:
        data[place - 2 : place - 2 + len(value)] = value
    return bytes(data)
