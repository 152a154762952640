"""Time an epoch of an adversarial network, in kvae and in PyTorch."""

from statistics import median
from typing import Any

from benchmarks.problems import PROBLEMS
from benchmarks.training import in_turn

CONTESTANTS = ("kvae, adversarial", "PyTorch, adversarial")
TIMED = ("mnist", "mnist-conv")
"""The problems, of whose networks and images the adversarial networks are."""


def compare(name: str, rounds: int) -> dict[str, Any]:
    """Time an epoch of the non-saturating loss with R1, and an average of the generator's weights.

    Args:
        name: The name of the problem, in `benchmarks.problems.PROBLEMS`.
        rounds: How many times each contestant runs.

    Returns:
        The seconds of an epoch of each contestant in each round, and the reasons why others could
        not run, by their names.
    """
    answers, missing = in_turn(PROBLEMS[name], CONTESTANTS, rounds, name)
    seconds = {name: [each["seconds"] for each in given] for name, given in answers.items()}
    return {"problem": name, "seconds": seconds, "missing": missing}


def table(results: list[dict[str, Any]]) -> str:
    """The results as a Markdown table.

    Args:
        results: What `compare` returned for each problem.
    """
    lines = ["| | ms an epoch, median | × kvae |", "| --- | --- | --- |"]
    for result in results:
        own = result["seconds"][CONTESTANTS[0]]
        for name, seconds in result["seconds"].items():
            ratio = median(a / b for a, b in zip(seconds, own, strict=True))
            milliseconds = 1000 * median(seconds)
            lines.append(f"| {result['problem']}: {name} | {milliseconds:.0f} | {ratio:.2f} |")
        missing = result["missing"].items()
        lines += [f"| {result['problem']}: {name} | not run: {why} | |" for name, why in missing]
    return "\n".join(lines)
