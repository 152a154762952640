"""A model that is drawn, and what it lacks for a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kvae.data import Dataset
from kvae.errors import KvaeError
from kvae.models.base import (
    Bounds,
    Completes,
    Conditional,
    Decodes,
    Embeds,
    Filters,
    Generates,
    Infers,
    Layered,
    Quantizes,
    Reconstructs,
    given,
    labels_of,
)
from kvae.progress import Progress, silent

MOST_IMAGES = 2000
"""The largest number of test images of which t-SNE, PCA and other figures of many images are made.
More would take long and hide each other."""
LACKS = {
    Bounds: "bound on log p(x)",
    Conditional: "labels to choose from",
    Generates: "samples",
    Completes: "completions",
    Filters: "units that see the whole image",
    Quantizes: "codes",
    Reconstructs: "reconstructions",
    Embeds: "embeddings",
    Infers: "posterior q(z|x)",
    Decodes: "latent space that can be walked",
    Layered: "levels of latents",
}
"""What a model lacks that does not have a capability, as messages name it."""


class NotDrawnError(KvaeError):
    """A figure cannot be drawn, because the model or the run lacks what it needs."""


@dataclass(frozen=True)
class Subject:
    """A model, and what else figures are drawn from.

    Attributes:
        name: The model's name, which titles have.
        model: What `kvae.build` or `kvae.load` returned.
        dataset: The images that figures are drawn with.
        history: The columns of `history.csv` by name; None where there is no run.
        frames: The samples that `kvae.runs.film.Film` kept during training: `epochs`, `[frames]`,
            and `images`, uint8 `[frames, count, height, width, channels]`. None or empty where
            there are none.
        seed: Decides all random numbers.
        progress: Shows how much of the longer figures is done.
    """

    name: str
    model: Any
    dataset: Dataset
    history: Mapping[str, Sequence[Any]] | None = None
    frames: Mapping[str, np.ndarray] | None = None
    seed: int = 0
    progress: Progress = silent

    @property
    def item(self) -> str:
        """What the data are many of: `image` or `row`."""
        return self.model.config.data.item

    def some(self, count: int) -> tuple[np.ndarray, Any]:
        """Some test images as the model sees them, float32 `[count, height, width, channels]`, and
        the model, given their labels if it is conditional.

        Args:
            count: The largest number of images.
        """
        some = self.dataset.test.spread(count)
        images = self.model.inputs(some.images, self.seed).numpy()
        return images, given(self.model, self.labels(count))

    def labels(self, count: int) -> np.ndarray | None:
        """The numbers of the labels of the images that `some` returns; None unless the model is
        conditional.

        Args:
            count: The largest number of images.
        """
        return labels_of(self.model, self.dataset, self.dataset.test.spread(count))

    def need(self, *capabilities: type[Any]) -> None:
        """Refuse a model that lacks a capability.

        Args:
            capabilities: Protocols of `kvae.models.base` that the model must implement.

        Raises:
            NotDrawnError: The model lacks one of the capabilities.
        """
        for capability in capabilities:
            if not isinstance(self.model, capability):
                raise NotDrawnError(f"this model has no {LACKS[capability]}")
