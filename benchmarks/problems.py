"""The two networks that are timed, the same for everyone."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Problem:
    """One hidden tanh layer each way, Adagrad with Keras's start, 32-bit floats.

    Attributes:
        dataset: Whose training images are used.
        likelihood: `bernoulli`, or `normal` with a mean and a log-variance a pixel.
        pixels: Of an image.
        hidden: Units of the hidden layer.
        latent: Latent dimensions.
        batch_size: Images a step; the last step of an epoch takes what is left.
        epochs: An epoch of the small problem is too short to be timed alone.
    """

    dataset: str
    likelihood: str
    pixels: int
    hidden: int
    latent: int
    batch_size: int
    epochs: int
    learning_rate: float = 0.01

    @property
    def outputs(self) -> int:
        """Numbers that the decoder gives for an image."""
        return self.pixels * (2 if self.likelihood == "normal" else 1)

    def images(self) -> np.ndarray:
        """uint8 `[count, height, width, channels]`."""
        from kvae import data

        return data.load(self.dataset).train.images

    def floats(self) -> np.ndarray:
        """float32 `[count, pixels]` in [0, 1], as other frameworks want them."""
        images = self.images()
        return (images.reshape(len(images), -1) / np.float32(255)).astype(np.float32)


PROBLEMS = {
    "mnist": Problem("mnist", "bernoulli", 784, 500, 20, 128, epochs=1),
    "frey": Problem("frey", "normal", 560, 200, 10, 64, epochs=20),
}

# kvae's bound on log-variances, so that everyone computes the same thing.
MIN_LOG_VARIANCE = -2 * float(np.log(256))
ACCUMULATOR = 0.1
EPSILON = 1e-7
