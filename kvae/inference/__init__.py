"""What a trained model says of images: latents, scores, reconstructions, and what lies between."""

from kvae.inference.encoding import Encoded, encode
from kvae.inference.latent_space import Neighbours, interpolate, nearest, path
from kvae.inference.scoring import Scores, reconstruct, score
from kvae.inference.tables import write_table

__all__ = [
    "Encoded",
    "Neighbours",
    "Scores",
    "encode",
    "interpolate",
    "nearest",
    "path",
    "reconstruct",
    "score",
    "write_table",
]
