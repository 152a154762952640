"""The problems that are timed: a dataset and a network, the same for every framework."""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kvae.data import Dataset


@dataclass(frozen=True)
class Problem:
    """A VAE trained in 32-bit floats by Adagrad with the initial accumulators of Keras.

    Its encoder and its decoder have one hidden tanh layer each; or, if there are stages, are
    convolutional: kernels of 4 x 4 with stride 2, a dense layer beside the latents, all silu.

    Attributes:
        dataset: The dataset whose training images are used, or `noise` for random images.
        likelihood: `bernoulli`, or `normal` with a mean and a log-variance for each pixel.
        pixels: How many numbers an image has; for noise, the colours times the square of a whole
            number.
        hidden: How many units the hidden layer has, or the dense layer beside the latents.
        latent: How many latent dimensions there are.
        batch_size: How many images a step has; the last step of an epoch may have fewer.
        epochs: How many epochs are timed together, since one may be too short to be timed alone.
        learning_rate: The learning rate of Adagrad.
        count: How many images of noise there are, or how many of a dataset are used; 0 is all.
        colours: How many channels an image has.
        stages: The channels of each convolution of the encoder; the decoder has them in reverse.
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
    colours: int = 1
    stages: tuple[int, ...] = ()

    @property
    def outputs(self) -> int:
        """How many numbers the decoder returns for an image."""
        return self.pixels * (2 if self.likelihood == "normal" else 1)

    @property
    def side(self) -> int:
        """The height and the width of an image that is a square."""
        return math.isqrt(self.pixels // self.colours)

    def load(self) -> "Dataset":
        """Load the dataset."""
        from kvae import data

        if self.dataset != "noise":
            dataset = data.load(self.dataset)
            some = dataset.train.take(slice(self.count or None))
            return dataclasses.replace(dataset, train=some)
        shape = (self.count, self.side, self.side, self.colours)
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        few = data.Split(images[:100])
        return data.Dataset("noise", data.Split(images), few, few, "noise")

    def floats(self) -> np.ndarray:
        """The training images as float32 in [0, 1], for other frameworks: `[count, pixels]`, or
        `[count, height, width, colours]` for a convolutional network."""
        images = self.load().train.images
        shaped = images if self.stages else images.reshape(len(images), -1)
        return (shaped / np.float32(255)).astype(np.float32)


PROBLEMS = {
    "mnist": Problem("mnist", "bernoulli", 784, 500, 20, 128, epochs=1),
    "frey": Problem("frey", "normal", 560, 200, 10, 64, epochs=20),
    "mnist-conv": Problem(
        "mnist", "bernoulli", 784, 256, 20, 128, epochs=1, count=6400, stages=(32, 64)
    ),
    "rgb-conv": Problem(
        "noise", "normal", 64 * 64 * 3, 256, 32, 64, epochs=1, learning_rate=1e-4, count=1280,
        colours=3, stages=(32, 64, 128, 128),
    ),
}  # fmt: skip

# kvae bounds log-variances from below; the others do the same, so that all compute the same.
MIN_LOG_VARIANCE = -2 * float(np.log(256))
ACCUMULATOR = 0.1
EPSILON = 1e-7
