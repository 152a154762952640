"""Is the model any good?"""

from kvae.evaluation.elbo import Evaluation, Evaluator
from kvae.evaluation.latents import active_units, is_collapsed, kl_per_dimension

__all__ = ["Evaluation", "Evaluator", "active_units", "is_collapsed", "kl_per_dimension"]
