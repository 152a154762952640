"""Compares samples with real images: are they alike, and do they cover all kinds of them?"""

from typing import NamedTuple

import numpy as np

from kvae.models.samples import NEIGHBOURS, flat, reach


class Fidelity(NamedTuple):
    """How images compare with real ones, by nearest neighbours in pixel space.

    The reach of an image is the distance to its k-th nearest neighbour of the same kind, real or
    not. All but `density` are at most 1.

    Attributes:
        precision: Share of the images that are within the reach of a real one (Kynkaanniemi et al.,
            2019).
        recall: Share of the real ones that are within the reach of an image (Kynkaanniemi et al.,
            2019).
        density: In how many real ones' reach an image is on average, divided by k; it can be above
            1 (Naeem et al., 2020).
        coverage: Share of the real ones that have an image within their reach (Naeem et al., 2020).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def fidelity(real: np.ndarray, images: np.ndarray, k: int = NEIGHBOURS) -> Fidelity:
    """Measure precision, recall, density and coverage of images.

    Args:
        real: Real images, `[count, ...]`, more than `k`.
        images: The images to be compared with them, `[other count, ...]`, more than `k`.
        k: Which nearest neighbour decides the reach of an image.
    """
    from sklearn.metrics import pairwise_distances_chunked

    real, images = flat(real), flat(images)
    real_reach, image_reach = reach(real, k), reach(images, k)
    reached = np.zeros(len(images), int)
    recalled, covered = [], []
    start = 0
    for distances in pairwise_distances_chunked(real, images):
        within = distances <= real_reach[start : start + len(distances), None]
        start += len(distances)
        reached += within.sum(axis=0)
        covered.append(within.any(axis=1))
        recalled.append((distances <= image_reach).any(axis=1))
    return Fidelity(
        precision=float(np.mean(reached > 0)),
        recall=float(np.mean(np.concatenate(recalled))),
        density=float(np.mean(reached) / k),
        coverage=float(np.mean(np.concatenate(covered))),
    )


def nearest(images: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest reference image of each image.

    Args:
        images: Floats in [0, 1], `[count, height, width, channels]`.
        references: Floats in [0, 1], `[other count, height, width, channels]`.

    Returns:
        The root mean squared difference of the pixels, and the index of the nearest reference; each
        `[count]`.
    """
    from sklearn.neighbors import NearestNeighbors

    neighbours = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(flat(references))
    distances, index = neighbours.kneighbors(flat(images))
    pixels = np.prod(images.shape[1:])
    return distances[:, 0] / np.sqrt(pixels), index[:, 0]
