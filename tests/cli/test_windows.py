"""kvae trains, resumes, locks and exports without the modules and the signals of POSIX."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import builtins, contextlib, json, os, signal, sys

import_module = builtins.__import__

def guarded(name, globals=None, locals=None, fromlist=(), level=0):
    # Other packages have versions of their own for each system.
    importer = (globals or {}).get("__name__", "").split(".")[0]
    if name in ("fcntl", "resource", "termios", "pwd", "grp") and importer.startswith("kvae"):
        raise ImportError(name)
    return import_module(name, globals, locals, fromlist, level)

builtins.__import__ = guarded
for name in "SIGHUP", "SIGKILL", "SIGPIPE", "SIGALRM", "SIGUSR1":
    delattr(signal, name)
for name in "sched_getaffinity", "set_blocking":
    delattr(os, name)

from kvae.io import locks
from kvae_cli.main import main

assert not locks.HAS_FLOCK
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    with contextlib.suppress(SystemExit):
        main()
"""


@pytest.mark.slow
def test_a_system_without_posix(tmp_path):
    folder = tmp_path / "with spaces, ü"
    folder.mkdir()
    small = ["--hidden", "8"]
    commands = [
        ["train", "--name", "a", "--epochs", "2", *small],
        ["train", "--resume", "a", "--epochs", "3"],
        ["train", "--name", "a", "--overwrite", "--epochs", "1", *small],
        ["sample", "a"],
        ["list", "--json"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert "Error" not in done.stderr, done.stderr
    assert (folder / "samples.png").is_file()
    assert (folder / "saved_models/a/saved_model.pb").is_file()
    assert json.loads((folder / "runs/a/results.json").read_text())["epochs"] == 1
