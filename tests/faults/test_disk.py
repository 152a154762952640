"""A disk that is full, or cannot be written any more: one line, and nothing is lost."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .process import differences, leftovers, outcome, run

TRAIN = ("train", "--hidden", "16", "--epochs", "6", "--checkpoint-every", "1", "--no-jit")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> Iterator[Path]:
    """A small disk of its own, with a run that was trained without trouble."""
    place = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes privileges that are not to be had here")
    os.environ["XDG_CACHE_HOME"] = str(cache_home)
    try:
        done = run(place, "nothing", 0, "", *TRAIN, "--name", "whole")
        assert done.returncode == 0, done.stderr
        yield place
    finally:
        del os.environ["XDG_CACHE_HOME"]
        subprocess.run(["umount", str(place)], check=True)


def contents(folder: Path) -> dict[str, bytes]:
    """Of all files of complete runs."""
    found = (folder / part / "whole" for part in ("runs", "saved_models"))
    return {str(p): p.read_bytes() for part in found for p in part.rglob("*") if p.is_file()}


FULL = "rm filler filled"
NO_SPACE = "no space left on the device of runs/"


def read_only(folder: str) -> tuple[str, str, str]:
    """How a folder becomes read-only, how it is put right, and what is said of it."""
    return f"mount -t tmpfs -o ro tmpfs {folder}", f"umount {folder}", "Read-only file system"


FAULTS = {
    "full": [
        ("checkpoint", 3, "full", FULL, NO_SPACE),
        ("events", 1, "full", FULL, NO_SPACE),
        ("export", 1, "full", FULL, NO_SPACE),
    ],
    "read-only": [
        # A disk with files that are being written cannot be made read-only, a folder can.
        ("checkpoint", 3, *read_only("runs/read-only/checkpoints")),
        ("export", 1, *read_only("saved_models")),
    ],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_run_outlasts_its_disk(disk, name):
    before = contents(disk)
    going = (*TRAIN, "--name", name)
    for what, when, how, cure, message in FAULTS[name]:
        failed = run(disk, what, when, how, *going)
        subprocess.run(cure, shell=True, cwd=disk, check=True)
        last = failed.stderr.splitlines()[-1]
        assert failed.returncode == 1, failed.stderr
        assert "Traceback" not in failed.stderr
        assert last.startswith("Error: ")
        assert message in last
        assert last.endswith(f"then resume it with --resume {name}")
        assert contents(disk) == before
        going = ("train", "--resume", name)
    resumed = run(disk, "nothing", 0, "", *going)
    assert resumed.returncode == 0, resumed.stderr
    assert differences(outcome(disk, "whole"), outcome(disk, name)) == []
    assert leftovers(disk) == []
