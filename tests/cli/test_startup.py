"""What makes commands start quickly and quietly changes nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from kvae.errors import KvaeError
from kvae_cli import compiled, startup
from kvae_cli.main import cli

TRAIN = ("train", "--epochs", 2, "--hidden", 8, "--json", "--name")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(compiled.FLAGS, "")
    return tmp_path / "cache"


def entries(cache: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in cache.glob("kvae/xla/*/*.pb")}


@pytest.mark.slow
def test_compiled_code_is_kept_and_gives_the_same_bytes(command, cache, tmp_path):
    def train(name):
        done = command(*TRAIN, name, XDG_CACHE_HOME=str(cache))
        assert done.returncode == 0, done.stderr
        results = json.loads(done.stdout)["results"]
        del results["training_seconds"]
        weights = tmp_path / "saved_models" / name / "variables"
        return results, (weights / "variables.data-00000-of-00001").read_bytes()

    first = train("first")
    kept = entries(cache)
    assert len(kept) == 2  # The epoch, and the evaluation.
    assert train("second") == first
    assert entries(cache) == kept


@pytest.mark.parametrize("explained", [False, True])
def test_code_is_removed_when_tensorflow_fails(cache, monkeypatch, explained):
    error = tf.errors.DataLossError(None, None, "Can't parse x.pb as binary proto")

    def fail():
        if explained:
            raise KvaeError("resume it") from error
        raise error

    compiled.keep()
    assert compiled.folder().is_dir()
    monkeypatch.setattr(startup, "install", fail)
    with pytest.raises(SystemExit) as ended:
        cli(["list"], prog_name="kvae")
    assert ended.value.code == 1
    assert not compiled.folder().exists()


def test_nothing_is_kept_where_that_is_not_possible(cache, monkeypatch):
    cache.touch()
    monkeypatch.setenv(compiled.FLAGS, "--other --tf_xla_persistent_cache_directory=parent")
    compiled.keep()
    assert os.environ[compiled.FLAGS] == "--other"
    cache.unlink()
    compiled.keep()
    assert str(compiled.folder()) in os.environ[compiled.FLAGS]
    monkeypatch.setattr(compiled, "SPACE", 2**80)
    compiled.keep()
    assert os.environ[compiled.FLAGS] == "--other"


@pytest.mark.parametrize("name", ["XLA_FLAGS", "TF_NUM_INTRAOP_THREADS"])
def test_settings_have_code_of_their_own(name, monkeypatch):
    monkeypatch.delenv(name, raising=False)
    usual = compiled.folder()
    monkeypatch.setenv(name, "2")
    assert compiled.folder() != usual
    assert compiled.folder() == compiled.folder()


def test_old_code_is_removed(cache):
    compiled.keep()
    place = compiled.folder()
    for number in range(compiled.ENTRIES + 3):
        (place / f"{number}.pb").touch()
        os.utime(place / f"{number}.pb", (1e9 + number, 1e9))
    compiled.keep()
    left = sorted(int(path.stem) for path in place.iterdir())
    assert left == list(range(3, compiled.ENTRIES + 3))


def test_tensorflow_is_imported_quietly(tmp_path):
    program = """
import importlib.util, os, sys
from kvae_cli import startup
startup.install()
assert importlib.util.find_spec("tensorflow") and "tensorflow" not in sys.modules
import tensorflow, keras, tensorflow_probability
for number in range(9):
    tensorflow.function(lambda x: x)(number)
os.write(2, b"shown")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "shown")
