"""What fixed latents decode to in the course of a training, for an animation."""

from pathlib import Path

import numpy as np

from kvae.errors import KvaeError
from kvae.figures.grids import to_uint8
from kvae.io.files import atomic_file
from kvae.io.reading import read_arrays
from kvae.models.vae.model import VAE

FRAMES = 40
COUNT = 36


class Film:
    """Keeps the images of `COUNT` draws from the prior at up to `FRAMES` epochs, first ones closer.

    Args:
        model: The model in training.
        epochs: How many there will be.
    """

    def __init__(self, model: VAE, epochs: int) -> None:
        self._model = model
        self._wanted = set(np.geomspace(1, epochs, FRAMES).round().astype(int).tolist())
        self._epochs: list[int] = []
        self._images: list[np.ndarray] = []

    def shoot(self, epoch: int) -> None:
        """Keep what the model draws after `epoch`, if that is among the epochs wanted."""
        if epoch in self._wanted:
            self._epochs.append(epoch)
            self._images.append(to_uint8(self._model.sample(COUNT).numpy()))

    def resume(self, path: Path, epochs: int) -> None:
        """Take the frames up to an epoch from a file of them.

        Raises:
            KvaeError: the file is damaged.
        """
        frames = read_frames(path)
        kept = frames["epochs"] <= epochs
        self._epochs, self._images = frames["epochs"][kept].tolist(), [*frames["images"][kept]]

    def frames(self) -> dict[str, np.ndarray]:
        """`epochs`, `[frames]`, and `images`, uint8 `[frames, count, height, width, channels]`."""
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
