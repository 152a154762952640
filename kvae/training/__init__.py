"""Trains models: the loop, its compiled epochs, and priors that are fitted after training."""

from kvae.training.loop import train
from kvae.training.prior_fit import PriorFit, fit_prior
from kvae.training.state import State
from kvae.training.workers import new_strategy

__all__ = ["PriorFit", "State", "fit_prior", "new_strategy", "train"]
