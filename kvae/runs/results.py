"""The results of a run for `results.json`, and warnings about the trained model."""

from typing import Any

from kvae.data import Dataset
from kvae.evaluation import adversary, codes, energy, glance, latents
from kvae.evaluation.statistics import standard_error
from kvae.metrics import Row
from kvae.models.base import Discriminates, EnergyBased, Quantizes
from kvae.models.plan import Evaluation
from kvae.training import State


def results(test: Evaluation, dataset: Dataset, state: State) -> dict[str, Any]:
    """The key figures of a trained model, as plain numbers, texts and lists.

    Args:
        test: The model's metrics on the test images.
        dataset: The images.
        state: The state of the training, which is done.
    """
    found: dict[str, Any] = {"split": "test", "images": len(dataset.test)}
    best, kept = state.plan.best, state.kept
    for name, mean in test.means.items():
        found[name] = mean
        if best and name == best.name:
            found[f"{name}_standard_error"] = standard_error(test.terms[name])
    found |= test.scalars
    found |= {name: values.tolist() for name, values in test.per_dimension.items()}
    found |= {"epochs": len(state.history), "epoch": kept["epoch"]}
    found |= state.plan.notes(int(kept["epoch"]))
    if best:
        found[f"validation_{best.name}"] = kept[f"validation_{best.name}"]
    if sentence := glance.verdict(state.model, dataset, test):
        found["verdict"] = sentence
    seconds = sum(float(row["seconds"]) for row in state.history)
    return found | {"training_seconds": round(seconds, 3)}


def warnings(model: Any, test: Evaluation) -> list[str]:
    """Sentences that warn of problems of a trained model, such as a collapsed posterior.

    Args:
        model: The model.
        test: Its metrics on the test images.
    """
    found = [latents.collapse_warning(test)]
    if isinstance(model, Quantizes):
        found.append(codes.collapse_warning(test.scalars, model.code_count))
    if isinstance(model, EnergyBased):
        found.append(energy.partition_warning(model.log_partition))
    if isinstance(model, Discriminates):
        found += adversary.warnings(
            test.means["coverage"], test.means["recall"], test.means["told_apart"]
        )
    return [warning for warning in found if warning]


def columns(history: list[Row]) -> dict[str, list[Any]]:
    """The columns of a history by name.

    Args:
        history: One row for each epoch; there must be at least one.
    """
    return {name: [row[name] for row in history] for name in history[0]}
