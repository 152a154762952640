"""Images to train on: built-in datasets, TFDS datasets, folders, `.npy` and `.npz` files."""

from kvae.data.dataset import Dataset, Split
from kvae.data.loading import Request, load

__all__ = ["Dataset", "Request", "Split", "load"]
