"""Every second of a command counts once, for the stage it belongs to."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import commands, growth, stages


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test moves."""
    now = [100.0]
    monkeypatch.setattr(stages.time, "perf_counter", lambda: now[0])

    def tick(seconds):
        now[0] += seconds

    return tick


def test_a_moment_counts_for_the_innermost_stage(clock):
    watch = stages.Stopwatch()
    clock(1)
    with watch.stage("train"):
        clock(2)
        with watch.stage("compile"):
            clock(4)
        clock(8)
    clock(16)
    with watch.stage("compile"):
        clock(32)
    assert watch.seconds == {"other": 17, "train": 10, "compile": 36}


def test_a_stage_that_fails_counts_too(clock):
    watch = stages.Stopwatch()
    with pytest.raises(OSError, match="full"), watch.stage("export"):
        clock(3)
        raise OSError("full")
    with watch.stage("end"):
        clock(1)
    assert watch.seconds == {"other": 0, "export": 3, "end": 1}


@pytest.mark.slow
def test_the_stages_of_a_real_training(tmp_path):
    target = tmp_path / "stages.json"
    options = ["--epochs", "2", "--hidden", "8"]
    seconds, memory = commands.run_command(
        [sys.executable, "-m", "benchmarks.stages", str(target), "train", *options], tmp_path
    )
    by_stage = json.loads(target.read_text())
    for stage in {*stages.STAGES.values(), "import tensorflow", "compile evaluation"}:
        if stage != "load model":
            assert by_stage[stage] > 0, stage
    assert sum(by_stage.values()) <= seconds
    assert memory > 100
    assert (tmp_path / "saved_models" / "digits-z2" / "saved_model.pb").is_file()


def test_a_command_that_fails_is_not_timed(tmp_path):
    with pytest.raises(RuntimeError, match="no such thing"):
        commands.run_command([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path)


def test_tables():
    def command(seconds, **by_stage):
        return {"seconds": [seconds], "memory": [100.0], "stages": [by_stage]}

    results = {
        name: {"seconds": [seconds], "memory": [50.0]}
        for name, seconds in zip(commands.BASELINES, (0.1, 4.0), strict=True)
    }
    results |= {"kvae --help": command(0.2, other=0.2), "kvae train": command(8, train=6, other=2)}
    lines = commands.table(results).splitlines()
    assert lines[4] == "| `kvae --help` | 0.20 | 2.0 | 0.1 | 100 |"
    assert lines[5] == "| `kvae train` | 8.00 | 80.0 | 2.0 | 100 |"
    assert lines[-2:] == ["| train |  | 6.00 |", "| other | 0.20 | 2.00 |"]


def test_growth_table_and_plot(tmp_path):
    def point(value, seconds):
        figures = {"seconds": seconds, "to_floor": 2.0, "memory": 900.0}
        chunks = {growth.CHUNKS: figures | {"seconds": 1.1 * seconds}}
        return {"value": value, growth.FLOOR: figures, growth.KVAE: figures} | chunks

    results = {"images": [point(10_000, 0.5), point(20_000, 1.0)]}
    assert growth.table(results).splitlines()[2:] == [
        "| images | 10,000 | 0.500 | 0.500 | 2.00 | 900 | 1.10 | 900 |",
        "| images | 20,000 | 1.000 | 1.000 | 2.00 | 900 | 1.10 | 900 |",
    ]
    growth.plot(results, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000


def test_commands_are_described():
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=root, capture_output=True, text=True
    )
    for name in "training", "commands", "growth", "profile":
        assert f"  {name} " in done.stdout
