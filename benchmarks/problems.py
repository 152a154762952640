"""The problems that are timed: a dataset and a network, the same for every framework."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kvae.data import Dataset


@dataclass(frozen=True)
class Problem:
    """A VAE whose encoder and decoder have one hidden tanh layer each, trained in 32-bit floats.

    The optimizer is Adagrad with the initial accumulators of Keras.

    Attributes:
        dataset: The dataset whose training images are used, or `noise` for random images.
        likelihood: `bernoulli`, or `normal` with a mean and a log-variance for each pixel.
        pixels: How many pixels an image has; the square of a whole number for noise.
        hidden: How many units the hidden layer has.
        latent: How many latent dimensions there are.
        batch_size: How many images a step has; the last step of an epoch may have fewer.
        epochs: How many epochs are timed together, since one may be too short to be timed alone.
        learning_rate: The learning rate of Adagrad.
        count: How many images of noise there are.
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
        """How many numbers the decoder returns for an image."""
        return self.pixels * (2 if self.likelihood == "normal" else 1)

    def load(self) -> "Dataset":
        """Load the dataset."""
        from kvae import data

        if self.dataset != "noise":
            return data.load(self.dataset)
        side = math.isqrt(self.pixels)
        shape = (self.count, side, side, 1)
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        few = data.Split(images[:100])
        return data.Dataset("noise", data.Split(images), few, few, "noise")

    def floats(self) -> np.ndarray:
        """The training images as float32 in [0, 1], `[count, pixels]`, for other frameworks."""
        images = self.load().train.images
        return (images.reshape(len(images), -1) / np.float32(255)).astype(np.float32)


PROBLEMS = {
    "mnist": Problem("mnist", "bernoulli", 784, 500, 20, 128, epochs=1),
    "frey": Problem("frey", "normal", 560, 200, 10, 64, epochs=20),
}

# kvae bounds log-variances from below; the others do the same, so that all compute the same.
MIN_LOG_VARIANCE = -2 * float(np.log(256))
ACCUMULATOR = 0.1
EPSILON = 1e-7
