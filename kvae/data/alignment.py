"""How well PCA explains images, and whether what is in them is always at the same place."""

from typing import NamedTuple

import numpy as np

MOST_IMAGES = 500
"""Images that are looked at: a fifth of them is held out."""
SHIFT_COMPONENTS = 32
"""The components of the PCA whose error on shifted images is looked at."""
MOST_COMPONENTS = 64
"""The largest number of components of which it is known what they leave."""


def largest_shift(image_shape: tuple[int, int, int]) -> int:
    """A sixteenth of the shorter side, in pixels, rounded; at least 1.

    Args:
        image_shape: Height, width, channels.
    """
    return max(1, round(min(image_shape[:2]) / 16))


class Linearity(NamedTuple):
    """How well PCA explains images that it is not fitted to.

    Attributes:
        unexplained: The share of the variance that PCA leaves, by its number of components: with
            none, with one, and so on; infinity alone if that is not known.
        shift_cost: How many times as large PCA's error is on shifted images as on those same
            images. For crops of photographs, where everything can be anywhere, this is about 1. For
            images that are aligned, such as those of a face in front of a fixed camera, it is
            large. It is infinity if it is not known, or PCA makes no error.
    """

    unexplained: tuple[float, ...]
    shift_cost: float


def linearity(images: np.ndarray, shift: int) -> Linearity:
    """How well PCA explains images, and shifted ones.

    PCA is fitted to some of the images, and its error is that of reconstructing others, also when
    they are shifted up, down, left and right.

    Args:
        images: uint8 `[count, height, width, channels]`.
        shift: By how many pixels they are shifted, less than height and width. Pixels that come in
            from outside mirror those at the edge.

    Returns:
        Both are not known if there are fewer than ten images.
    """
    chosen = images[:: -(-len(images) // MOST_IMAGES)]
    if len(chosen) < 10:
        return Linearity((float("inf"),), float("inf"))
    scaled = chosen.astype(np.float32) / 255
    held_out = np.arange(len(scaled)) % 5 == 0
    fitted, others = scaled[~held_out], scaled[held_out]
    flat = fitted.reshape(len(fitted), -1)
    mean = flat.mean(0)
    most = min(MOST_COMPONENTS, len(flat) // 4)
    # The principal axes of many pixels, from the much smaller matrix of inner products of images.
    values, vectors = np.linalg.eigh((flat - mean) @ (flat - mean).T)
    values, vectors = values[: -most - 1 : -1], vectors[:, : -most - 1 : -1]
    kept = values > 1e-6 * values[0]
    axes = (flat - mean).T @ vectors[:, kept] / np.sqrt(values[kept])

    def errors(of: np.ndarray) -> np.ndarray:
        """The mean squared error by the number of components, from none, `[components + 1]`."""
        rest = of.reshape(len(of), -1) - mean
        explained = np.cumsum(np.mean((rest @ axes) ** 2, axis=0)) / rest.shape[1]
        return np.maximum(0.0, np.mean(rest**2) - np.concatenate([[0.0], explained]))

    def of_shifted(of: np.ndarray) -> float:
        found = errors(of)
        return float(found[min(SHIFT_COMPONENTS, len(found) - 1)])

    _, height, width, _ = others.shape
    edges = [(0, 0), (shift, shift), (shift, shift), (0, 0)]
    padded = np.pad(others, edges, mode="reflect")
    places = ((0, shift), (2 * shift, shift), (shift, 0), (shift, 2 * shift))
    shifted = [of_shifted(padded[:, r : r + height, c : c + width]) for r, c in places]
    own, left = of_shifted(others), errors(others)
    shares = left / left[0] if left[0] > 0 else np.zeros_like(left)
    return Linearity(
        tuple(shares.tolist()), float(np.mean(shifted)) / own if own > 0 else float("inf")
    )
