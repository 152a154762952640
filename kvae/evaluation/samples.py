"""Compares samples with real images: are they alike, and do they cover all kinds of them?"""

from typing import NamedTuple

import numpy as np

from kvae.models.samples import NEIGHBOURS, flat, reach, within

CLUSTERS = 50
"""The largest number of clusters of training images."""


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


class RareModes(NamedTuple):
    """How many images show what is rare among training images.

    Training images are put into clusters by k-means; the rare ones are the fifth of the clusters
    that have the fewest images. An image shows a rare mode if it is nearest to the centre of a rare
    cluster, and within the reach of a training image, so that images that are unlike all training
    images do not count.

    Attributes:
        clusters: The number of clusters.
        rare: How many of them are rare.
        of_training: The share of the training images that are in a rare cluster.
        of_held_out: The share of held-out images that show a rare mode.
        of_samples: The share of samples that show a rare mode.
        reached: In how many of all clusters samples are that are within the reach of a training
            image.
    """

    clusters: int
    rare: int
    of_training: float
    of_held_out: float
    of_samples: float
    reached: int


def rare_modes(
    train: np.ndarray, held_out: np.ndarray, made: np.ndarray, k: int = NEIGHBOURS
) -> RareModes | None:
    """Measure whether samples show what is rare among training images.

    Args:
        train: Training images, `[count, ...]`.
        held_out: Held-out images, `[other count, ...]`.
        made: Samples, `[other count, ...]`.
        k: Which nearest neighbour of a training image decides its reach.

    Returns:
        What was measured, or None if there are fewer than ten training images for each of five
        clusters.
    """
    from sklearn.cluster import KMeans

    clusters = min(CLUSTERS, len(train) // 10)
    rare = clusters // 5
    if not rare:
        return None
    train = flat(train)
    means = KMeans(clusters, n_init=1, random_state=0).fit(train)
    sizes = np.bincount(means.labels_, minlength=clusters)
    is_rare = np.isin(np.arange(clusters), np.argsort(sizes, kind="stable")[:rare])
    radii = reach(train, k)

    def clusters_of(images: np.ndarray) -> np.ndarray:
        """The cluster of each image; -1 if the image is out of the reach of training images."""
        images = flat(images)
        return np.where(within(images, train, radii), means.predict(images), -1)

    of_samples, of_held_out = clusters_of(made), clusters_of(held_out)
    return RareModes(
        clusters=clusters,
        rare=rare,
        of_training=float(np.mean(is_rare[means.labels_])),
        of_held_out=float(np.mean((of_held_out >= 0) & is_rare[of_held_out])),
        of_samples=float(np.mean((of_samples >= 0) & is_rare[of_samples])),
        reached=len(np.unique(of_samples[of_samples >= 0])),
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
