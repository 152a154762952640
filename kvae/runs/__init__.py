"""A run, from its configuration to its folder and its saved model."""

from kvae.runs.run import Run, assist, export_run, fit_prior, resume, start, subject

__all__ = ["Run", "assist", "export_run", "fit_prior", "resume", "start", "subject"]
