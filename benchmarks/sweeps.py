"""Compare the time of a sweep with that of the same runs as separate commands."""

import itertools
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

LATENTS, SEEDS = (2, 5, 10, 20), (0, 1, 2)
DATASET = "frey"


def measure(jobs: int, options: tuple[str, ...] = ()) -> dict[str, Any]:
    """Time a sweep, and the same runs as separate commands, one after another.

    Args:
        jobs: How many runs the sweep trains at the same time.
        options: Further options of `kvae train` for all runs.

    Returns:
        `sweep` and `commands`, their seconds; `runs`, the number of runs; and `jobs`.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        runs = list(itertools.product(LATENTS, SEEDS))
        latents, seeds = (",".join(map(str, values)) for values in (LATENTS, SEEDS))
        sweep = _seconds(
            place, "sweep", "--latent", latents, "--seed", seeds, "--jobs", str(jobs), *options
        )
        commands = sum(
            _seconds(place, "train", "--latent", str(latent), "--seed", str(seed), *options)
            for latent, seed in runs
        )
    return {"runs": len(runs), "jobs": jobs, "sweep": sweep, "commands": commands}


def _seconds(place: Path, *arguments: str) -> float:
    start = time.perf_counter()
    command = ["kvae", arguments[0], "--dataset", DATASET, *arguments[1:]]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return time.perf_counter() - start


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table.

    Args:
        result: What `measure` returned.
    """
    ratio = result["sweep"] / result["commands"]
    return (
        f"| {result['runs']} runs of {DATASET} | seconds | × commands |\n| --- | --- | --- |\n"
        f"| separate commands, one after another | {result['commands']:.0f} | 1.00 |\n"
        f"| one sweep, --jobs {result['jobs']} | {result['sweep']:.0f} | {ratio:.2f} |"
    )
