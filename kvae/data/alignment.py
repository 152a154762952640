"""How well PCA explains images, and whether what is in them is always at the same place."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

MOST_IMAGES = 500
"""Images that are looked at: a fifth of them is held out."""
SHIFT_COMPONENTS = 32
"""The components of the PCA whose error on shifted images is looked at."""
MOST_COMPONENTS = 64
"""The largest number of components of which it is known what they leave."""


def possible_shifts(image_shape: tuple[int, int, int]) -> list[int]:
    """By how many pixels images can be shifted, the largest shift first.

    The largest is a sixteenth of the shorter side, rounded, and at least 1; each other is half of
    the one before.

    Args:
        image_shape: Height, width, channels.
    """
    shifts = [max(1, round(min(image_shape[:2]) / 16))]
    while shifts[-1] > 1:
        shifts.append(shifts[-1] // 2)
    return shifts


class Linearity(NamedTuple):
    """How well PCA explains images that it is not fitted to.

    Attributes:
        unexplained: The share of the variance that PCA leaves, by its number of components: with
            none, with one, and so on; infinity alone if that is not known.
        shift_costs: How many times as large PCA's error is on shifted images as on those same
            images, by the shift in pixels, the largest first. For crops of photographs, where
            everything can be anywhere, this is about 1. For images that are aligned, such as those
            of a face in front of a fixed camera, it is large. It is infinity if it is not known, or
            PCA makes no error.
    """

    unexplained: tuple[float, ...]
    shift_costs: Mapping[int, float]


def linearity(images: np.ndarray, shifts: Sequence[int]) -> Linearity:
    """How well PCA explains images, and shifted ones.

    PCA is fitted to some of the images, and its error is that of reconstructing others, also when
    they are shifted up, down, left and right.

    Args:
        images: uint8 `[count, height, width, channels]`.
        shifts: By how many pixels they are shifted, each less than height and width. Pixels that
            come in from outside mirror those at the edge.

    Returns:
        Both are not known if there are fewer than ten images.
    """
    chosen = images[:: -(-len(images) // MOST_IMAGES)]
    if len(chosen) < 10:
        return Linearity((math.inf,), dict.fromkeys(shifts, math.inf))
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

    def error(of: np.ndarray) -> float:
        found = errors(of)
        return float(found[min(SHIFT_COMPONENTS, len(found) - 1)])

    def of_shifted(shift: int) -> float:
        _, height, width, _ = others.shape
        edges = [(0, 0), (shift, shift), (shift, shift), (0, 0)]
        padded = np.pad(others, edges, mode="reflect")
        places = ((0, shift), (2 * shift, shift), (shift, 0), (shift, 2 * shift))
        return float(np.mean([error(padded[:, r : r + height, c : c + width]) for r, c in places]))

    own, left = error(others), errors(others)
    shares = left / left[0] if left[0] > 0 else np.zeros_like(left)
    costs = {shift: of_shifted(shift) / own if own > 0 else math.inf for shift in shifts}
    return Linearity(tuple(shares.tolist()), costs)
