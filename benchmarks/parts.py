"""What priors, posteriors and bounds bring on the same budget, and what they cost."""

import itertools
import time
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
"""The plain model of each dataset, in which one to three parts are exchanged."""

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
"""Epochs of the plain model that are timed, each next to one of the other."""
TOO_SLOW = 50.0
"""Times as long as the plain model's an epoch may take for the rest to be measured."""
TRIED = 1000
"""Training images that this is found out with."""
IMPORTANCE_SAMPLES = 500
TESTED = 1000
"""Test images, at most, that log p(x) is bounded of."""
COMPARED = 5000


def measure(name: str, data_dir: Path | None) -> list[dict[str, Any]]:
    """Every prior with every posterior and bound: test log-likelihood, use, coverage and cost."""
    from kvae import build, configure, data
    from kvae.evaluation import Evaluator, fidelity, importance_weighted_bound
    from kvae.training.epochs import CompiledEpoch, new_optimizer

    dataset = data.load(name, data_dir)
    images, test = dataset.train.images, dataset.test.spread(TESTED).images
    real = dataset.train.spread(COMPARED).images / np.float32(255)

    def made(images: np.ndarray, **options: Any) -> tuple[Any, Any]:
        config = configure(dataset, **SETTINGS[name], **options)
        model = build(config, images)
        optimizer = new_optimizer(config.training, len(images))
        return model, CompiledEpoch(model, optimizer, images, config.training, config.data.binarize)

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
        # With another bound it would take longer yet, and more memory than there may be.
        if (posterior, prior) not in slow:
            _, tried = made(images[:TRIED], **options)
            if seconds(tried, 1) > TOO_SLOW * seconds(tried_plain, 1):
                slow.add((posterior, prior))
        if (posterior, prior) in slow:
            continue
        model, run = made(images, **options)
        config, ratios = model.config, []
        epochs = config.training.epochs
        timed = set(np.linspace(1, epochs, min(PAIRS, epochs)).astype(int))
        for number in range(1, epochs + 1):
            taken = seconds(run, number)
            if number in timed:
                ratios.append(taken / seconds(plain, number))
        chunk = min(1000, len(test))
        evaluation = Evaluator(model, config.data.binarize, 0, chunk)(test)
        weighted = importance_weighted_bound(model, test, IMPORTANCE_SAMPLES)
        row |= {
            "log_likelihood": float(weighted.mean()),
            "elbo": float(evaluation.elbo.mean()),
            "seconds": median(ratios),
            "active_units": evaluation.active_units,
            "coverage": fidelity(real, model.sample(len(real)).numpy()).coverage,
        }
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
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
