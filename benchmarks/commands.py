"""Measure the time and memory of whole commands, and the time of each of their stages."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import tqdm

from benchmarks.contestants import CONTESTANTS
from benchmarks.problems import PROBLEMS
from benchmarks.training import Worker

MNIST = ("train", "--dataset", "mnist", "--latent", "20", "--hidden", "500")
COMMANDS = {
    "kvae --help": ("--help",),
    "kvae train": ("train",),
    "kvae train --dataset mnist --epochs 10": ("train", "--dataset", "mnist", "--epochs", "10"),
    "kvae sample": ("sample",),
}
"""The commands that are measured, in this order, since the last one needs a saved model."""
BASELINES = {
    'python -c "import click"': "import click",
    'python -c "import tensorflow"': "import tensorflow",
}
"""Programs whose time the commands are compared with."""


def whole(rounds: int) -> dict[str, Any]:
    """Run all commands in turn, several times.

    The first round compiles, and its compiled code is kept for the following rounds.

    Args:
        rounds: How many times each command runs.

    Returns:
        For each command and each program of `BASELINES`, the seconds and the peak memory of every
        round; for each command also the seconds of each stage.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        results: dict[str, Any] = {}
        for round_ in tqdm(range(rounds), desc="commands", disable=None, leave=False):
            for name, program in BASELINES.items():
                _add(results, name, *run_command([sys.executable, "-c", program], place))
            for name, arguments in COMMANDS.items():
                stages = place / "stages.json"
                module = [sys.executable, "-m", "benchmarks.stages", str(stages)]
                extra = ("--name", "run", "--overwrite") if arguments[0] == "train" else ()
                seconds, memory = run_command([*module, *arguments, *extra], place)
                by_stage = json.loads(stages.read_text())
                # The rest is the time that the interpreter takes to start and to exit.
                by_stage["start and exit"] = seconds - sum(by_stage.values())
                key = f"{name} (nothing kept)" if round_ == 0 and arguments[0] == "train" else name
                _add(results, key, seconds, memory)
                results[key].setdefault("stages", []).append(by_stage)
    return results


def long_run() -> dict[str, Any]:
    """Compare a 30-epoch MNIST run with the floor, the time of its matrix products alone.

    The floor is measured half before the run and half after it, with the fastest library that is
    installed, as in `benchmarks.training`.

    Returns:
        `seconds` and `memory` (peak MiB) of the run; `floor`, the seconds of the matrix products of
        an epoch; `bound`, the largest time that is acceptable; `import_tensorflow_memory`, the peak
        MiB of importing TensorFlow alone.
    """
    names = [name for name in CONTESTANTS if name.startswith("floor")]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        before = _floors(names)
        command = [sys.executable, "-m", "kvae_cli.main", *MNIST, "--epochs", "30"]
        seconds, memory = run_command(command, place)
        after = _floors(names)
        baseline = run_command([sys.executable, "-c", "import tensorflow"], place)[1]
    floor = min(median(before[name] + after[name]) for name in before)
    return {
        "seconds": seconds,
        "floor": floor,
        "bound": 1.35 * 30 * floor + 15,
        "memory": memory,
        "import_tensorflow_memory": baseline,
    }


def _floors(names: Sequence[str], rounds: int = 8) -> dict[str, list[float]]:
    seconds = {}
    for name in names:
        worker = Worker(name, PROBLEMS["mnist"])
        if "missing" not in worker.answer():
            seconds[name] = [worker.run()["seconds"] for _ in range(rounds)]
        worker.close()
    return seconds


def run_command(command: Sequence[str], folder: Path) -> tuple[float, float]:
    """Run a command in a folder, and return its seconds and its peak memory in MiB.

    Args:
        command: The words of the command.
        folder: Where it runs, and where compiled code is kept.

    Raises:
        RuntimeError: It failed.
    """
    root = str(Path(__file__).parents[1])
    cache = folder / "cache"
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": root}
    with (folder / "errors").open("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed: {errors.read()[-500:]}")
    return seconds, usage.ru_maxrss / 1024


def _add(results: dict[str, Any], name: str, seconds: float, memory: float) -> None:
    entry = results.setdefault(name, {"seconds": [], "memory": []})
    entry["seconds"].append(seconds)
    entry["memory"].append(memory)


def table(results: dict[str, Any]) -> str:
    """The medians of whole commands and of their stages as Markdown tables.

    Args:
        results: What `whole` returned.
    """
    baselines = [results[name]["seconds"] for name in BASELINES]
    lines = [
        "| command | seconds | × import click | × import tensorflow | peak MiB |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, figures in results.items():
        seconds = median(figures["seconds"])
        ratios = " | ".join(f"{seconds / median(baseline):.1f}" for baseline in baselines)
        lines.append(f"| `{name}` | {seconds:.2f} | {ratios} | {median(figures['memory']):.0f} |")
    columns = [name for name, figures in results.items() if "stages" in figures]
    stages = {
        name: {
            stage: median(round_.get(stage, 0.0) for round_ in results[name]["stages"])
            for stage in {stage for round_ in results[name]["stages"] for stage in round_}
        }
        for name in columns
    }
    order = sorted(
        {stage for name in columns for stage in stages[name]},
        key=lambda stage: -max(stages[name].get(stage, 0.0) for name in columns),
    )
    lines += [
        "",
        "| seconds | " + " | ".join(f"`{name}`" for name in columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for stage in order:
        cells = [f"{stages[name][stage]:.2f}" if stage in stages[name] else "" for name in columns]
        lines.append(f"| {stage} | {' | '.join(cells)} |")
    return "\n".join(lines)


def long_table(result: dict[str, Any]) -> str:
    """The figures of the 30-epoch run as a Markdown table.

    Args:
        result: What `long_run` returned.
    """
    imported = result["import_tensorflow_memory"]
    return "\n".join(
        [
            "| a 30-epoch MNIST run | |",
            "| --- | --- |",
            f"| the whole command | {result['seconds']:.1f} s |",
            f"| one floor | {result['floor']:.2f} s |",
            f"| 1.35 × 30 floors + 15 s | {result['bound']:.1f} s |",
            f"| peak memory | {result['memory']:.0f} MiB |",
            f"| peak memory of `import tensorflow` | {imported:.0f} MiB |",
        ]
    )
