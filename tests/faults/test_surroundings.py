"""What is around a run goes missing or is in use: datasets, TensorBoard, names, memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .process import differences, outcome, run

SMALL = ("train", "--hidden", "16", "--epochs", "4", "--checkpoint-every", "1", "--no-jit")


@pytest.fixture(autouse=True)
def compiled(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled is kept from test to test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))


@pytest.mark.slow
def test_a_dataset_that_vanishes(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (50, 6, 6), np.uint8)
    np.save(tmp_path / "images.npy", images)
    train = (*SMALL, "--dataset", "images.npy", "--name")
    # It is in memory by then.
    gone = run(tmp_path, "checkpoint", 2, "mv images.npy away.npy", *train, "gone")
    assert gone.returncode == 0, gone.stderr
    (tmp_path / "away.npy").rename(tmp_path / "images.npy")
    assert run(tmp_path, "checkpoint", 3, "killed", *train, "cut").returncode == -9
    (tmp_path / "images.npy").rename(tmp_path / "away.npy")
    without = run(tmp_path, "nothing", 0, "", "train", "--resume", "cut")
    assert without.returncode == 1
    assert "images.npy: No such file" in without.stderr.splitlines()[-1]
    (tmp_path / "away.npy").rename(tmp_path / "images.npy")
    assert run(tmp_path, "nothing", 0, "", "train", "--resume", "cut").returncode == 0
    assert differences(outcome(tmp_path, "gone"), outcome(tmp_path, "cut")) == []


def test_without_tensorboard(invoke, tmp_path, monkeypatch):
    # Its imports fail as where it is not installed.
    for module in [*sys.modules]:
        if module.split(".")[0] == "tensorboard":
            monkeypatch.setitem(sys.modules, module, None)
    for module in "kvae.runs.summaries", "kvae.runs.events":
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    done = invoke(*SMALL, "--name", "mine")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("TensorBoard is not installed") == 1
    assert not list((tmp_path / "runs/mine").rglob("events.*"))
    assert (tmp_path / "saved_models/mine/config.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", [["--name", "mine"], []])
def test_two_processes_at_once(tmp_path, name):
    kvae = Path(sys.executable).with_name("kvae")
    processes = [
        subprocess.Popen([kvae, *SMALL, *name], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=200)[1] for process in processes]
    codes = sorted(process.returncode for process in processes)
    runs = sorted(path.name for path in (tmp_path / "saved_models").iterdir())
    if name:
        assert codes == [0, 1], said
        assert runs == ["mine"]
        assert any("Error: runs/mine exists already" in text for text in said)
    else:
        assert codes == [0, 0], said
        assert runs == ["digits-z2", "digits-z2-2"]
    assert "Traceback" not in "".join(said)


def test_more_memory_than_there_is(invoke, tmp_path):
    done = invoke("train", "--hidden", "400000,400000", "--name", "mine")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) < 4
    assert "memory" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.glob("runs/*"))
