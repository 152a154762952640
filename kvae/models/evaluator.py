"""Evaluates a model on many images, in compiled chunks that bound memory."""

import numpy as np
import tensorflow as tf

from kvae.data.pixels import to_float
from kvae.models.base import (
    Bounds,
    Statistics,
    check_labels,
    given,
    of_any_label,
)
from kvae.models.chunks import in_chunks, rows_at_once
from kvae.models.plan import Evaluation

CHUNK = 1000
# Separates the random numbers of evaluation from those of training under the same seed.
STREAM = 1


class Evaluator:
    """Computes the bounds of any number of images with one compiled function.

    Args:
        model: A model that bounds log p(x), or log p(x|y), with its configuration.
        seed: Decides the random numbers, which are the same in every call.
        chunk: The largest number of images that are evaluated at a time; they are fewer if they
            would take too much memory.
    """

    def __init__(self, model: Bounds, seed: int, chunk: int = CHUNK) -> None:
        config = model.config  # type: ignore[attr-defined]
        self._model, self._seed = model, tf.constant([seed, STREAM])
        self._chunk = rows_at_once(config, chunk)
        binarize, jit = config.data.binarize, config.training.jit

        @tf.function(jit_compile=jit, autograph=False)
        def evaluate(
            images: tf.Tensor, seed: tf.Tensor, labels: tf.Tensor | None = None
        ) -> Statistics:
            pixel_seed, latent_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
            seen = to_float(images, binarize, pixel_seed, jit)
            return given(model, labels).statistics(seen, latent_seed)

        self._evaluate = evaluate

    def __call__(self, images: np.ndarray, labels: np.ndarray | None = None) -> Evaluation:
        """Evaluate images.

        Args:
            images: uint8 `[count, height, width, channels]`.
            labels: The number of each image's label, `[count]`, for a conditional model.

        Raises:
            UsageError: A conditional model has no labels, another model has some, or they are not
                as many as the images.
        """
        check_labels(self._model, labels, len(images))

        def evaluate(start: int, index: np.ndarray) -> Statistics:
            seed = tf.random.experimental.stateless_fold_in(self._seed, start)
            some = () if labels is None else (tf.constant(labels[index]),)
            return self._evaluate(tf.constant(images[index]), seed, *some)

        found: Statistics = in_chunks(evaluate, len(images), self._chunk)
        return Evaluation(
            terms=found.terms,
            scalars=of_any_label(self._model).scalars(found.embedding),
            embeddings=found.embedding,
            per_dimension={name: each.mean(axis=0) for name, each in found.per_dimension.items()},
        )
