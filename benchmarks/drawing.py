"""Time how long autoregressive models take to draw images of the size of MNIST's."""

import time
from statistics import median
from typing import Any

import numpy as np

SHEET = 64
MANY = 1000
MODELS = {"pixels": {"family": "pixel"}, "7 x 7 codes": {"family": "quantized"}}
"""The options of each model. How long drawing takes does not depend on the weights."""


def measure(rounds: int) -> dict[str, Any]:
    """Draw a sheet of images, and many.

    Args:
        rounds: How often each is drawn after the first time, which includes tracing.

    Returns:
        Seconds by the name of the model: `first` of the first sheet, `sheet` of later ones, and
        `many` of `MANY` images.
    """
    import kvae
    from kvae.data import Dataset, Split

    # Pixels that are nearly black or white, as those of MNIST.
    images = 255 * np.random.default_rng(0).integers(0, 2, (100, 28, 28, 1), np.uint8)
    dataset = Dataset("noise", *[Split(images)] * 3, "black and white noise")
    found = {}
    for name, options in MODELS.items():
        model = kvae.build(kvae.configure(dataset, **options))
        found[name] = {
            "first": _seconds(model, SHEET, 0),
            "sheet": median(_seconds(model, SHEET, seed) for seed in range(rounds)),
            "many": median(_seconds(model, MANY, seed) for seed in range(rounds)),
        }
    return found


def _seconds(model: Any, count: int, seed: int) -> float:
    start = time.perf_counter()
    model.sample(count, seed).numpy()
    return time.perf_counter() - start


def table(results: dict[str, Any]) -> str:
    """The results as a table in Markdown.

    Args:
        results: What `measure` returned.
    """
    lines = [
        f"| | first {SHEET} images, s | {SHEET} images, s | {MANY:,} images, s | images a second |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, of_model in results.items():
        each = [f"{of_model[part]:.2f}" for part in ("first", "sheet", "many")]
        lines.append(f"| {name} | {' | '.join(each)} | {MANY / of_model['many']:.0f} |")
    return "\n".join(lines)
