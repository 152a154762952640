"""The images that a report compares, and those that a model makes of others."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.data import Dataset
from kvae.data.dataset import Split
from kvae.data.pixels import to_float
from kvae.models.base import Decodes, Generates, Infers, Reconstructs, labels_of, seed_pair
from kvae.models.chunks import of_rows, sampled

COMPARED = 5000
"""The largest number of images of each kind that are compared pairwise."""
COMPARED_NUMBERS = 2**26
"""The largest number of all their pixels, 256 MiB of each kind, where images are not so large that
fewer than `FEWEST_COMPARED` would be compared."""
FEWEST_COMPARED = 100


class Compared:
    """The images that are compared: training images, held-out images, and images of the model.

    All are floats in [0, 1], `[count, height, width, channels]`.

    Args:
        model: The model; it makes the kinds of images that it can make.
        dataset: The dataset, which has the training images.
        held_out: Images that the model was not trained on.
        seed: Decides all random numbers.

    Attributes:
        train: Some training images.
        held_out: Some held-out images.
        made: Images of the model by kind, as many as training images. The kinds are `prior
            samples`, `aggregated-posterior samples` and `reconstructions` (of training images).
        reconstructions: Reconstructions of `held_out`; None if the model does not reconstruct.
    """

    def __init__(self, model: Any, dataset: Dataset, held_out: Split, seed: int) -> None:
        train, held_out = compared_of(dataset.train), compared_of(held_out)
        own_labels = labels_of(model, dataset, train)
        self.train, self.held_out = shown(model, train), shown(model, held_out)
        self.made: dict[str, np.ndarray] = {}
        self.reconstructions: np.ndarray | None = None
        if isinstance(model, Generates):
            self.made["prior samples"] = sampled(model, len(train), seed)
        if isinstance(model, Infers) and isinstance(model, Decodes):
            # The order is random, because callers that need fewer take the first ones.
            order = np.random.RandomState(seed).permutation(len(train))
            z = of_rows(model, _inferred, train.images, seed, own_labels)[order]
            ordered = None if own_labels is None else own_labels[order]
            self.made["aggregated-posterior samples"] = of_rows(
                model, lambda model, z, _: model.mean_images(z), z, labels=ordered
            )
        if isinstance(model, Reconstructs):
            self.made["reconstructions"] = reconstructed(model, dataset, train, seed)
            self.reconstructions = reconstructed(model, dataset, held_out, seed)


def _inferred(model: Any, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A sample of q(z|x) for each image."""
    return model.encode(model.inputs(images, seed)).sample(seed=seed)


def compared_of(split: Split, most: int = COMPARED) -> Split:
    """Those of some images that are compared.

    Args:
        split: The images.
        most: The largest number of images; large images are fewer.
    """
    fitting = max(FEWEST_COMPARED, COMPARED_NUMBERS // math.prod(split.images.shape[1:]))
    return split.spread(min(most, fitting))


def reconstructed(model: Any, dataset: Dataset, split: Split, seed: int = 0) -> np.ndarray:
    """The reconstructions of images, given their labels if the model is conditional.

    Args:
        model: A model that reconstructs.
        dataset: The dataset that the images are of.
        split: The images.
        seed: Decides the random numbers of dynamic binarization.
    """

    def again(model: Any, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return model.reconstruct(model.inputs(images, seed))

    return of_rows(model, again, split.images, seed, labels_of(model, dataset, split))


def shown(model: Any, split: Split) -> np.ndarray:
    """Images that those of the model should be like, in [0, 1].

    With dynamic binarization these are the grey images, although the model sees binary ones: the
    means of p(x|z) are grey, too. A model that draws pixels draws binary ones, as it sees them.

    Args:
        model: The model.
        split: The images.
    """
    binarize = model.config.data.binarize
    if binarize == "dynamic" and not model.draws_pixels:
        binarize = "none"
    return to_float(tf.constant(split.images), binarize, seed_pair(0)).numpy()
