"""Samples from the same seed in the course of a training, for an animation."""

from pathlib import Path
from typing import Any

import numpy as np

from kvae.errors import KvaeError
from kvae.figures.grids import to_uint8
from kvae.io.files import atomic_file
from kvae.io.reading import read_arrays
from kvae.models.base import Generates

FRAMES = 40
COUNT = 36


class Film:
    """Keeps `COUNT` samples of the model, from the same seed, after each of up to `FRAMES` epochs.

    The first of these epochs are closest to each other. A model that cannot sample has no frames.

    Args:
        model: The model in training.
        epochs: How many epochs there will be.
    """

    def __init__(self, model: Any, epochs: int) -> None:
        self._model = model
        self._wanted = set(np.geomspace(1, epochs, FRAMES).round().astype(int).tolist())
        self._epochs: list[int] = []
        self._images: list[np.ndarray] = []

    def shoot(self, epoch: int) -> None:
        """Keep the model's samples after an epoch, if the epoch is one of those that are kept."""
        if epoch in self._wanted and isinstance(self._model, Generates):
            self._epochs.append(epoch)
            self._images.append(to_uint8(self._model.sample(COUNT).numpy()))

    def resume(self, path: Path, epochs: int) -> None:
        """Take the frames of the first epochs from a file, if there is one.

        Args:
            path: What `save` wrote.
            epochs: Number of the last epoch whose frame is kept.

        Raises:
            KvaeError: The file is damaged.
        """
        if not path.is_file():
            return
        frames = read_frames(path)
        kept = frames["epochs"] <= epochs
        self._epochs, self._images = frames["epochs"][kept].tolist(), [*frames["images"][kept]]

    def frames(self) -> dict[str, np.ndarray]:
        """`epochs`, `[frames]`, and `images`, uint8 `[frames, count, height, width, channels]`.

        Empty where there are no frames.
        """
        if not self._epochs:
            return {}
        return {"epochs": np.array(self._epochs), "images": np.stack(self._images)}

    def save(self, path: Path) -> None:
        """Write the frames as `.npz`, if there are any."""
        if not self._epochs:
            return
        with atomic_file(path) as scratch:
            frames = self.frames()
            np.savez_compressed(scratch, epochs=frames["epochs"], images=frames["images"])


def read_frames(path: Path) -> dict[str, np.ndarray]:
    """The frames that `Film.save` wrote.

    Raises:
        KvaeError: the file is damaged.
    """
    try:
        arrays = read_arrays(path, lambda names: [n for n in names if n in ("epochs", "images")])
        epochs, images = arrays["epochs"], arrays["images"]
    except KeyError as error:
        raise KvaeError(f"{path} is damaged: it has no {error}") from error
    except KvaeError as error:
        raise KvaeError(f"{path} is damaged: {error}") from error
    if (
        epochs.ndim != 1
        or epochs.dtype.kind not in "iu"
        or images.ndim != 5
        or images.dtype != np.uint8
        or images.shape[-1] not in (1, 3)
        or 0 in images.shape
        or len(epochs) != len(images)
    ):
        raise KvaeError(
            f"{path} is damaged: it does not hold the same number of epochs and of pictures"
        )
    return {"epochs": epochs, "images": images}
