"""The rows of a report. Each function measures what one capability of a model makes possible."""

from kvae.evaluation.sections.chains import mixing_row, partition_row, unit_row
from kvae.evaluation.sections.embeddings import label_rows
from kvae.evaluation.sections.likelihoods import (
    annealed,
    annealed_with_noise,
    bits,
    bounds,
    linear_models,
)
from kvae.evaluation.sections.likeness import (
    adversaries,
    memorising,
    rare_modes,
    samples_against_data,
)
from kvae.evaluation.sections.reconstructions import reconstructions, restored_rows
from kvae.evaluation.sections.usage import code_use, latent_use, level_use

__all__ = [
    "adversaries",
    "annealed",
    "annealed_with_noise",
    "bits",
    "bounds",
    "code_use",
    "label_rows",
    "latent_use",
    "level_use",
    "linear_models",
    "memorising",
    "mixing_row",
    "partition_row",
    "rare_modes",
    "reconstructions",
    "restored_rows",
    "samples_against_data",
    "unit_row",
]
