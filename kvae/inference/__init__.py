"""What a trained model says of images: latents, scores, reconstructions, and what lies between."""

from kvae.inference.encoding import Encoded, encode
from kvae.inference.latent_space import Index, Neighbours, embeddings, interpolate, nearest, path
from kvae.inference.rows import sampled_rows
from kvae.inference.scoring import Scores, percentiles, reconstruct, score
from kvae.inference.tables import write_table

__all__ = [
    "Encoded",
    "Index",
    "Neighbours",
    "Scores",
    "embeddings",
    "encode",
    "interpolate",
    "nearest",
    "path",
    "percentiles",
    "reconstruct",
    "sampled_rows",
    "score",
    "write_table",
]
