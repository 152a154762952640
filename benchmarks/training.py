"""Seconds an epoch: kvae, the matrix products alone, and what people would use instead."""

import json
import os
import subprocess
import sys
from statistics import median, quantiles
from typing import Any

from tqdm import tqdm

from benchmarks.contestants import CONTESTANTS
from benchmarks.problems import PROBLEMS


class Worker:
    """A contestant in a process of its own."""

    def __init__(self, name: str, problem: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contestants", name, problem],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def answer(self) -> dict[str, Any]:
        """The next answer; raises if the contestant died."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()}")
        return json.loads(line)

    def run(self) -> dict[str, Any]:
        """Run the problem's epochs."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def compare(problem: str, rounds: int) -> dict[str, Any]:
    """Time every contestant in turn, `rounds` times over, so that all share the machine's moods.

    Returns:
        Seconds, losses, and ratios to the floor taken round by round.
    """
    workers, missing = {}, {}
    for name in CONTESTANTS:
        worker = Worker(name, problem)
        started = worker.answer()
        if "missing" in started:
            missing[name] = started["missing"]
        else:
            workers[name] = worker
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    losses: dict[str, float] = {}
    for _ in tqdm(range(rounds), desc=problem, disable=None, leave=False):
        for name, worker in workers.items():
            result = worker.run()
            seconds[name].append(result["seconds"])
            losses[name] = result["loss"]
    for worker in workers.values():
        worker.close()
    floors = [name for name in seconds if name.startswith("floor")]
    floor = [min(round_) for round_ in zip(*(seconds[name] for name in floors), strict=True)]
    epochs = 1 + rounds * PROBLEMS[problem].epochs
    return {
        "problem": problem,
        "rounds": rounds,
        "epochs": epochs,
        "missing": missing,
        "contestants": {
            name: {
                "seconds": times,
                "median": median(times),
                "quartiles": [quantiles(times, n=4)[0], quantiles(times, n=4)[2]],
                "to_floor": median(a / b for a, b in zip(times, floor, strict=True)),
                "to_kvae": median(a / b for a, b in zip(times, seconds["kvae"], strict=True)),
                # NaN has no place in JSON, and the floor has no loss.
                "loss": losses[name] if losses[name] == losses[name] else None,
            }
            for name, times in seconds.items()
        },
    }


def table(result: dict[str, Any]) -> str:
    """A comparison as a Markdown table."""
    lines = [
        f"| {result['problem']}, {result['rounds']} rounds | ms an epoch, median (quartiles) "
        f"| × floor | × kvae | loss after {result['epochs']} epochs |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, figures in result["contestants"].items():
        low, high = (1000 * value for value in figures["quartiles"])
        loss = "" if figures["loss"] is None else f"{figures['loss']:.1f}"
        lines.append(
            f"| {name} | {1000 * figures['median']:.0f} ({low:.0f} to {high:.0f}) "
            f"| {figures['to_floor']:.2f} | {figures['to_kvae']:.2f} | {loss} |"
        )
    lines += [f"| {name} | not run: {why} | | | |" for name, why in result["missing"].items()]
    return "\n".join(lines)
