"""What checkpoints cost: the share of a training's time that goes into saving it."""

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
    """Train as `kvae train` does, and add up what saving takes.

    Returns:
        `training`, seconds of the epochs alone; `saves`, how many there were; `saving`, their
        seconds.
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
    """The results as a Markdown table."""
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
