"""Time an epoch of kvae, of its matrix products alone, and of other frameworks."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from statistics import median, quantiles
from typing import Any

from tqdm import tqdm

from benchmarks.contestants import CONTESTANTS
from benchmarks.problems import PROBLEMS, Problem

STRATEGIES = ("kvae", "kvae, mirrored", "kvae, two workers")
# Training in chunks is for images that do not fit into memory; the images here do. Adversarial
# networks are not VAEs.
FIELD = [
    name
    for name in CONTESTANTS
    if name not in ("kvae, XLA", "kvae, in chunks", *STRATEGIES[1:])
    and not name.endswith("adversarial")
]
# XLA takes some dozens of times as long for convolutions on CPUs, too long to be timed here.
CONVOLUTIONAL = ("kvae", "Keras fit", "PyTorch, eager")


class Worker:
    """A process that runs one of the contestants.

    Args:
        name: The name of the contestant, in `benchmarks.contestants.CONTESTANTS`.
        problem: The problem that it trains.
    """

    def __init__(self, name: str, problem: Problem) -> None:
        settings = json.dumps(dataclasses.asdict(problem))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contestants", name, settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def answer(self) -> dict[str, Any]:
        """Read the next answer of the process. Raises an error if the process has ended."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()}")
        return json.loads(line)

    def run(self) -> dict[str, Any]:
        """Run the epochs of the problem once, and return their seconds, loss and memory."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def in_turn(
    problem: Problem, names: Iterable[str], rounds: int, title: str
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """Run the contestants in turn, several times, so that other load on the machine affects all.

    Args:
        problem: The problem that they train.
        names: The names of the contestants.
        rounds: How many times each of them runs.
        title: The description of the progress bar.

    Returns:
        The answers of each contestant, and the reasons why others could not run, by their names.
    """
    workers, missing = {}, {}
    for name in names:
        worker = Worker(name, problem)
        started = worker.answer()
        if "missing" in started:
            missing[name] = started["missing"]
        else:
            workers[name] = worker
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
    for _ in tqdm(range(rounds), desc=title, disable=None, leave=False):
        for name, worker in workers.items():
            answers[name].append(worker.run())
    for worker in workers.values():
        worker.close()
    return answers, missing


def share(name: str, rounds: int) -> dict[str, Any]:
    """Time the training loops of strategies on a problem.

    Args:
        name: The name of the problem, in `benchmarks.problems.PROBLEMS`.
        rounds: How many times each of them runs.

    Returns:
        For each loop, the seconds of an epoch in each round, the ratio to kvae's own loop, and the
        last loss.
    """
    answers, _ = in_turn(PROBLEMS[name], STRATEGIES, rounds, name)
    seconds = {name: [each["seconds"] for each in given] for name, given in answers.items()}
    return {
        loop: {
            "seconds": times,
            "to_kvae": median(a / b for a, b in zip(times, seconds["kvae"], strict=True)),
            "loss": answers[loop][-1]["loss"],
        }
        for loop, times in seconds.items()
    }


def share_table(result: dict[str, Any], problem: str) -> str:
    """The result of `share` as a Markdown table.

    Args:
        result: What `share` returned.
        problem: The name of the problem.
    """
    lines = [f"| {problem} | ms an epoch, median | × kvae | loss |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {loop} | {1000 * median(figures['seconds']):.0f} | {figures['to_kvae']:.2f} "
        f"| {figures['loss']:.1f} |"
        for loop, figures in result.items()
    ]
    return "\n".join(lines)


def compare(name: str, rounds: int) -> dict[str, Any]:
    """Time every contestant on a problem.

    Args:
        name: The name of the problem, in `benchmarks.problems.PROBLEMS`.
        rounds: How many times each of them runs.

    Returns:
        For each contestant, its seconds, its last loss, and its ratios to the floor and to kvae,
        which are medians over the ratios of each round.
    """
    problem = PROBLEMS[name]
    field = CONVOLUTIONAL if problem.stages else FIELD
    answers, missing = in_turn(problem, field, rounds, name)
    seconds = {name: [each["seconds"] for each in given] for name, given in answers.items()}
    floors = [times for name, times in seconds.items() if name.startswith("floor")]
    # The floor is of dense layers: there is none for convolutions.
    floor = [min(round_) for round_ in zip(*floors, strict=True)] if floors else None
    return {
        "problem": name,
        "rounds": rounds,
        "epochs": 1 + rounds * problem.epochs,
        "missing": missing,
        "contestants": {
            name: {
                "seconds": times,
                "median": median(times),
                "quartiles": [quantiles(times, n=4)[0], quantiles(times, n=4)[2]],
                "to_floor": floor and median(a / b for a, b in zip(times, floor, strict=True)),
                "to_kvae": median(a / b for a, b in zip(times, seconds["kvae"], strict=True)),
                "loss": answers[name][-1]["loss"],
            }
            for name, times in seconds.items()
        },
    }


def table(result: dict[str, Any]) -> str:
    """A comparison as a Markdown table.

    Args:
        result: What `compare` returned.
    """
    lines = [
        f"| {result['problem']}, {result['rounds']} rounds | ms an epoch, median (quartiles) "
        f"| × floor | × kvae | loss after {result['epochs']} epochs |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, figures in result["contestants"].items():
        low, high = (1000 * value for value in figures["quartiles"])
        loss = "" if figures["loss"] is None else f"{figures['loss']:.1f}"
        floor = "" if figures["to_floor"] is None else f"{figures['to_floor']:.2f}"
        lines.append(
            f"| {name} | {1000 * figures['median']:.0f} ({low:.0f} to {high:.0f}) "
            f"| {floor} | {figures['to_kvae']:.2f} | {loss} |"
        )
    lines += [f"| {name} | not run: {why} | | | |" for name, why in result["missing"].items()]
    return "\n".join(lines)
