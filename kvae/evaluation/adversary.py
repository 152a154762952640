"""Whether a generator that was trained against a discriminator has collapsed, or has lost to it."""

import numpy as np

PARTLY = 0.5
"""Samples are partly collapsed if they cover a smaller share of held-out images than this."""
COLLAPSED = 0.1
"""Samples are collapsed if it is a smaller share than this."""
MISSING = 0.2
"""A kind of images is missing if its share of samples is below so many times that of the data."""
WON = 0.99
"""The discriminator has won if so large a share of pairs of an image and a sample is told apart."""
KINDS = 10
"""The number of kinds of images where they have no labels."""
CURE = (
    "try `loss=wasserstein`, more `discriminator_steps`, a lower `learning_rate`, or another "
    "`gradient_penalty`"
)
"""What to do about samples that are all alike."""
CURE_OF_WON = (
    "the generator learns little from it: try a larger `gradient_penalty`, fewer "
    "`discriminator_steps`, or more training images by `shift`"
)
"""What to do about a discriminator that has won."""


def verdict(coverage: float) -> str:
    """Whether samples are `collapsed`, `partly collapsed` or `healthy`.

    Args:
        coverage: The share of held-out images that samples cover.
    """
    if coverage < COLLAPSED:
        return "collapsed"
    return "partly collapsed" if coverage < PARTLY else "healthy"


def collapse_warning(coverage: float) -> str | None:
    """A sentence that says what to do about samples that have collapsed; None if they have not.

    Args:
        coverage: The share of held-out images that samples cover.
    """
    if verdict(coverage) == "healthy":
        return None
    return f"the samples cover {coverage:.0%} of the held-out images: {CURE}"


def told_apart(real: np.ndarray, made: np.ndarray) -> float:
    """The share of pairs of a real and a generated image of which the real one has the higher
    score; pairs of equal scores count half. It is the area under the ROC curve.

    Args:
        real: The scores of real images, `[count]`.
        made: The scores of generated images, `[other count]`.
    """
    ordered = np.sort(made)
    below = np.searchsorted(ordered, real, "left") + np.searchsorted(ordered, real, "right")
    return float(np.mean(below) / (2 * len(made)))


def rarest(data: np.ndarray, made: np.ndarray) -> tuple[int, float]:
    """The kind of images that is rarest among samples, compared with the data.

    Args:
        data: The number of the kind of each real image, `[count]`.
        made: The number of the kind of each sample, `[other count]`.

    Returns:
        The number of the kind, and its share of samples divided by its share of the data.
    """
    kinds, counts = np.unique(data, return_counts=True)
    shares = np.mean(made[:, None] == kinds, axis=0) / (counts / len(data))
    index = int(np.argmin(shares))
    return int(kinds[index]), float(shares[index])


def kinds_of(
    train: np.ndarray, labels: np.ndarray | None, made: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the kinds of training images, and of samples.

    The kind of an image is its label, and that of a sample is the label of the training image that
    is nearest. Without labels, kinds are clusters of training images by k-means.

    Args:
        train: Floats, `[count, ...]`.
        labels: The number of each image's label, `[count]`, or None.
        made: Floats, `[other count, ...]`.
    """
    from sklearn.cluster import KMeans
    from sklearn.neighbors import NearestNeighbors

    flat, points = train.reshape(len(train), -1), made.reshape(len(made), -1)
    if labels is None:
        clusters = KMeans(min(KINDS, len(flat)), n_init=1, random_state=0).fit(flat)
        return clusters.labels_, clusters.predict(points)
    nearest = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(flat)
    return labels, labels[nearest.kneighbors(points)[1][:, 0]]
