"""Signals, terminals that go away and closed pipes: the run is saved, and one line tells."""

import fcntl
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kvae.runs.history import read_history

from ..faults.process import PROGRAM, differences, leftovers, outcome, run

EPOCHS = 300
TRAIN = ("train", "--hidden", "16", "--epochs", str(EPOCHS), "--name")
KVAE = str(Path(sys.executable).with_name("kvae"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> Iterator[Path]:
    """A folder with a saved model."""
    folder = tmp_path_factory.mktemp("signals")
    model = Path(__file__).parents[1] / "fixtures/earlier/saved_models/complete"
    shutil.copytree(model, folder / "saved_models/complete")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache_home))
        yield folder


@pytest.fixture(scope="module")
def whole(place: Path) -> dict[str, np.ndarray]:
    """What a run that was left in peace gave."""
    done = run(place, "nothing", 0, "", *TRAIN, "whole")
    assert done.returncode == 0, done.stderr
    return outcome(place, "whole")


def hear() -> None:
    """Ignore no signal, as a command in the background of a script does SIGINT."""
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, signal.SIG_DFL)


def begin(folder: Path, name: str, **options: object) -> subprocess.Popen[str]:
    """A training that has come to its tenth epoch."""
    process = subprocess.Popen(
        [KVAE, *TRAIN, name], cwd=folder, text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": hear, **options},
    )  # fmt: skip
    wait_for(folder / "runs" / name / "history.csv", process)
    return process


def wait_for(history: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a process has come to its tenth epoch."""
    end = time.monotonic() + 100
    while not (history.is_file() and history.read_bytes().count(b"\n") > 10):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.005)


def resume_and_compare(folder: Path, name: str, whole: dict[str, np.ndarray]) -> None:
    """Resume a run that was stopped, and compare it with one that was left in peace."""
    done = len(read_history(folder / "runs" / name)["epoch"])
    assert 10 <= done < EPOCHS
    resumed = run(folder, "nothing", 0, "", "train", "--resume", name)
    assert resumed.returncode == 0, resumed.stderr
    assert differences(whole, outcome(folder, name)) == []
    assert leftovers(folder) == []


@pytest.mark.parametrize(
    ("asked", "code"), [("SIGINT", 130), pytest.param("SIGTERM", 143, marks=pytest.mark.slow)]
)
def test_a_signal_saves_the_run(place, asked, code):
    process = begin(place, asked.lower())
    process.send_signal(getattr(signal, asked))
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    last = said.splitlines()[-1]
    assert last.startswith("Error: stopped after epoch ")
    assert last.endswith(f": resume it with --resume {asked.lower()}")
    assert f"{asked}: saving the run; SIGINT stops at once" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_second_sigint_stops_at_once(place):
    # Saving takes half a minute.
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "checkpoint", "1", "sleep 30", *TRAIN, "twice"],
        cwd=place, stderr=subprocess.PIPE, text=True, preexec_fn=hear,
    )  # fmt: skip
    wait_for(place / "runs/twice/history.csv", process)
    process.send_signal(signal.SIGINT)
    while "saving the run" not in process.stderr.readline():
        assert process.poll() is None
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=25) == 130
    assert time.monotonic() - asked < 20


@pytest.mark.slow
def test_a_terminal_that_goes_away(place, whole):
    master, slave = pty.openpty()

    def take_terminal() -> None:
        hear()
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    process = begin(
        place, "terminal", stdin=slave, stdout=slave, stderr=slave, preexec_fn=take_terminal
    )
    os.close(slave)
    os.close(master)
    assert process.wait(timeout=60) == 129
    resume_and_compare(place, "terminal", whole)


@pytest.mark.parametrize(
    "seconds",
    [1, pytest.param(0.5, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)],
)
def test_a_signal_ends_other_commands_at_once(place, seconds):
    process = subprocess.Popen(
        [KVAE, "evaluate", "complete"],
        cwd=place, stderr=subprocess.PIPE, text=True, preexec_fn=hear,
    )  # fmt: skip
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - asked < 5
    assert process.returncode == 143
    assert said == "Error: interrupted\n"


@pytest.mark.slow
def test_a_signal_ends_the_processes_of_a_sweep(place):
    runs = [place / f"runs/digits-sweep-seed{seed}/history.csv" for seed in (0, 1)]
    process = subprocess.Popen(
        [KVAE, "sweep", "--seed", "0,1", "--jobs", "2", "--epochs", "2000", "--hidden", "16"],
        cwd=place, stderr=subprocess.PIPE, text=True, preexec_fn=hear,
    )  # fmt: skip
    for run_ in runs:
        wait_for(run_, process)
    process.send_signal(signal.SIGTERM)
    # Standard error is closed when the last process that has it ends.
    _, said = process.communicate(timeout=20)
    assert process.returncode == 143
    assert said.splitlines()[1:] == ["Error: interrupted: repeat the same command to resume"]


def test_a_closed_pipe(place):
    process = subprocess.Popen(
        [KVAE, "list", "--json"], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.wait(timeout=60) != 0
    assert process.stderr.read() == b""
