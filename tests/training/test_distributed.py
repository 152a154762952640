"""Several devices and workers: the same training as on one, and clear words when one is gone."""

import csv
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import kvae
from kvae.errors import KvaeError, UsageError
from kvae.training import workers

OPTIONS = {"hidden": (16,), "epochs": 3}

MIRRORED = """
import sys
import numpy as np
import tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
import kvae
from kvae.training import workers
dataset = kvae.data.load("digits")
strategy = workers.new_strategy("mirrored")
assert strategy.num_replicas_in_sync == 2
for number, options in enumerate(eval(sys.argv[1])):
    model = kvae.build(kvae.configure(dataset, **options), dataset.train.images)
    history = kvae.train(model, dataset, strategy=strategy)
    elbos = [row["train_elbo"] for row in history]
    np.savez(f"{number}.npz", *model.get_weights(), elbos=elbos)
try:
    kvae.train(kvae.build(kvae.configure(dataset, batch_size=63)), dataset, strategy=strategy)
except kvae.UsageError as error:
    print(error)
"""

WORKER = """
import sys
import numpy as np
import kvae
from kvae.training import epochs, workers
strategy = workers.new_strategy("multiworker")
# As if one were slower than the other: by this an epoch elsewhere is cut into parts.
epochs.PART_SECONDS = float(workers.worker_index(strategy))
dataset = kvae.data.load("digits")
model = kvae.build(kvae.configure(dataset, **eval(sys.argv[1])))
history = kvae.train(model, dataset, strategy=strategy)
assert {weight.value.__class__.__name__ for weight in model.weights} == {"ResourceVariable"}
figures = [[epoch["train_elbo"], epoch["train_kl"], epoch["validation_elbo"]] for epoch in history]
np.savez(f"{workers.worker_index(strategy)}.npz", *model.get_weights(), figures=figures)
seeds = kvae.configure(dataset, **eval(sys.argv[1]), seed=workers.worker_index(strategy))
try:
    kvae.train(kvae.build(seeds), dataset, strategy=strategy)
except kvae.KvaeError as error:
    print(error)
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def two_workers(
    folder: Path, cache_home: Path, *commands: list[str], killed_at: Path | None = None
) -> list[tuple[int, str, str]]:
    """Run Python with the arguments of each worker; exit codes and what was said.

    The second is killed once the history at `killed_at` has some epochs.
    """
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = []
    for index, command in enumerate(commands):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        variables = {"TF_CONFIG": json.dumps(config), "XDG_CACHE_HOME": str(cache_home)}
        processes.append(
            subprocess.Popen(
                [sys.executable, *command], cwd=folder, env=os.environ | variables,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
    try:
        end = time.monotonic() + 200
        while killed_at and time.monotonic() < end:
            if killed_at.is_file() and killed_at.read_bytes().count(b"\n") > 3:
                processes[1].kill()
                break
            time.sleep(0.01)
        said = [process.communicate(timeout=200) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, *texts) for p, texts in zip(processes, said, strict=True)]


def on_one_device(dataset, **options):
    model = kvae.build(kvae.configure(dataset, **options), dataset.train.images)
    return model, kvae.train(model, dataset)


@pytest.mark.slow
def test_two_devices_train_as_one(digits, tmp_path):
    cases = [
        # Draws for pixels, noise, dropout and latents, and weight that decays.
        OPTIONS | {
            "likelihood": "bernoulli", "binarize": "dynamic", "dropout": 0.2, "input_noise": 0.1,
            "optimizer": "adam", "weight_decay": 0.1, "posterior": "full",
        },
        OPTIONS | {
            "bound": "iwae", "importance_samples": 3, "prior": "vamp", "components": 5,
            "posterior": "iaf", "flow_layers": 1, "flow_units": 8, "jit": False,
            "optimizer": "sgd", "learning_rate": 0.01, "clip_norm": 5.0,
        },
        OPTIONS | {
            "condition": "labels", "prior": "mixture", "components": 3, "estimator": "wake-sleep",
            "weight_prior": 1.0, "jit": False,
        },
    ]  # fmt: skip
    result = subprocess.run(
        [sys.executable, "-c", MIRRORED, repr(cases)],
        cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "batches of 63 images cannot be shared equally by 2 devices" in result.stdout
    for number, options in enumerate(cases):
        model, history = on_one_device(digits, **options)
        found = np.load(tmp_path / f"{number}.npz")
        elbos = [epoch["train_elbo"] for epoch in history]
        np.testing.assert_allclose(found["elbos"], elbos, rtol=1e-5)
        for index, weight in enumerate(model.get_weights()):
            np.testing.assert_allclose(found[f"arr_{index}"], weight, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_two_workers_train_as_one(digits, tmp_path, cache_home):
    command = ["-c", WORKER, repr(OPTIONS)]
    for code, printed, said in two_workers(tmp_path, cache_home, command, command):
        assert code == 0, said
        assert "the workers were given different things to train" in printed
    chief, other = (np.load(tmp_path / f"{index}.npz") for index in range(2))
    model, history = on_one_device(digits, **OPTIONS)
    for index, weight in enumerate(model.get_weights()):
        np.testing.assert_array_equal(chief[f"arr_{index}"], other[f"arr_{index}"])
        np.testing.assert_allclose(chief[f"arr_{index}"], weight, rtol=1e-4, atol=1e-5)
    figures = [
        [epoch["train_elbo"], epoch["train_kl"], epoch["validation_elbo"]] for epoch in history
    ]
    np.testing.assert_array_equal(chief["figures"], other["figures"])
    np.testing.assert_allclose(chief["figures"], figures, rtol=1e-6)


@pytest.mark.slow
def test_a_worker_that_is_killed(digits, tmp_path, cache_home):
    options = ["--hidden", "16", "--epochs", "60", "--no-jit"]
    train = ["-m", "kvae_cli.main", "train", "--strategy", "multiworker", "--checkpoint-every", "1"]
    (code, _, said), (other_code, _, _) = two_workers(
        tmp_path, cache_home, *[[*train, *options]] * 2,
        killed_at=tmp_path / "runs/digits-z2/history.csv",
    )  # fmt: skip
    assert other_code == -9
    assert code == 1, said
    assert said.splitlines()[-1].startswith("Error: another worker is gone")
    assert "Traceback" not in said
    assert not (tmp_path / "saved_models/digits-z2").exists()
    resume = [*train, "--resume", "digits-z2"]
    (code, printed, said), (other_code, other_printed, other_said) = two_workers(
        tmp_path, cache_home, resume, resume
    )
    assert (code, other_code) == (0, 0), said + other_said
    assert "on 179 test images" in printed
    assert other_printed == ""
    assert other_said.splitlines()[-1] == "Worker 1 trains along and writes nothing."
    _, history = on_one_device(digits, hidden=(16,), epochs=60, jit=False)
    with (tmp_path / "runs/digits-z2/history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(number) for number in range(1, 61)]
    for row, epoch in zip(rows, history, strict=True):
        assert float(row["validation_elbo"]) == pytest.approx(
            epoch["validation_elbo"], rel=1e-6, abs=1e-4
        )
    # A saved model as any other.
    assert kvae.load(tmp_path / "saved_models/digits-z2").sample(2).shape == (2, 8, 8, 1)
    assert sorted(path.name for path in (tmp_path / "saved_models").iterdir()) == ["digits-z2"]


def test_workers_meet():
    addresses = [f"127.0.0.1:{port}" for port in free_ports(3)]
    errors = []

    def meet(index: int) -> None:
        try:
            workers._meet(addresses, index, 60)
        except KvaeError as error:
            errors.append(error)

    threads = [threading.Thread(target=meet, args=(index,)) for index in (1, 0, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize(("index", "missing"), [(0, 1), (1, 0)])
def test_a_worker_that_is_not_started(index, missing):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    expected = f"worker {missing} at {addresses[missing]} has not been started within 0.2 s"
    with pytest.raises(KvaeError, match=expected):
        workers._meet(addresses, index, 0.2)


def test_an_address_that_is_taken():
    with socket.create_server(("", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(KvaeError, match=f"cannot listen at {address}: Address already in use"):
            workers._meet([address, "127.0.0.1:1"], 0, 0.2)


TASK = {"type": "worker", "index": 0}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "needs the environment variable TF_CONFIG"),
        ("{", "TF_CONFIG is wrong"),
        ("[]", "TF_CONFIG is wrong"),
        ({"cluster": {"worker": ["a:1"]}}, "no 'task'"),
        ({"cluster": {"worker": ["a"]}, "task": TASK}, "TF_CONFIG is wrong"),
        ({"cluster": {"worker": ["a:0"]}, "task": TASK}, "'a:0' is not HOST:PORT"),
        ({"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": TASK}, "must be workers"),
        ({"cluster": {"worker": ["a:1"]}, "task": TASK | {"index": 1}}, "no worker 1 among 1"),
    ],
)
def test_tf_config_that_cannot_be(value, message):
    text = value if isinstance(value, str) else json.dumps(value)
    with pytest.raises(UsageError, match=message):
        workers._read_tf_config(text)


def test_commands_that_cannot_be(command):
    result = command("train", "--strategy", "multiworker", TF_CONFIG="{")
    assert result.returncode == 2
    assert result.stderr.startswith("Error: TF_CONFIG is wrong")
    assert len(result.stderr.splitlines()) == 1
