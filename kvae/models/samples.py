"""How samples compare with real images: nearest neighbours in pixel space, and a discriminator's
scores."""

import numpy as np

NEIGHBOURS = 5
"""The reach of an image is the distance to this neighbour, counted from the nearest."""


def covered(
    held_out: np.ndarray, images: np.ndarray, train: np.ndarray, k: int = NEIGHBOURS
) -> np.ndarray:
    """Which held-out images have an image as near as their k-th training image: bool `[count]`.

    The mean is the coverage (Naeem et al., 2020, Equation 4), but that the reach of an image is its
    distance to training images: the few held-out images are far from each other, and would be
    covered by images that are unlike them.

    Args:
        held_out: Held-out images, `[count, ...]`.
        images: The images to be compared with them, as many as `train`, `[other count, ...]`.
        train: Training images, `[other count, ...]`. Of fewer than `k`, the farthest one decides.
        k: Which nearest training image decides; 1 is the nearest.
    """
    from sklearn.neighbors import NearestNeighbors

    def distances(of: np.ndarray, number: int) -> np.ndarray:
        neighbours = NearestNeighbors(n_neighbors=number, algorithm="brute").fit(flat(of))
        return neighbours.kneighbors(flat(held_out))[0][:, -1]

    return distances(images, 1) <= distances(train, min(k, len(train)))


def recalled(held_out: np.ndarray, images: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Which held-out images are within the reach of an image: bool `[count]`.

    The mean is the recall (Kynkaanniemi et al., 2019, Equation 2). It is low for images that are
    more alike than the held-out ones are, such as blurred ones.

    Args:
        held_out: Held-out images, `[count, ...]`.
        images: The images to be compared with them, `[other count, ...]`.
        k: Which nearest neighbour of an image decides its reach; 1 is the nearest.
    """
    return within(held_out, images, reach(images, k))


def within(images: np.ndarray, others: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Which images are not farther from one of the others than its radius: bool `[count]`.

    Args:
        images: `[count, ...]`.
        others: `[other count, ...]`.
        radii: `[other count]`.
    """
    from sklearn.metrics import pairwise_distances_chunked

    chunks = pairwise_distances_chunked(flat(images), flat(others))
    return np.concatenate([(distances <= radii).any(axis=1) for distances in chunks])


def reach(images: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """The distance of each image to its k-th nearest neighbour among the others, `[count]`.

    Args:
        images: `[count, ...]`. Of `k` or fewer, the farthest neighbour decides; that of a single
            image is itself.
        k: Which nearest neighbour; 1 is the nearest.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(images) == 1:
        return np.zeros(1)
    number = min(k, len(images) - 1)
    neighbours = NearestNeighbors(n_neighbors=number, algorithm="brute").fit(flat(images))
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
