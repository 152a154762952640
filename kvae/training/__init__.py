"""From a new model to a trained one."""

from kvae.training.history import COLUMNS, Epoch
from kvae.training.loop import train

__all__ = ["COLUMNS", "Epoch", "train"]
