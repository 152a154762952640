"""How well PCA explains images, and whether what is in them is always at the same place."""

from typing import NamedTuple

import numpy as np

MOST_IMAGES = 500
"""Images that are looked at: a fifth of them is held out."""
MOST_COMPONENTS = 32


def largest_shift(image_shape: tuple[int, int, int]) -> int:
    """A sixteenth of the shorter side, in pixels, rounded; at least 1.

    Args:
        image_shape: Height, width, channels.
    """
    return max(1, round(min(image_shape[:2]) / 16))


class Linearity(NamedTuple):
    """How well PCA explains images that it is not fitted to.

    Attributes:
        unexplained: The share of the variance that PCA leaves; infinity if that is not known.
        shift_cost: How many times as large PCA's error is on shifted images as on those same
            images. For crops of photographs, where everything can be anywhere, this is about 1. For
            images that are aligned, such as those of a face in front of a fixed camera, it is
            large. It is infinity if it is not known, or PCA makes no error.
    """

    unexplained: float
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
        The two ratios, which are not known if there are fewer than ten images.
    """
    chosen = images[:: -(-len(images) // MOST_IMAGES)]
    if len(chosen) < 10:
        return Linearity(float("inf"), float("inf"))
    scaled = chosen.astype(np.float32) / 255
    held_out = np.arange(len(scaled)) % 5 == 0
    fitted, others = scaled[~held_out], scaled[held_out]
    flat = fitted.reshape(len(fitted), -1)
    mean = flat.mean(0)
    components = min(MOST_COMPONENTS, len(flat) // 4)
    # The principal axes of many pixels, from the much smaller matrix of inner products of images.
    values, vectors = np.linalg.eigh((flat - mean) @ (flat - mean).T)
    kept = values[-components:] > 1e-6 * values[-1]
    axes = (flat - mean).T @ vectors[:, -components:][:, kept] / np.sqrt(values[-components:][kept])

    def error(of: np.ndarray) -> float:
        rest = of.reshape(len(of), -1) - mean
        return float(np.mean((rest - rest @ axes @ axes.T) ** 2))

    _, height, width, _ = others.shape
    edges = [(0, 0), (shift, shift), (shift, shift), (0, 0)]
    padded = np.pad(others, edges, mode="reflect")
    places = ((0, shift), (2 * shift, shift), (shift, 0), (shift, 2 * shift))
    shifted = [error(padded[:, r : r + height, c : c + width]) for r, c in places]
    own, variance = error(others), float(np.mean((others.reshape(len(others), -1) - mean) ** 2))
    return Linearity(
        own / variance if variance > 0 else 0.0,
        float(np.mean(shifted)) / own if own > 0 else float("inf"),
    )
