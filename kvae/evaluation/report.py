"""A report on a trained model: what was measured, and what each figure means in plain words."""

import math
from dataclasses import dataclass
from typing import Any

from kvae.data import Dataset
from kvae.errors import UsageError
from kvae.evaluation import codes, energy, latents, sections
from kvae.evaluation.compared import Compared
from kvae.evaluation.labels import labelled
from kvae.evaluation.likelihood import importance_weighted_bound
from kvae.evaluation.rows import Row
from kvae.models.base import (
    Bounds,
    Conditional,
    Decodes,
    Discriminates,
    Embeds,
    EnergyBased,
    Generates,
    Infers,
    Layered,
    Noiseless,
    Quantizes,
    Reconstructs,
    labels_of,
)
from kvae.models.evaluator import CHUNK, Evaluator
from kvae.progress import Progress, silent


@dataclass(frozen=True)
class Report:
    """The figures that `evaluate` measured.

    Attributes:
        model: The model's dataset, parts and objective, in one line.
        images: Which images were evaluated, in one line.
        verdict: Whether the latents, the codes, or the samples of a generator with a discriminator
            are `healthy`, `partly collapsed` or `collapsed`; empty for a model without these.
        groups: The rows of each group, by the group's title.
        per_dimension: Means over the images of each dimension, `[dimensions]`, by name.
    """

    model: str
    images: str
    verdict: str
    groups: dict[str, list[Row]]
    per_dimension: dict[str, list[float]]

    def to_json(self) -> dict[str, Any]:
        """The report as dictionaries, texts and numbers, for JSON."""
        groups = {
            title: {
                row.name: {**row.values, "unit": row.unit, "verdict": row.verdict} for row in rows
            }
            for title, rows in self.groups.items()
        }
        return {
            "model": self.model,
            "images": self.images,
            "verdict": self.verdict,
            "groups": groups,
            **self.per_dimension,
        }


def evaluate(
    model: Any,
    dataset: Dataset,
    split: str = "test",
    importance_samples: int = 500,
    seed: int = 0,
    progress: Progress = silent,
) -> Report:
    """Measure a model on a split of a dataset: likelihood, latents, samples, reconstructions.

    The report has only the rows for what the model can do. That of a model of numbers has none for
    pictures.

    Args:
        model: What `kvae.build` or `kvae.load` returned.
        dataset: The images. Samples are also compared with the training images.
        split: `train`, `validation` or `test`.
        importance_samples: Samples of z for each image, for the importance-weighted bound.
        seed: Decides all random numbers.
        progress: Shows how much of the longer parts is done.

    Raises:
        UsageError: The model is for images of another shape, or for a table of other columns.
        KvaeError: The model is conditional, and the images have no labels, or others than it knows.
    """
    config = model.config
    if config.model.image_shape != dataset.image_shape:
        raise UsageError(
            f"the model is for images of {config.model.image_shape}, but {dataset.name} has "
            f"{dataset.image_shape}"
        )
    if config.data.numbers != dataset.train.numbers or config.data.columns != dataset.columns:
        raise UsageError(
            f"{dataset.name} is not read as the model's data were: load it with `columns`"
        )
    are_images = not config.data.numbers
    held_out = dataset.split(split)
    own_labels = labels_of(model, dataset, held_out)
    # Before the long parts, although they are needed after these.
    labels_of(model, dataset, dataset.train)
    groups: dict[str, list[Row]] = {}
    verdict, per_dimension = "", {}
    dimensions: int | None = None
    if isinstance(model, Bounds):
        found = Evaluator(model, seed, min(CHUNK, len(held_out)))(held_out.images, own_labels)
        # As many principal components as there are codes or hidden units would say little.
        if found.embeddings is not None and not isinstance(model, Quantizes | EnergyBased):
            dimensions = found.embeddings.shape[1]
        bound = importance_weighted_bound(
            model, held_out.images, importance_samples, seed, progress, labels=own_labels
        )
        groups["Likelihood"] = sections.bounds(model, found, bound, importance_samples)
        if isinstance(model, Decodes):
            groups["Likelihood"] += sections.annealed(
                model, dataset, held_out, importance_samples, seed, progress
            )
        if are_images:
            groups["Likelihood"].append(
                sections.bits(model, dataset, held_out, bound, importance_samples, seed, progress)
            )
        if isinstance(model, EnergyBased):
            groups["Likelihood"].append(sections.partition_row(model.log_partition))
            groups["Chains and units"] = [
                sections.mixing_row(
                    *energy.chain_ends(model, held_out.spread(energy.CHAINS).images, seed)
                ),
                sections.unit_row(found.per_dimension["unit_activity"]),
            ]
        if isinstance(model, Infers) and isinstance(model, Decodes):
            groups["Latent use"] = sections.latent_use(model, dataset, found, seed)
            verdict = latents.verdict(found)
            if isinstance(model, Layered):
                groups["Latent use"] += sections.level_use(model, found)
        if isinstance(model, Quantizes):
            groups["Codes"] = sections.code_use(model, found)
            verdict = codes.verdict(found.scalars["perplexity"], model.code_count)
        per_dimension = {name: list(map(float, v)) for name, v in found.per_dimension.items()}
    elif isinstance(model, Noiseless):
        groups["Likelihood"] = sections.annealed_with_noise(
            model, dataset, held_out, seed, progress
        )
    if are_images:
        compared = Compared(model, dataset, held_out, seed)
        if isinstance(model, Generates):
            groups["Samples against data"] = sections.samples_against_data(compared)
            if rare := sections.rare_modes(compared):
                groups["Rare modes"] = rare
            groups["Memorising"] = sections.memorising(compared)
            if isinstance(model, Discriminates):
                verdict, rows = sections.adversaries(model, dataset, compared)
                groups["Generator and discriminator"] = rows
        if isinstance(model, Reconstructs):
            groups["Reconstruction"] = sections.reconstructions(
                model, dataset, compared, dimensions
            )
    elif isinstance(model, Reconstructs):
        groups["Reconstruction"] = sections.restored_rows(model, dataset, held_out, dimensions)
    # Linear models bound log p(x) alone, and the labels are no news to a conditional model.
    conditional = isinstance(model, Conditional)
    is_density = isinstance(model, Bounds) and model.measure == "density"
    if (
        is_density
        and not conditional
        and dimensions is not None
        and math.prod(config.model.image_shape) > 1
    ):
        groups["Against linear models"] = sections.linear_models(
            model, dataset, held_out, bound, dimensions
        )
    if isinstance(model, Embeds) and labelled(dataset.train, held_out) and not conditional:
        groups["Labels"] = sections.label_rows(model, dataset.train, held_out)
    return Report(
        model=f"{config.data.dataset}, {config.model.summary}, "
        f"trained on: {config.objective.summary}",
        images=f"{len(held_out):,} {split} {config.data.item}s of {dataset.name}",
        verdict=verdict,
        groups=groups,
        per_dimension=per_dimension,
    )
