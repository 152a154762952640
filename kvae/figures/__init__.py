"""Functions that turn arrays into matplotlib figures and grids of images. They know no model."""

from kvae.figures.animation import animation, save_gif
from kvae.figures.curves import (
    Line,
    by_latent,
    compared,
    histories,
    history,
    kl_bars,
    lines,
    points,
)
from kvae.figures.grids import colours, manifold_latents, pairs, save_png, sheet, sprite, tile
from kvae.figures.scatter import pca, scatter, scatters, tsne
from kvae.figures.style import picture, save

__all__ = [
    "Line",
    "animation",
    "by_latent",
    "colours",
    "compared",
    "histories",
    "history",
    "kl_bars",
    "lines",
    "manifold_latents",
    "pairs",
    "pca",
    "picture",
    "points",
    "save",
    "save_gif",
    "save_png",
    "scatter",
    "scatters",
    "sheet",
    "sprite",
    "tile",
    "tsne",
]
