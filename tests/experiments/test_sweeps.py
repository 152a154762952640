"""A sweep trains the same runs as separate commands do, in any process, and none of them twice."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import kvae
from kvae import runs
from kvae.errors import KvaeError, UsageError
from kvae.experiments import sweeps
from kvae.runs import folders
from kvae.runs.history import read_history

GRID = {
    "dataset": ("digits",),
    "latent": (2, 3),
    "seed": (0, 1),
    "hidden": ((16,),),
    "epochs": (3,),
    "jit": (False,),
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
    """The columns of a history without `seconds`, which differs each time."""
    return {k: v for k, v in read_history(folder).items() if k != "seconds"}


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
    with pytest.raises(UsageError, match="`latent` has a value twice"):
        sweeps.plan(GRID | {"latent": (2, 2)}, runs=places["runs"])
    with pytest.raises(UsageError, match="must be letters, digits"):
        sweeps.plan(GRID, "../x", runs=places["runs"])


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A function that trains a single run of the grid."""

    def make(**options):
        folder = tmp_path_factory.mktemp("alone")
        digits = kvae.data.load("digits")
        config = kvae.configure(digits, **{"hidden": (16,), "epochs": 3, **options})
        return runs.start(digits, config, None, folder / "runs", folder / "models")

    return make


@pytest.fixture(scope="module")
def expected(alone):
    """All runs of the grid, trained one after the other."""
    pairs = itertools.product(GRID["latent"], GRID["seed"])
    return [alone(latent=latent, seed=seed, jit=False) for latent, seed in pairs]


@pytest.mark.slow
def test_runs_are_those_made_one_by_one(places, expected):
    told = []
    result = swept(places, jobs=2, on_progress=told.append)
    assert [outcome.name for outcome in result.outcomes] == result.trained == NAMES
    assert told[-1] == 12
    for outcome, run in zip(result.outcomes, expected, strict=True):
        assert columns(places["runs"] / outcome.name) == columns(run.folder)
        model = kvae.load(places["models"] / outcome.name)
        for weight, other in zip(model.weights, run.model.weights, strict=True):
            np.testing.assert_array_equal(weight, other)
        seconds = outcome.results["training_seconds"]
        assert outcome.results == run.results | {"training_seconds": seconds}
    for row in result.rows:
        elbos = [o.results["elbo"] for o in result.outcomes if o.name in row.runs]
        assert row.mean["elbo"] == pytest.approx(statistics.mean(elbos))
        assert row.stddev["elbo"] == pytest.approx(abs(elbos[0] - elbos[1]) / 2**0.5)
    assert [row.options for row in result.rows] == [{"latent": 2}, {"latent": 3}]
    assert {path.name for path in result.folder.iterdir()} == {
        "sweep.json", "curves.png", "latent.png",
    }  # fmt: skip
    assert json.loads((result.folder / "sweep.json").read_text())["rows"][1]["runs"] == NAMES[2:]


def test_the_command_prints_a_row_for_each_setting(invoke, tmp_path):
    done = invoke("sweep", "--latent", "2,3", "--hidden", 8, "--epochs", 1, "--no-jit")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for latent in 2, 3:
        results = folders.read_results(tmp_path / f"runs/digits-sweep-z{latent}")
        (row,) = [line for line in lines if line.startswith(f"latent {latent} ")]
        assert f" {results['elbo']:.2f} " in row
    assert "sweeps/digits-sweep" in done.stdout


@pytest.mark.slow
def test_what_is_there_is_not_trained_again_and_more_is_added(places):
    grid = {k: v for k, v in GRID.items() if k != "latent"}
    first = swept(places, grid)
    kept, deleted = (places["runs"] / name for name in first.trained)
    before = (kept / "history.csv").stat().st_mtime_ns
    shutil.rmtree(deleted)
    again = swept(places, grid | {"seed": (0, 1, 2)})
    assert again.trained == [deleted.name, "digits-sweep-seed2"]
    assert (kept / "history.csv").stat().st_mtime_ns == before
    assert again.rows[0].runs == [kept.name, *again.trained]
    results = [{**each.results, "training_seconds": 0} for each in again.outcomes]
    assert results[:2] == [{**each.results, "training_seconds": 0} for each in first.outcomes]
    with pytest.raises(KvaeError, match="seed0 was trained with other options: choose another `n"):
        swept(places, grid | {"epochs": (4,)})
    shutil.rmtree(places["runs"])
    with pytest.raises(KvaeError, match="models/digits-sweep-seed0 is another model: choose anot"):
        swept(places, grid | {"epochs": (4,)})


@pytest.mark.slow
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
    with pytest.raises(KvaeError, match="all 2 runs failed; the first error: training stopped"):
        swept(places, grid | {"learning_rate": (1e30, 1e31)})


@pytest.mark.slow
def test_a_sweep_that_is_interrupted_resumes(invoke, tmp_path, alone):
    options = ["sweep", "--seed", "0,1", "--hidden", "16", "--epochs", "200", "--no-jit", "--json"]
    command = [Path(sys.executable).with_name("kvae"), *options]
    done = tmp_path / "saved_models/digits-sweep-seed0/results.json"
    begun = tmp_path / "runs/digits-sweep-seed1/history.csv"
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 300
    while not (begun.exists() and begun.read_bytes().count(b"\n") > 50):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 143, said
    assert said.splitlines()[-1] == "Error: interrupted: repeat the same command to resume"
    written = done.stat().st_mtime_ns
    assert not (tmp_path / "saved_models/digits-sweep-seed1").exists()
    result = invoke(*options)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    (row,) = found["rows"]
    assert row["runs"] == [run["name"] for run in found["runs"]]
    whole = alone(seed=1, epochs=200, jit=False)
    assert columns(tmp_path / "runs" / row["runs"][1]) == columns(whole.folder)
    assert done.stat().st_mtime_ns == written


@pytest.mark.slow
def test_an_interruption_of_several_at_a_time_is_one_line(tmp_path):
    # So many images that joblib shares them between processes through files.
    np.save(tmp_path / "some.npy", np.random.default_rng(0).integers(0, 256, (3000, 20, 20), "u1"))
    process = subprocess.Popen(
        [Path(sys.executable).with_name("kvae"), "sweep", "--dataset", "some.npy", "--seed",
         "0,1,2,3,4,5,6,7", "--hidden", "16", "--epochs", "1000", "--no-jit", "--jobs", "2"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 300
    while not list(tmp_path.glob("runs/*/history.csv")) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 143, said
    first, last = said.splitlines()
    assert first == "some-sweep: 8 runs, 8,000 epochs."
    assert last == "Error: interrupted: repeat the same command to resume"


@contextlib.contextmanager
def running(*command: str, ready: str) -> Iterator[None]:
    """Runs a command in the background; the block starts when the command is ready."""
    process = subprocess.Popen(
        [Path(sys.executable).with_name(command[0]), *command[1:]],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if ready in line:
                break
        else:
            pytest.fail("".join(said))
        # The rest of the output is read so that it does not fill the pipe.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


@contextlib.contextmanager
def ray_cluster() -> Iterator[dict[str, str]]:
    port = free_port()
    with running(
        "ray", "start", "--head", "--block", "--disable-usage-stats", "--include-dashboard",
        "false", "--node-ip-address", "127.0.0.1", "--port", str(port), "--num-cpus", "2",
        ready="--block",
    ):  # fmt: skip
        yield {"RAY_ADDRESS": f"127.0.0.1:{port}"}


@contextlib.contextmanager
def dask_cluster() -> Iterator[dict[str, str]]:
    address = f"127.0.0.1:{free_port()}"
    scheduler = ["--host", "127.0.0.1", "--port", address.split(":")[1], "--no-dashboard"]
    worker = ["tcp://" + address, "--nworkers", "2", "--nthreads", "1", "--no-dashboard"]
    with (
        running("dask", "scheduler", *scheduler, ready="Scheduler at"),
        running("dask", "worker", *worker, ready="Registered to"),
    ):
        yield {"DASK_SCHEDULER_ADDRESS": "tcp://" + address}


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "cluster"), [("ray", ray_cluster), ("dask", dask_cluster)])
def test_a_cluster_trains_the_same_runs(command, tmp_path, expected, backend, cluster):
    with cluster() as address:
        done = command(
            "sweep", "--latent", "2,3", "--hidden", 16, "--epochs", 3, "--no-jit", "--jobs", 4,
            "--backend", backend, "--json", **address,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = [run["name"] for run in json.loads(done.stdout)["runs"]]
    assert names == ["digits-sweep-z2", "digits-sweep-z3"]
    for name, run in zip(names, expected[::2], strict=True):
        assert columns(tmp_path / "runs" / name) == columns(run.folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "variables", "said"),
    [
        ("ray", {"RAY_ADDRESS": f"127.0.0.1:{free_port()}"}, "no Ray cluster answers"),
        ("dask", {}, "set DASK_SCHEDULER_ADDRESS"),
        ("dask", {"DASK_SCHEDULER_ADDRESS": "tcp://127.0.0.1:9"}, "no Dask scheduler answers at"),
    ],
)
def test_a_cluster_that_is_not_there(command, tmp_path, backend, variables, said):
    # A process of its own: Dask reads its variables once.
    done = command("sweep", "--backend", backend, "--epochs", 1, **variables)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("runs/*"))
