"""Compare priors, posteriors and bounds on the same budget, in quality and in time."""

import itertools
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from tqdm import tqdm

SETTINGS: dict[str, dict[str, Any]] = {
    "frey": {
        "latent": 10, "hidden": (200,), "optimizer": "adam", "schedule": "cosine", "epochs": 100,
    },
    "mnist": {
        "latent": 20, "hidden": (200, 200), "optimizer": "adam", "schedule": "cosine",
        "epochs": 3, "binarize": "dynamic",
    },
}  # fmt: skip
"""The plain model of each dataset, of which the prior, posterior and bound are replaced."""

PRIORS = {
    "standard": {},
    "mixture": {"prior": "mixture", "components": 30},
    "vamp": {"prior": "vamp", "components": 100},
    "flow": {"prior": "flow"},
}
POSTERIORS = ("diagonal", "full", "iaf")
BOUNDS = {
    "elbo": {},
    "iwae-5": {"bound": "iwae", "importance_samples": 5},
}
PAIRS = 10
"""How many epochs are timed, each together with an epoch of the plain model."""
TOO_SLOW = 50.0
"""A combination whose epoch takes more than so many times that of the plain model is skipped."""
TRIED = 1000
"""How many training images are used to find out whether a combination is too slow."""
IMPORTANCE_SAMPLES = 500
TESTED = 1000
"""The largest number of test images for which log p(x) is bounded."""
COMPARED = 5000
"""The largest number of training images, and of samples, that coverage is measured with."""


def measure(name: str, data_dir: Path | None) -> list[dict[str, Any]]:
    """Train and measure every combination of prior, posterior and bound.

    Args:
        name: The name of the dataset, in `SETTINGS`.
        data_dir: Folder of the datasets that `kvae.data.load` prepares.

    Returns:
        A row for each combination: its test log-likelihood and ELBO, the number of active units,
        the coverage of the training images by samples, and the time of an epoch in multiples of
        that of the plain model. A combination that is too slow has none of these.
    """
    from kvae import build, configure, data
    from kvae.evaluation import fidelity, importance_weighted_bound
    from kvae.models.evaluator import Evaluator
    from kvae.training.epochs import CompiledEpoch
    from kvae.training.optimizers import new_optimizer

    dataset = data.load(name, data_dir)
    images, test = dataset.train.images, dataset.test.spread(TESTED).images
    real = dataset.train.spread(COMPARED).images / np.float32(255)

    def made(images: np.ndarray, **options: Any) -> tuple[Any, Any]:
        config = configure(dataset, **SETTINGS[name], **options)
        model = build(config, images)
        plan = model.plan(dataset, partial(new_optimizer, config.training, len(images)))
        return model, CompiledEpoch(plan, images, config.training, config.data.binarize)

    def seconds(run: Any, number: int) -> float:
        start = time.perf_counter()
        run(number)
        return time.perf_counter() - start

    _, plain = made(images)
    _, tried_plain = made(images[:TRIED])
    rows, slow = [], set[tuple[str, str]]()
    choices = list(itertools.product(BOUNDS, POSTERIORS, PRIORS))
    for bound, posterior, prior in tqdm(choices, name, disable=None):
        options = {"posterior": posterior, **PRIORS[prior], **BOUNDS[bound]}
        row = {"prior": prior, "posterior": posterior, "bound": bound}
        rows.append(row)
        # A pair that is too slow with one bound is skipped with the next: `iwae` would take even
        # longer, and perhaps more memory than there is.
        if (posterior, prior) not in slow:
            _, tried = made(images[:TRIED], **options)
            if seconds(tried, 1) > TOO_SLOW * seconds(tried_plain, 1):
                slow.add((posterior, prior))
        if (posterior, prior) in slow:
            continue
        model, run = made(images, **options)
        epochs, ratios = model.config.training.epochs, []
        timed = set(np.linspace(1, epochs, min(PAIRS, epochs)).astype(int))
        for number in range(1, epochs + 1):
            taken = seconds(run, number)
            if number in timed:
                ratios.append(taken / seconds(plain, number))
        chunk = min(1000, len(test))
        evaluation = Evaluator(model, 0, chunk)(test)
        weighted = importance_weighted_bound(model, test, IMPORTANCE_SAMPLES)
        row |= {
            "log_likelihood": float(weighted.mean()),
            "elbo": evaluation.means["elbo"],
            "seconds": median(ratios),
            "active_units": evaluation.scalars["active_units"],
            "coverage": fidelity(real, model.sample(len(real)).numpy()).coverage,
        }
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table.

    Args:
        rows: What `measure` returned.
    """
    lines = [
        "| bound | posterior | prior | log p(x), nats | ELBO | active units | coverage "
        "| epoch, × plain |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = [row["bound"], row["posterior"], row["prior"]]
        if "elbo" in row:
            cells += [f"{row['log_likelihood']:.2f}", f"{row['elbo']:.2f}"]
            cells += [str(row["active_units"]), f"{row['coverage']:.3f}"]
            cells.append(f"{row['seconds']:.2f}")
        else:
            cells += [""] * 4 + [f"over {TOO_SLOW:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
