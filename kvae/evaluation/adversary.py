"""Whether a generator that was trained against a discriminator has collapsed, or has lost to it."""

from typing import NamedTuple

import numpy as np

from kvae.evaluation.samples import nearest
from kvae.models.samples import flat

PARTLY = 0.5
"""Samples are partly collapsed if they cover a smaller share of held-out images than this."""
COLLAPSED = 0.1
"""Samples are collapsed if it is a smaller share than this."""
ALIKE = 0.05
"""Samples are too alike, and partly collapsed, if a smaller share of held-out images is within
their reach than this."""
RARE = 0.5
"""A kind of images is rare if its share of samples is below so many times that of the data."""
MISSING = 0.2
"""It is missing if its share is below so many times that of the data."""
WON = 0.99
"""The discriminator has won if it tells apart so large a share of pairs of an image and a sample,
and samples are not healthy."""
KNOWN = 0.1
"""The discriminator knows its training images if the share is larger with them by so much."""
KINDS = 10
"""The number of kinds of images where they have no labels."""
FEWEST = 10
"""The share of a kind of which fewer images are expected among the samples says little."""
CURE = (
    "try more `discriminator_steps` or `epochs`, `loss=wasserstein`, or another `gradient_penalty`"
)
"""What to do about samples that leave out images."""
CURE_OF_ALIKE = "try more `epochs`, or a smaller `gradient_penalty`"
"""What to do about samples that are too alike, or blurred."""
CURE_OF_WON = (
    "try another `gradient_penalty`, a larger one if the discriminator's loss is near 0 and a "
    "smaller one if it is not, or a smaller `learning_rate`"
)
"""What to do about a discriminator that has won."""
CURE_OF_KNOWN = "try a larger `gradient_penalty`, `shift`, or more training images"
"""What to do about a discriminator that knows its training images."""


def verdict(coverage: float, recall: float, is_missing: bool = False) -> str:
    """Whether samples are `collapsed`, `partly collapsed` or `healthy`.

    Args:
        coverage: The share of held-out images that samples cover.
        recall: The share of held-out images that are within the reach of samples.
        is_missing: Whether a kind of images is missing among samples.
    """
    if coverage < COLLAPSED:
        return "collapsed"
    is_partly = is_missing or coverage < PARTLY or recall < ALIKE
    return "partly collapsed" if is_partly else "healthy"


def warnings(coverage: float, recall: float, told_apart: float) -> list[str]:
    """Sentences that say what to do about samples that have collapsed, and about a discriminator
    that has won.

    Args:
        coverage: The share of held-out images that samples cover.
        recall: The share of held-out images that are within the reach of samples.
        told_apart: The share of pairs of a held-out image and a sample that the discriminator tells
            apart.
    """
    found, state = [], verdict(coverage, recall)
    if coverage < PARTLY:
        found.append(f"samples cover only {coverage:.0%} of the held-out images: {CURE}")
    elif state != "healthy":
        found.append(
            f"samples are too alike, or blurred: their recall of held-out images is {recall:.1%}; "
            f"{CURE_OF_ALIKE}"
        )
    if has_won(state, told_apart):
        found.append(
            f"the discriminator has won: it tells {told_apart:.1%} of the pairs of an image and a "
            f"sample apart; {CURE_OF_WON}"
        )
    return found


def has_won(state: str, told_apart: float) -> bool:
    """Whether the generator learns nothing any more because the discriminator is too good.

    A discriminator may tell nearly all samples apart by small differences, and still teach. It has
    won if samples leave out images besides.

    Args:
        state: What `verdict` says of the samples.
        told_apart: The share of pairs of a held-out image and a sample that the discriminator tells
            apart.
    """
    return told_apart >= WON and state != "healthy"


def outcome(state: str, told_apart: float) -> str:
    """What the share of pairs that the discriminator tells apart means, in words.

    Args:
        state: What `verdict` says of the samples.
        told_apart: The share of pairs of a held-out image and a sample that the discriminator tells
            apart.
    """
    if has_won(state, told_apart):
        return f"it has won: {CURE_OF_WON}"
    return (
        "nearly all, but it has not won: samples are varied"
        if told_apart >= WON
        else "it has not won"
    )


class Kind(NamedTuple):
    """A kind of images, and how frequent it is.

    Attributes:
        number: The number of the kind.
        of_data: Its share of the real images.
        of_samples: Its share of the samples.
    """

    number: int
    of_data: float
    of_samples: float

    @property
    def verdict(self) -> str:
        """Whether the kind is `missing` among samples, `rare`, or as frequent as it should be."""
        ratio = self.of_samples / self.of_data
        return "missing" if ratio < MISSING else "rare" if ratio < RARE else "present"


def rarest(data: np.ndarray, made: np.ndarray) -> Kind:
    """The kind of images that is rarest among samples, compared with the data.

    Kinds of which fewer than `FEWEST` samples are expected are left out, if others are left.

    Args:
        data: The number of the kind of each real image, `[count]`.
        made: The number of the kind of each sample, `[other count]`.
    """
    numbers, counts = np.unique(data, return_counts=True)
    of_data = counts / len(data)
    enough = of_data * len(made) >= FEWEST
    if enough.any():
        numbers, of_data = numbers[enough], of_data[enough]
    of_samples = np.mean(made[:, None] == numbers, axis=0)
    index = int(np.argmin(of_samples / of_data))
    return Kind(int(numbers[index]), float(of_data[index]), float(of_samples[index]))


def kinds_of(
    real: np.ndarray, labels: np.ndarray | None, made: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the kinds of real images, `[count]`, and of samples, `[other count]`.

    The kind of an image is its label, and that of a sample is the label of the image that is
    nearest. Without labels, kinds are clusters of the images by k-means.

    Args:
        real: Real images, floats `[count, ...]`.
        labels: The number of each image's label, `[count]`, or None.
        made: Samples, floats `[other count, ...]`.
    """
    from sklearn.cluster import KMeans

    if labels is None:
        points, samples = flat(real), flat(made)
        clusters = KMeans(min(KINDS, len(points)), n_init=1, random_state=0).fit(points)
        return clusters.labels_, clusters.predict(samples)
    return labels, labels[nearest(made, real)[1]]
