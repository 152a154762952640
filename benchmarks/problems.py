"""The two networks that are timed, the same for everyone."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kvae.data import Dataset


@dataclass(frozen=True)
class Problem:
    """One hidden tanh layer each way, Adagrad with Keras's start, 32-bit floats.

    Attributes:
        dataset: Whose training images are used, or `noise`.
        likelihood: `bernoulli`, or `normal` with a mean and a log-variance a pixel.
        pixels: Of an image; the square of a whole number for noise.
        hidden: Units of the hidden layer.
        latent: Latent dimensions.
        batch_size: Images a step; the last step of an epoch takes what is left.
        epochs: An epoch of the small problem is too short to be timed alone.
        count: Images of noise.
    """

    dataset: str
    likelihood: str
    pixels: int
    hidden: int
    latent: int
    batch_size: int
    epochs: int
    learning_rate: float = 0.01
    count: int = 0

    @property
    def outputs(self) -> int:
        """Numbers that the decoder gives for an image."""
        return self.pixels * (2 if self.likelihood == "normal" else 1)

    def load(self) -> "Dataset":
        """The dataset."""
        from kvae import data

        if self.dataset != "noise":
            return data.load(self.dataset)
        side = math.isqrt(self.pixels)
        shape = (self.count, side, side, 1)
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        few = data.Split(images[:100])
        return data.Dataset("noise", data.Split(images), few, few, "noise")

    def floats(self) -> np.ndarray:
        """float32 `[count, pixels]` in [0, 1], as other frameworks want them."""
        images = self.load().train.images
        return (images.reshape(len(images), -1) / np.float32(255)).astype(np.float32)


PROBLEMS = {
    "mnist": Problem("mnist", "bernoulli", 784, 500, 20, 128, epochs=1),
    "frey": Problem("frey", "normal", 560, 200, 10, 64, epochs=20),
}

# kvae's bound on log-variances, so that everyone computes the same thing.
MIN_LOG_VARIANCE = -2 * float(np.log(256))
ACCUMULATOR = 0.1
EPSILON = 1e-7
