"""Measure which share of the training time checkpoints take."""

import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

RUNS: dict[str, dict[str, Any]] = {
    "digits": {},
    "frey": {"latent": 20},
    "mnist": {"latent": 20, "epochs": 15},
}


def measure(name: str, data_dir: Path | None, **options: Any) -> dict[str, float]:
    """Train as `kvae train` does, and add up the time that saving checkpoints takes.

    Args:
        name: The name of the dataset.
        data_dir: Folder of the datasets that `kvae.data.load` prepares.
        **options: Options of `kvae.configure`.

    Returns:
        `training`, the seconds that the epochs took; `saves`, the number of checkpoints; `saving`,
        the seconds that saving them took.
    """
    from kvae import configure, data, runs
    from kvae.runs.checkpoints import Checkpoints

    save, spent = Checkpoints.save, []

    def timed(*arguments: Any) -> None:
        start = time.perf_counter()
        save(*arguments)
        spent.append(time.perf_counter() - start)

    dataset = data.load(name, data_dir)
    config = configure(dataset, **options)
    with tempfile.TemporaryDirectory() as folder, patch.object(Checkpoints, "save", timed):
        place = Path(folder)
        run = runs.start(dataset, config, "measured", place / "runs", place / "models")
    seconds = run.results["training_seconds"]
    return {"training": seconds, "saves": len(spent), "saving": sum(spent)}


def table(results: dict[str, dict[str, float]]) -> str:
    """The results as a Markdown table.

    Args:
        results: What `measure` returned for each run, by its name.
    """
    lines = [
        "| run | training, s | checkpoints | ms each | share of the time |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, found in results.items():
        each = 1000 * found["saving"] / found["saves"]
        lines.append(
            f"| {name} | {found['training']:.1f} | {found['saves']} | {each:.0f} "
            f"| {found['saving'] / found['training']:.2%} |"
        )
    return "\n".join(lines)
