"""Sweeps: the runs that one by one would give, in whatever process, and none of them twice."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import kvae
from kvae import runs, sweeps
from kvae.errors import KvaeError, UsageError

GRID = {
    "dataset": ("digits",),
    "latent": (2, 3),
    "seed": (0, 1),
    "hidden": ((16,),),
    "epochs": (3,),
}
NAMES = ["digits-sweep-z2-seed0", "digits-sweep-z2-seed1", "digits-sweep-z3-seed0",
         "digits-sweep-z3-seed1"]  # fmt: skip


@pytest.fixture
def places(tmp_path):
    return {"runs": tmp_path / "runs", "models": tmp_path / "models"}


def swept(places, grid=GRID, **options):
    name, planned = sweeps.plan(grid, runs=places["runs"])
    folder = places["runs"].parent / "sweeps"
    return sweeps.sweep(name, planned, **places, sweeps=folder, **options)


def columns(folder: Path):
    """A history without the seconds, which are never the same."""
    return {k: v for k, v in runs.read_history(folder).items() if k != "seconds"}


def test_every_combination_has_a_name(places):
    name, planned = sweeps.plan(GRID | {"hidden": ((16,), (8, 8))}, runs=places["runs"])
    assert name == "digits-sweep"
    assert [run.name for run in planned[:3]] == [
        "digits-sweep-z2-seed0-h16", "digits-sweep-z2-seed0-h8-8", "digits-sweep-z2-seed1-h16",
    ]  # fmt: skip
    assert planned[5].options == {"latent": 3, "seed": 0, "hidden": (8, 8)}
    assert planned[5].config.model.hidden == (8, 8)
    assert planned[5].config.training.epochs == 3
    assert len({id(run.dataset) for run in planned}) == 1
    with pytest.raises(UsageError, match="--latent has a value twice"):
        sweeps.plan(GRID | {"latent": (2, 2)}, runs=places["runs"])
    with pytest.raises(UsageError, match="must be letters, digits"):
        sweeps.plan(GRID, "../x", runs=places["runs"])


@pytest.mark.parametrize("jobs", [1, 2])
def test_runs_are_those_made_one_by_one(places, jobs):
    told = []
    result = swept(places, jobs=jobs, on_progress=told.append)
    assert [outcome.name for outcome in result.outcomes] == result.trained == NAMES
    assert told[-1] == 12
    digits = kvae.data.load("digits")
    for outcome in result.outcomes:
        config = kvae.configure(digits, hidden=(16,), epochs=3, **outcome.options)
        alone = runs.start(digits, config, f"alone-{outcome.name}", **places)
        assert columns(places["runs"] / outcome.name) == columns(alone.folder)
        model = kvae.load(places["models"] / outcome.name)
        for weight, other in zip(model.weights, alone.model.weights, strict=True):
            np.testing.assert_array_equal(weight, other)
        expected = alone.results | {"training_seconds": outcome.results["training_seconds"]}
        assert outcome.results == expected
    for row in result.rows:
        elbos = [o.results["elbo"] for o in result.outcomes if o.name in row.runs]
        assert row.mean["elbo"] == pytest.approx(statistics.mean(elbos))
        assert row.stddev["elbo"] == pytest.approx(abs(elbos[0] - elbos[1]) / 2**0.5)
    assert [row.options for row in result.rows] == [{"latent": 2}, {"latent": 3}]
    assert {path.name for path in result.folder.iterdir()} == {
        "sweep.json", "curves.png", "latent.png",
    }  # fmt: skip
    assert json.loads((result.folder / "sweep.json").read_text())["rows"][1]["runs"] == NAMES[2:]


def test_what_is_there_is_not_trained_again_and_more_is_added(places):
    first = swept(places)
    files = [places["runs"] / name / "history.csv" for name in NAMES]
    before = [file.stat().st_mtime_ns for file in files]
    again = swept(places, GRID | {"seed": (0, 1, 2)})
    assert again.trained == ["digits-sweep-z2-seed2", "digits-sweep-z3-seed2"]
    assert [file.stat().st_mtime_ns for file in files] == before
    assert [row.runs[:2] for row in again.rows] == [row.runs for row in first.rows]
    with pytest.raises(KvaeError, match="z2-seed0 was trained with other options: choose another"):
        swept(places, GRID | {"epochs": (4,)})


def test_a_run_that_fails_does_not_stop_the_others(places):
    grid = {k: v for k, v in GRID.items() if k != "latent"}
    grid |= {"seed": (0,), "optimizer": ("sgd",), "learning_rate": (1e30, 1e-5)}
    result = swept(places, grid)
    failed, fine = result.outcomes
    assert failed.results is None
    assert "the loss is not finite" in failed.error
    assert fine.error is None
    assert result.trained == [fine.name]
    assert [row.options for row in result.rows] == [{"learning_rate": 1e-5}]
    assert result.rows[0].stddev is None
    with pytest.raises(KvaeError, match="all 2 runs failed, the first: training stopped"):
        swept(places, grid | {"seed": (1,), "learning_rate": (1e30, 1e31)})


def test_a_sweep_that_was_killed_goes_on(tmp_path, cache_home):
    command = [
        Path(sys.executable).with_name("kvae"), "sweep", "--latent", "2,3", "--seed", "0,1",
        "--hidden", "16", "--epochs", "40", "--json",
    ]  # fmt: skip
    environment = os.environ | {"XDG_CACHE_HOME": str(cache_home)}
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for folder in killed, whole:
        folder.mkdir()
    process = subprocess.Popen(
        command, cwd=killed, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    first = killed / "saved_models" / NAMES[0] / "results.json"
    second = killed / "runs" / NAMES[1] / "history.csv"
    end = time.monotonic() + 300
    while not (first.exists() and second.exists()) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (killed / "saved_models" / NAMES[2]).exists()
    written = first.stat().st_mtime_ns
    tables = []
    for folder in killed, whole:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600,
            check=True,
        )  # fmt: skip
        rows = json.loads(done.stdout)["rows"]
        for row in rows:
            for values in row["mean"], row["stddev"]:
                del values["training_seconds"]
        tables.append(rows)
    assert tables[0] == tables[1]
    assert first.stat().st_mtime_ns == written
