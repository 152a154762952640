"""A run, from its configuration to its folder and its saved model."""

from kvae.runs.prior import fit_prior
from kvae.runs.run import Run, resume, start

__all__ = ["Run", "fit_prior", "resume", "start"]
