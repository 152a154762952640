"""Keeps samples of a model during its training, for an animation."""

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

    The first of these epochs are closest to each other. A model that cannot sample, or whose
    samples are no pictures, has no frames.

    Args:
        model: The model in training.
        epochs: The number of epochs of the training.
    """

    def __init__(self, model: Any, epochs: int) -> None:
        self._model = model
        generates = isinstance(model, Generates)
        self._films = generates and not model.config.data.numbers
        self._wanted = set(np.geomspace(1, epochs, FRAMES).round().astype(int).tolist())
        self._epochs: list[int] = []
        self._images: list[np.ndarray] = []

    def shoot(self, epoch: int) -> None:
        """Keep samples of the model, if this epoch is one of those whose samples are kept.

        Args:
            epoch: Number of the epoch that has just ended, from 1.
        """
        if epoch in self._wanted and self._films:
            self._epochs.append(epoch)
            self._images.append(to_uint8(self._model.sample(COUNT).numpy()))

    def resume(self, path: Path, epochs: int) -> None:
        """Read the frames that an interrupted run saved, if it had any.

        Args:
            path: The file that `save` wrote.
            epochs: The number of epochs that are done; frames of later epochs are dropped.

        Raises:
            KvaeError: The file is missing or damaged.
        """
        if epochs == 0 or not self._films:
            return
        frames = read_frames(path)
        kept = frames["epochs"] <= epochs
        self._epochs, self._images = frames["epochs"][kept].tolist(), [*frames["images"][kept]]

    def frames(self) -> dict[str, np.ndarray]:
        """The frames: `epochs`, `[frames]`, and `images`, uint8
        `[frames, count, height, width, channels]`. Empty if there are no frames."""
        if not self._epochs:
            return {}
        return {"epochs": np.array(self._epochs), "images": np.stack(self._images)}

    def save(self, path: Path) -> None:
        """Write the frames, if there are any.

        Args:
            path: The `.npz` file to write.
        """
        if not self._epochs:
            return
        with atomic_file(path) as scratch:
            frames = self.frames()
            np.savez_compressed(scratch, epochs=frames["epochs"], images=frames["images"])


def read_frames(path: Path) -> dict[str, np.ndarray]:
    """Read the frames that `Film.save` wrote, as `Film.frames` returns them.

    Args:
        path: The `.npz` file.

    Raises:
        KvaeError: The file is missing or damaged.
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
        or 0 in images.shape
        or len(epochs) != len(images)
    ):
        raise KvaeError(
            f"{path} is damaged: it does not hold the same number of epochs and of pictures"
        )
    return {"epochs": epochs, "images": images}
