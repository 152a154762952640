"""The real command in a process to which something happens."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import kvae
from kvae.runs.history import read_history

from .. import in_process

PROGRAM = """
import functools
import os
import signal
import subprocess
import sys
import threading
import time

what, when, how = sys.argv[1], float(sys.argv[2]), sys.argv[3]
del sys.argv[1:4]
count = 0


def happen():
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "full":
        with open("filler", "ab", buffering=0) as file, open("filled", "w"):
            block = bytes(65536)
            while block:
                try:
                    if file.write(block) < len(block):
                        raise OSError
                except OSError:
                    block = block[: len(block) // 2]
    else:
        subprocess.run(how, shell=True, check=True)


def later(seconds):
    def wait():
        time.sleep(seconds)
        happen()

    threading.Thread(target=wait, daemon=True).start()


def hear(event, arguments):
    # What changes files: Python's own doings, not those of TensorFlow.
    global count
    if event == "open":
        writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    else:
        writes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod")
    if writes and not str(arguments[0]).startswith("/dev"):
        count += 1
        if count == when:
            happen()


def at(module, name, action):
    # When a function is called: `when` is the number of the call, and what follows its point the
    # milliseconds until it happens.
    def patch(function):
        @functools.wraps(function)
        def patched(*arguments, **options):
            global count
            count += 1
            if count == int(when):
                action()
            return function(*arguments, **options)

        return patched

    import importlib

    owner = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    setattr(owner, last, patch(getattr(owner, last)))


CALLS = {
    "checkpoint": ("kvae.runs.checkpoints", "Checkpoints.save"),
    "export": ("kvae.runs.saved_models", "save"),
    "events": ("kvae.runs.summaries", "Summaries.epoch"),
}
if what == "time":
    later(when)
elif what == "files":
    sys.addaudithook(hear)
else:
    from kvae_cli import startup

    startup.install()
    delay = when % 1
    at(*CALLS[what], happen if not delay else lambda: later(delay))
from kvae_cli.main import main

try:
    main()
finally:
    if what == "files":
        print(count, file=open("files", "w"))
"""


def run(
    folder: Path, what: str, when: float, how: str, *arguments: str, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """`kvae` with arguments, in a process of its own if something happens to it.

    Args:
        folder: Where it works.
        what: `time`, `files`, `checkpoint`, `export`, `events` or `nothing`: what is counted.
        when: Seconds; or the number of the change to a file, or of the call, from 1, and in the
            part behind its point the seconds from there.
        how: `killed`, `full` for a disk without space, or a command of the shell.
        arguments: Of `kvae`.
        seconds: More is a failure.
    """
    if what == "nothing":
        return in_process.run(folder, *arguments)
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, what, str(when), how, *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, timeout=seconds, check=False, env=os.environ,
    )  # fmt: skip


def outcome(folder: Path, name: str) -> dict[str, np.ndarray]:
    """All that a run gave, but for how long it took: weights, history, samples, events."""
    model = kvae.load(folder / "saved_models" / name)
    found = {f"weight {i}": weight for i, weight in enumerate(model.get_weights())}
    found["samples"] = model.sample(3, 1).numpy()
    run = folder / "runs" / name
    for column, values in read_history(run).items():
        if column != "seconds":
            found[f"history {column}"] = np.array(values)
    with np.load(run / "frames.npz") as frames:
        found |= {f"frames {key}": frames[key] for key in frames.files}
    for part in ".", "train", "validation":
        events = EventAccumulator(str(run / part), {"tensors": 0}).Reload()
        for tag in events.Tags()["tensors"]:
            found[f"steps {part} {tag}"] = np.array([event.step for event in events.Tensors(tag)])
        if part != ".":
            values = [tf.make_ndarray(e.tensor_proto) for e in events.Tensors("elbo")]
            found[f"events {part}"] = np.array(values)
    for path in sorted((folder / "saved_models" / name / "variables").iterdir()):
        if path.suffix != ".index":
            found[f"file {path.name}"] = np.frombuffer(path.read_bytes(), np.uint8)
    return found


def differences(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> list[str]:
    """Names of what is not the same, bit for bit."""
    return [
        name
        for name in sorted({*one, *other})
        if name not in one or name not in other or not np.array_equal(one[name], other[name])
    ]


def leftovers(folder: Path) -> list[str]:
    """Files and folders that have no business there once a run is complete."""
    return [
        str(path.relative_to(folder))
        for part in ("runs", "saved_models")
        for path in (folder / part).rglob("*")
        if path.name.startswith(".") or "_temp" in path.name or ".tmp" in path.name
    ]
