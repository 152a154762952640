"""Images: built-in datasets, TFDS datasets, folders of image files, `.npy` and `.npz` files."""

from kvae.data.dataset import Dataset, Split
from kvae.data.levels import as_pixels
from kvae.data.loading import load
from kvae.data.look import Look, look
from kvae.data.request import Request
from kvae.data.sources import Pictures, pictures

__all__ = [
    "Dataset",
    "Look",
    "Pictures",
    "Request",
    "Split",
    "as_pixels",
    "load",
    "look",
    "pictures",
]
