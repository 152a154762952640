"""A run, from its configuration to its folder and its saved model."""

from kvae.runs.prior import fit_prior
from kvae.runs.run import Run, assist, resume, start

__all__ = ["Run", "assist", "fit_prior", "resume", "start"]
