"""Compares several models on the same images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kvae.config import family
from kvae.data import Dataset
from kvae.errors import UsageError
from kvae.evaluation import reconstruction
from kvae.evaluation.compared import compared_of, reconstructed, shown
from kvae.evaluation.likelihood import importance_weighted_bound
from kvae.evaluation.samples import fidelity
from kvae.evaluation.sections.likelihoods import bounded
from kvae.evaluation.statistics import standard_error
from kvae.metrics import Metric
from kvae.models.base import Bounds, Conditional, Generates, Reconstructs, labels_of
from kvae.models.chunks import sampled
from kvae.models.evaluator import CHUNK, Evaluator
from kvae.progress import Progress, silent

COMPARED = 2000
"""The largest number of images of each split that are compared with samples or reconstructions."""


@dataclass(frozen=True)
class Quantity:
    """One line of a comparison.

    Attributes:
        name: What is compared.
        unit: The unit, such as `nats`; empty where there is none.
        values: One value for each model.
        errors: The standard error of each value; empty where there are none.
        best: The index of the model with the best value; None where no value is better than
            another.
    """

    name: str
    unit: str
    values: list[float]
    errors: list[float]
    best: int | None


def compare_models(
    models: Mapping[str, Any],
    dataset: Dataset,
    seed: int = 0,
    importance_samples: int | None = None,
    progress: Progress = silent,
) -> list[Quantity]:
    """Compare the bounds, latents, reconstructions and samples of several models.

    A quantity is compared if all models have it; of models of numbers there are bounds and latents
    alone. Differences between bounds are taken image by
    image. Their standard errors are therefore those of the differences, which are much smaller than
    those of the bounds.

    Args:
        models: Two or more models by name.
        dataset: The dataset whose test images the models are compared on.
        seed: Decides all random numbers.
        importance_samples: Samples of z for each image, for importance-weighted bounds on log p(x);
            None leaves these out.
        progress: Shows how much of the importance-weighted bounds is done.

    Returns:
        The quantities, in the order of a table.

    Raises:
        UsageError: The models' bounds cannot be compared.
    """
    check_comparable(models)
    quantities: list[Quantity] = []
    each = list(models.values())
    if all(isinstance(model, Bounds) for model in each):
        quantities += _bounds(each, dataset, seed, importance_samples, progress)
    if dataset.train.numbers:
        return quantities
    some, train = (compared_of(split, COMPARED) for split in (dataset.test, dataset.train))
    if all(isinstance(model, Reconstructs) for model in each):
        restored = [
            reconstruction.compare_images(
                shown(model, some),
                reconstructed(model, dataset, some, seed),
            )
            for model in each
        ]
        errors = [found.mean_squared_error for found in restored]
        quantities.append(_plain("squared error a pixel", errors, higher_is_better=False))
        quantities.append(_plain("SSIM", [found.ssim for found in restored], True))
    if all(isinstance(model, Generates) for model in each):
        made = [fidelity(shown(model, train), sampled(model, len(train), seed)) for model in each]
        quantities += [
            _plain("coverage of prior samples", [found.coverage for found in made], True),
            _plain("precision of prior samples", [found.precision for found in made], True),
        ]
    return quantities


def _bounds(
    models: list[Any],
    dataset: Dataset,
    seed: int,
    importance_samples: int | None,
    progress: Progress,
) -> list[Quantity]:
    test = dataset.test
    chunk = min(CHUNK, len(test))
    labels = [labels_of(model, dataset, test) for model in models]
    found = [
        Evaluator(model, seed, chunk)(test.images, own)
        for model, own in zip(models, labels, strict=True)
    ]
    quantities: list[Quantity] = []
    if importance_samples:
        weighted = [
            importance_weighted_bound(
                model, test.images, importance_samples, seed, progress, labels=own
            )
            for model, own in zip(models, labels, strict=True)
        ]
        name = f"{bounded(models[0])}, {importance_samples} samples"
        quantities += _with_differences(name, weighted)
    metrics: dict[str, Metric] = {}
    for model in models:
        metrics |= {metric.name: metric for metric in family(model.config.family).metrics}
    for name, metric in metrics.items():
        if all(name in evaluation.terms for evaluation in found):
            values = [evaluation.terms[name] for evaluation in found]
            if name == "elbo":
                quantities += _with_differences(metric.label, values)
            else:
                quantities.append(_means(metric.label, values, metric.higher_is_better))
        elif all(name in evaluation.scalars for evaluation in found):
            scalars = [float(evaluation.scalars[name]) for evaluation in found]
            quantities.append(_plain(metric.label, scalars, metric.higher_is_better))
    return quantities


def _with_differences(name: str, each: list[np.ndarray]) -> list[Quantity]:
    """The mean bound on log p(x) of each model, and its difference from the best."""
    bounds = _means(name, each, True)
    behind = [values - each[bounds.best or 0] for values in each]
    return [bounds, replace(_means(f"{name}, behind the best", behind, None), best=bounds.best)]


def _means(name: str, each: list[np.ndarray], higher_is_better: bool | None) -> Quantity:
    values = [float(values.mean()) for values in each]
    errors = [standard_error(values) for values in each]
    return Quantity(name, "nats", values, errors, _best(values, higher_is_better))


def _plain(name: str, values: list[float], higher_is_better: bool | None) -> Quantity:
    return Quantity(name, "", values, [], _best(values, higher_is_better))


def _best(values: list[float], higher_is_better: bool | None) -> int | None:
    if higher_is_better is None:
        return None
    return int((np.argmax if higher_is_better else np.argmin)(values))


def check_comparable(models: Mapping[str, Any]) -> None:
    """Refuse models whose bounds cannot be compared.

    Args:
        models: Models by name.

    Raises:
        UsageError: The models have different datasets or binarizations, some bounds are of
            densities and others of probabilities, or some are given labels and others are not.
    """
    measures = {
        "binary": "probabilities",
        "levels": "probabilities of grey levels",
        "density": "densities",
    }
    kinds = {}
    for name, model in models.items():
        data = model.config.data
        binarized = f", binarized: {data.binarize}" if data.binarize != "none" else ""
        measure = measures[model.measure] if isinstance(model, Bounds) else "no bounds"
        labels = ", given labels" if isinstance(model, Conditional) else ""
        kinds[name] = f"{data.dataset} ({measure}{binarized}{labels})"
    if len(set(kinds.values())) > 1:
        each = "; ".join(f"{name}: {kind}" for name, kind in kinds.items())
        raise UsageError(f"these models' ELBOs are of different things: {each}")
