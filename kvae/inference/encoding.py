"""The latents of images, and the bound on log p(x) of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.data.pixels import to_float
from kvae.errors import UsageError
from kvae.evaluation.likelihood import importance_weighted_bound
from kvae.models.base import Bounds, Embeds, Infers, Quantizes, check_labels, given
from kvae.models.chunks import in_chunks, rows_at_once
from kvae.models.estimates import stddev
from kvae.progress import Progress, silent

CHUNK = 1000
STREAM = 3
"""Separates these random numbers from those of training and evaluation under the same seed."""
IMPORTANCE_WEIGHTED = "importance_weighted"


@dataclass(frozen=True, eq=False)
class Encoded:
    """What a model says of images. What the model cannot say is missing.

    Attributes:
        terms: `elbo`, `reconstruction` and `kl` of each image, `[count]`, in nats, estimated from
            one sample of z; and `importance_weighted`, a tighter bound, if samples were asked for.
        means: The mean of q(z|x) of each image, `[count, latent]`, or what else the model embeds
            images as.
        stddevs: The standard deviations of q(z|x), `[count, latent]`.
        codes: The discrete codes, `[count, codes]`, row by row of their map.
    """

    terms: Mapping[str, np.ndarray] = field(default_factory=dict)
    means: np.ndarray | None = None
    stddevs: np.ndarray | None = None
    codes: np.ndarray | None = None

    def columns(self, names: np.ndarray, labels: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """A table with a row for each image: arrays `[count]` by the name of the column.

        Args:
            names: What each image is, `[count]`.
            labels: The label of each image, `[count]`; None leaves the column out.
        """
        table: dict[str, np.ndarray] = {"image": names}
        if labels is not None:
            table["label"] = labels
        table |= self.terms
        parts = ("mean", self.means), ("stddev", self.stddevs), ("code", self.codes)
        for name, values in parts:
            if values is not None:
                table |= {f"{name}_{n}": column for n, column in enumerate(values.T, start=1)}
        return table

    def arrays(self, names: np.ndarray, labels: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """The same as `columns`, with `means`, `stddevs` and `codes` as one array each.

        Args:
            names: What each image is, `[count]`.
            labels: The label of each image, `[count]`; None leaves them out.
        """
        found = {"image": names, "label": labels, **self.terms}
        found |= {"means": self.means, "stddevs": self.stddevs, "codes": self.codes}
        return {name: values for name, values in found.items() if values is not None}


def encode(
    model: Any,
    images: np.ndarray,
    samples: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
    labels: np.ndarray | None = None,
) -> Encoded:
    """Encode images, and bound log p(x) of each.

    Args:
        model: What `kvae.load` or `kvae.build` returned.
        images: uint8 `[count, height, width, channels]`.
        samples: The number of samples of z for the importance-weighted bound on log p(x) (Burda et
            al., 2016); None leaves it out.
        seed: Decides all random numbers.
        progress: Shows how much is done.
        labels: The number of each image's label, `[count]`, for a conditional model.

    Raises:
        UsageError: The images are not uint8 of the model's shape, the labels do not go together
            with them or with the model, or the model neither embeds images nor bounds log p(x).
    """
    if not isinstance(model, Bounds | Embeds):
        raise UsageError("this model neither embeds images nor bounds log p(x)")
    if samples is not None and not isinstance(model, Bounds):
        raise UsageError("this model has no bound on log p(x): leave `samples` out")

    def describe(model: Any, floats: tf.Tensor, seed: tf.Tensor) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if isinstance(model, Bounds):
            statistics = model.statistics(floats, seed)
            found |= {"terms": dict(statistics.terms), "means": statistics.embedding}
        else:
            found["means"] = model.embed(floats)
        if isinstance(model, Infers):
            found["stddevs"] = stddev(model.encode(floats))
        if isinstance(model, Quantizes):
            codes = model.codes(floats)
            found["codes"] = tf.reshape(codes, (codes.shape[0], -1))
        return found

    found = of_images(model, describe, images, seed, progress, "encoding", labels)
    terms = found.pop("terms", {})
    if samples is not None:
        terms[IMPORTANCE_WEIGHTED] = importance_weighted_bound(
            model, images, samples, seed, progress, labels=labels
        )
    return Encoded(terms, **found)


def of_images(
    model: Any,
    function: Callable[[Any, tf.Tensor, tf.Tensor], Any],
    images: np.ndarray,
    seed: int,
    progress: Progress,
    description: str,
    labels: np.ndarray | None = None,
) -> Any:
    """Call a function of images with some of them at a time, and join the results.

    Args:
        model: The model, which decides what it sees of images.
        function: From the model, given the labels of some images if it is conditional, these
            images, float32 `[rows, height, width, channels]`, and a seed, int32 `[2]`, to tensors
            `[rows, ...]`, in any structure.
        images: uint8 `[count, height, width, channels]`; one or more.
        seed: Decides all random numbers.
        progress: Shows how much is done.
        description: What is done, in a word.
        labels: The number of each image's label, `[count]`, for a conditional model.

    Returns:
        The structure, with arrays `[count, ...]`.

    Raises:
        UsageError: The images are not uint8 of the model's shape, there are none, or the labels do
            not go together with them or with the model.
    """
    model.inputs(images[:1])
    check_labels(model, labels, len(images))
    if not len(images):
        raise UsageError("there are no images")
    binarize = model.config.data.binarize

    def seen(chunk: tf.Tensor, seed: tf.Tensor, some: tf.Tensor | None = None) -> Any:
        pixel_seed, latent_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        floats = to_float(chunk, binarize, pixel_seed)
        return function(given(model, some), floats, latent_seed)

    # XLA would take longer to compile this than the few images take that are mostly given, and to
    # trace a graph takes longer than one image does.
    compiled = tf.function(seen, autograph=False) if len(images) > 1 else seen

    def chunk(start: int, index: np.ndarray) -> Any:
        chunk_seed = tf.random.experimental.stateless_fold_in([seed, STREAM], start)
        some = () if labels is None else (tf.constant(labels[index]),)
        return compiled(tf.constant(images[index]), chunk_seed, *some)

    rows = rows_at_once(model.config, min(CHUNK, len(images)))
    return in_chunks(chunk, len(images), rows, progress, description)
