"""What makes commands start quickly changes nothing else."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kvae_cli import compiled

TRAIN = ("train", "--epochs", 2, "--hidden", 8, "--json", "--name")


@pytest.fixture
def train(command, tmp_path):
    """Trains with a cache of its own, and gives the test results and the saved weights."""

    def run(name):
        done = command(*TRAIN, name, XDG_CACHE_HOME=str(tmp_path / "cache"))
        assert done.returncode == 0, done.stderr
        results = json.loads(done.stdout)["results"]
        del results["training_seconds"]
        weights = tmp_path / "saved_models" / name / "variables"
        return results, (weights / "variables.data-00000-of-00001").read_bytes()

    return run


def entries(cache: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in cache.glob("kvae/xla/*/*") if p.is_file()}


def test_compiled_code_is_kept_and_gives_the_same_bytes(train, tmp_path):
    first = train("first")
    kept = entries(tmp_path / "cache")
    assert len(kept) == 2  # The epoch, and the evaluation.
    assert train("second") == first
    assert entries(tmp_path / "cache") == kept
    # What is damaged is made anew.
    damaged = sorted(entries(tmp_path / "cache"))[0]
    whole = Path(damaged).read_bytes()
    Path(damaged).write_bytes(whole[:1000])
    assert train("third") == first
    anew = [Path(path) for path in entries(tmp_path / "cache")]
    assert len(anew) == 2
    assert min(path.stat().st_size for path in anew) > 1000


def test_nothing_is_kept_where_there_is_no_place(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with compiled.kept():
        assert "persistent_cache" not in os.environ.get(compiled.FLAGS, "")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", compiled.SETTINGS)
def test_settings_have_code_of_their_own(name, monkeypatch):
    monkeypatch.delenv(name, raising=False)
    usual = compiled.folder()
    monkeypatch.setenv(name, "2")
    assert compiled.folder() != usual
    assert compiled.folder() == compiled.folder()


def test_old_code_is_removed(tmp_path):
    paths = []
    for number in range(compiled.ENTRIES + 3):
        path = tmp_path / "new"
        path.write_bytes(number.to_bytes(2))
        paths.append(path.rename(tmp_path / f"{number}.pb.{compiled._checksum(path)}"))
    (tmp_path / "strange.pb").touch()
    kept = compiled._whole(tmp_path)
    assert sorted(kept) == sorted(tmp_path.iterdir())
    assert len(kept) == compiled.ENTRIES
    assert paths[-1] in kept


def test_keras_is_imported_without_what_it_can_do_without(tmp_path):
    program = """
import sys
from kvae_cli import startup
startup.install()
import tensorflow, keras, tensorflow_probability
assert not {"sklearn", "matplotlib"} & set(sys.modules)
# They can still be had.
from sklearn.datasets import load_digits
assert load_digits().images.shape == (1797, 8, 8)
from matplotlib import patches, pyplot
assert isinstance(pyplot.figure(), pyplot.Figure)
assert not [finder for finder in sys.meta_path if "kvae_cli" in type(finder).__module__]
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_what_killed_processes_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in "dead", "alive", "young":
        (tmp_path / f"{compiled.PREFIX}{name}").mkdir()
    for name in "dead", "alive":
        os.utime(tmp_path / f"{compiled.PREFIX}{name}", (0, 0))
    assert compiled._lock(tmp_path / f"{compiled.PREFIX}alive")
    compiled._remove_what_others_left()
    left = sorted(path.name.removeprefix(compiled.PREFIX) for path in tmp_path.iterdir())
    assert left == ["alive", "young"]
