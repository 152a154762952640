"""How samples compare with real images: coverage in pixel space, and a discriminator's scores."""

import numpy as np

NEIGHBOURS = 5
"""The reach of an image is the distance to this neighbour, counted from the nearest."""


def covered(real: np.ndarray, images: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Which real images have an image within their reach: bool `[count]`.

    The mean is the coverage (Naeem et al., 2020, Equation 4).

    Args:
        real: Real images, `[count, ...]`. Of `k` or fewer, the farthest neighbour decides; a single
            one is never covered.
        images: The images to be compared with them, `[other count, ...]`.
        k: Which nearest neighbour of a real image decides its reach; 1 is the nearest.
    """
    from sklearn.neighbors import NearestNeighbors

    k = min(k, len(real) - 1)
    if k < 1:
        return np.zeros(len(real), bool)
    neighbours = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(flat(images))
    return neighbours.kneighbors(flat(real))[0][:, 0] <= reach(real, k)


def reach(images: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """The distance of each image to its k-th nearest neighbour among the others, `[count]`.

    Args:
        images: `[count, ...]`, more than `k`.
        k: Which nearest neighbour; 1 is the nearest.
    """
    from sklearn.neighbors import NearestNeighbors

    neighbours = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(flat(images))
    return neighbours.kneighbors()[0][:, -1]


def flat(images: np.ndarray) -> np.ndarray:
    """Images as vectors, float32 `[count, numbers]`.

    Args:
        images: `[count, ...]`.
    """
    return np.asarray(images, np.float32).reshape(len(images), -1)


def told_apart(real: np.ndarray, made: np.ndarray) -> np.ndarray:
    """The share of samples that have a lower score than each real image, float32 `[count]`.

    Samples of the same score count half. The mean is the area under the ROC curve of a
    discriminator: 1 if it tells all samples from real images, and 0.5 if it only guesses.

    Args:
        real: The scores of real images, `[count]`.
        made: The scores of samples, `[other count]`.
    """
    ordered = np.sort(made)
    below = np.searchsorted(ordered, real, "left") + np.searchsorted(ordered, real, "right")
    return (below / (2 * len(made))).astype(np.float32)
