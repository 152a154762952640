"""Pictures: functions from arrays to figures and image grids. They know no model."""

from kvae.figures.curves import history
from kvae.figures.grids import manifold_latents, pairs, save_png, sprite, tile

__all__ = ["history", "manifold_latents", "pairs", "save_png", "sprite", "tile"]
