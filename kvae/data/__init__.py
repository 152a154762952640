"""Images: built-in datasets, TFDS datasets, folders of image files, `.npy` and `.npz` files."""

from kvae.data.dataset import Dataset, Split
from kvae.data.loading import load
from kvae.data.request import Request

__all__ = ["Dataset", "Request", "Split", "load"]
