"""Measures of how good a model is, and the report and the comparison that are made of them."""

from kvae.evaluation.classical import factor_analysis, pca_reconstructions, probabilistic_pca
from kvae.evaluation.comparison import Quantity, check_comparable, compare_models
from kvae.evaluation.labels import LabelScores, label_scores
from kvae.evaluation.latents import mutual_information, verdict
from kvae.evaluation.likelihood import (
    Annealed,
    annealed_importance_sampling,
    importance_weighted_bound,
)
from kvae.evaluation.reconstruction import Reconstruction, compare_images, sharpness
from kvae.evaluation.report import Report, evaluate
from kvae.evaluation.rows import Row
from kvae.evaluation.samples import Fidelity, RareModes, fidelity, nearest, rare_modes
from kvae.models.evaluator import Evaluator
from kvae.models.plan import Evaluation
from kvae.models.usage import active_units, kl_per_dimension

__all__ = [
    "Annealed",
    "Evaluation",
    "Evaluator",
    "Fidelity",
    "LabelScores",
    "Quantity",
    "RareModes",
    "Reconstruction",
    "Report",
    "Row",
    "active_units",
    "annealed_importance_sampling",
    "check_comparable",
    "compare_images",
    "compare_models",
    "evaluate",
    "factor_analysis",
    "fidelity",
    "importance_weighted_bound",
    "kl_per_dimension",
    "label_scores",
    "mutual_information",
    "nearest",
    "pca_reconstructions",
    "probabilistic_pca",
    "rare_modes",
    "sharpness",
    "verdict",
]
