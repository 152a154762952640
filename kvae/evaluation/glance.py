"""Whether a model is any good, in one sentence that is found in a moment."""

import math
from typing import Any

import numpy as np

from kvae.data import Dataset
from kvae.evaluation import adversary, classical
from kvae.evaluation.classical import fewer
from kvae.evaluation.compared import reconstructed, shown
from kvae.models.base import Discriminates, EnergyBased, Quantizes, Reconstructs
from kvae.models.plan import Evaluation

TRAIN_NUMBERS = 2**23
"""The largest number of pixels of all training images that principal components are found in."""
TEST_NUMBERS = 2**22
"""The largest number of pixels of all test images that are reconstructed."""
TEST_IMAGES = 500
"""The largest number of test images that are reconstructed."""
ALIKE = 0.05
"""Two errors are called alike if they differ by no larger a share than this."""


def verdict(model: Any, dataset: Dataset, test: Evaluation) -> str | None:
    """A sentence that compares a trained model with something that everyone knows.

    The reconstructions of a model are compared with those of principal component analysis with as
    many components as the model has latents, or with the mean image where the latents are codes or
    hidden units. The samples of a generator with a discriminator have a verdict of their own.

    Args:
        model: The model.
        dataset: The images that it was trained on, and test images.
        test: The model's metrics on the test images.

    Returns:
        The sentence; None for a model that neither reconstructs nor has a discriminator, and where
        linear reconstructions are perfect.
    """
    item = model.config.data.item
    if isinstance(model, Discriminates):
        coverage, recall = test.means["coverage"], test.means["recall"]
        found = adversary.verdict(coverage, recall).capitalize()
        share = f"samples cover {coverage:.0%} of the test {item}s"
        return f"{found}: {share}, with a recall of {recall:.0%}."
    if not isinstance(model, Reconstructs):
        return None
    pixels = math.prod(dataset.image_shape)
    some = dataset.test.spread(min(TEST_IMAGES, max(1, TEST_NUMBERS // pixels)))
    originals = shown(model, some)
    decoded = reconstructed(model, dataset, some)
    train = shown(model, dataset.train.spread(max(2, TRAIN_NUMBERS // pixels)))
    if test.embeddings is None or isinstance(model, Quantizes | EnergyBased):
        components = 0
    else:
        components = fewer(test.embeddings.shape[1], train)
    if components > 0:
        linear = classical.pca_reconstructions(train, originals, components)
        what = "principal component" if components == 1 else f"{components} principal components"
        name, with_what = "PCA", f"those by the {what} of {len(train):,} training"
    else:
        linear = train.mean(axis=0)
        name, with_what = "the mean", f"the mean of {len(train):,} training"
    error = float(np.mean(np.square(originals - linear)))
    if error == 0:
        return None
    ratio = float(np.mean(np.square(originals - decoded))) / error
    better = "Better than" if ratio < 1 - ALIKE else "Worse than" if ratio > 1 + ALIKE else "Like"
    return (
        f"{better} {name}: reconstructions of {len(some):,} test {item}s have "
        f"{ratio:.3g} times the squared error of {with_what} {item}s."
    )
