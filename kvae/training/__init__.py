"""From a new model to a trained one."""

from kvae.runs.history import Epoch
from kvae.training.distributed import new_strategy
from kvae.training.loop import train
from kvae.training.prior_fit import PriorFit, fit_prior

__all__ = ["Epoch", "PriorFit", "fit_prior", "new_strategy", "train"]
