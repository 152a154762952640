"""What a page asks of a model: decoded points, samples, and all about a picture of one's own."""

import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kvae.data import Dataset
from kvae.data.image_files import SUFFIXES
from kvae.data.sources import pictures
from kvae.errors import KvaeError
from kvae.explore.atlas import survey
from kvae.figures.grids import to_uint8
from kvae.inference import Index, embeddings, encode, path, percentiles, reconstruct
from kvae.models.base import Bounds, Decodes, Embeds, Generates, Reconstructs
from kvae.progress import Progress, silent

NEIGHBOURS = 5


class Neighbour(NamedTuple):
    """A training image near a picture.

    Attributes:
        image: uint8 `[height, width, channels]`.
        name: Its file, or its number among the training images.
        distance: The Euclidean distance of the latents.
    """

    image: np.ndarray
    name: str
    distance: float


class Own(NamedTuple):
    """What a model says of a picture of a person's own. What it cannot say is None or empty.

    Attributes:
        image: The picture as it was read and resized, uint8 `[height, width, channels]`.
        notes: What was assumed when it was read, in words.
        reconstruction: uint8 `[height, width, channels]`.
        latents: The mean of q(z|x), or what else the model embeds images as, `[dimensions]`.
        elbo: The ELBO, in nats.
        percentile: The percentage of validation images with a lower ELBO.
        neighbours: The nearest training images, the nearest first.
    """

    image: np.ndarray
    notes: tuple[str, ...]
    reconstruction: np.ndarray | None
    latents: np.ndarray | None
    elbo: float | None
    percentile: float | None
    neighbours: tuple[Neighbour, ...]


class Explorer:
    """A model, with the images that it was trained on.

    Args:
        name: The model's name.
        model: What `kvae.build` or `kvae.load` returned.
        dataset: The images that the model was trained on.
        progress: Shows how much of the preparations is done.

    Attributes:
        name: The model's name.
        dataset: The images that the model was trained on.
        atlas: Test images, and where they are in the model's latent space.

    Raises:
        KvaeError: The model has nothing to look at, or is conditional.
    """

    def __init__(
        self, name: str, model: Any, dataset: Dataset, progress: Progress = silent
    ) -> None:
        self.name, self.dataset, self._model = name, dataset, model
        self.atlas = survey(model, dataset, progress=progress)
        self._mean_images: Callable[[np.ndarray], tf.Tensor] | None = None
        if isinstance(model, Decodes):
            latents = tf.TensorSpec((None, *model.prior.distribution().event_shape), tf.float32)
            # Traced once for any number of rows, before anyone waits for it.
            self._mean_images = tf.function(model.mean_images, [latents], autograph=False)
            self.decode(self.atlas.start)

    @property
    def summary(self) -> str:
        """What the model is, in a few words."""
        return f"{self._model.config.family}, {self._model.config.model.summary}"

    @property
    def decodes(self) -> bool:
        """Whether points of a latent space can be decoded."""
        return isinstance(self._model, Decodes)

    @property
    def generates(self) -> bool:
        """Whether there are samples."""
        return isinstance(self._model, Generates)

    @property
    def describes(self) -> bool:
        """Whether there is anything to say of a picture of one's own."""
        return isinstance(self._model, Bounds | Embeds | Reconstructs)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Decode one point: uint8 `[height, width, channels]`.

        Args:
            latents: float32 `[latent]`.
        """
        return to_uint8(self.decode_all(latents[None])[0])

    def decode_all(self, latents: np.ndarray) -> np.ndarray:
        """Decode points: float32 `[count, height, width, channels]` in [0, 1].

        Args:
            latents: float32 `[count, latent]`.
        """
        assert self._mean_images is not None
        return self._mean_images(latents.astype(np.float32)).numpy()

    def between(self, first: np.ndarray, last: np.ndarray, steps: int) -> np.ndarray:
        """Decode the straight way from one point to another, both ends included.

        Args:
            first: float32 `[latent]`.
            last: float32 `[latent]`.
            steps: The number of points; 2 or more.

        Returns:
            float32 `[steps, height, width, channels]` in [0, 1].
        """
        return self.decode_all(path(first[None], last[None], steps)[0])

    def samples(self, count: int, seed: int) -> np.ndarray:
        """Samples from the prior, those of `kvae.sample` with the same seed.

        Args:
            count: The number of samples.
            seed: Decides the random numbers.

        Returns:
            float32 `[count, height, width, channels]` in [0, 1].
        """
        return self._model.sample(count, seed).numpy()

    def near(self, latents: np.ndarray, spread: float, count: int, seed: int) -> np.ndarray:
        """Samples near a point: decoded from Gaussian latents around it.

        Args:
            latents: The point, float32 `[latent]`.
            spread: The standard deviation of the latents, in standard deviations of the prior.
            count: The number of samples.
            seed: Decides the random numbers.

        Returns:
            float32 `[count, height, width, channels]` in [0, 1].
        """
        assert self.atlas.scale is not None
        noise = np.random.default_rng(seed).standard_normal((count, len(latents)))
        return self.decode_all(latents + spread * self.atlas.scale * noise)

    def own(self, content: bytes, name: str) -> Own:
        """Read a picture, and say what the model says of it.

        It is read as all commands read image files, and resized.

        Args:
            content: The content of an image file.
            name: The name of the file, whose suffix says that it is an image.

        Raises:
            KvaeError: It is not a whole image, or not for this model.
        """
        image, notes = self._read(content, name)
        one, model = image[None], self._model
        reconstruction = latents = elbo = percentile = None
        neighbours: tuple[Neighbour, ...] = ()
        if isinstance(model, Reconstructs):
            reconstruction = to_uint8(reconstruct(model, one)[0])
        if isinstance(model, Bounds):
            bounds = encode(model, one).terms["elbo"]
            elbo, percentile = float(bounds[0]), float(percentiles(bounds, self._usual)[0])
        if isinstance(model, Embeds):
            latents = embeddings(model, one)[0]
            (found,), (distances,) = self._index.nearest(latents[None], NEIGHBOURS)
            train = self.dataset.train
            names = train.files if train.files is not None else np.arange(len(train)).astype(str)
            neighbours = tuple(
                Neighbour(train.images[which], str(names[which]), float(distance))
                for which, distance in zip(found, distances, strict=True)
            )
        return Own(image, notes, reconstruction, latents, elbo, percentile, neighbours)

    def _read(self, content: bytes, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
        suffix = Path(name).suffix.lower()
        if suffix not in SUFFIXES:
            raise KvaeError(f"{name} is no image file")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"picture{suffix}"
            file.write_bytes(content)
            try:
                found = pictures(file, self.dataset.image_shape, resize=True)
            except KvaeError as error:
                raise KvaeError(str(error).replace(str(file), name)) from error
        pages = (f"the first of its {len(found)} pages",) if len(found) > 1 else ()
        return found.images[0], (*found.notes, *pages)

    @cached_property
    def _usual(self) -> np.ndarray:
        """The ELBO of each validation image, in nats, `[count]`."""
        return encode(self._model, self.dataset.validation.images).terms["elbo"]

    @cached_property
    def _index(self) -> Index:
        return Index(self._model, self.dataset.train.images)
