"""The training images in the order of an epoch, on the device or in chunks from a file."""

import os
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

RESIDENT_BYTES = 2**30
"""Images of up to this size are kept on the device, where their order takes as much again."""
CHUNK_BYTES = 2**25

# Separates the random numbers of training from those of evaluation under the same seed.
STREAM = 0


def epoch_order(seed: int, number: int, count: int) -> tuple[np.ndarray, tf.Tensor]:
    """The order of the images in an epoch, and the seed of the epoch's other random numbers.

    Args:
        seed: The training's.
        number: Number of the epoch, from 1.
        count: Number of images.
    """
    order = np.random.RandomState([seed, STREAM, number]).permutation(count)
    return order, tf.random.experimental.stateless_fold_in([seed, STREAM], number)


class Feed:
    """Hands out the images of an epoch in chunks of whole steps.

    Images of up to `resident_bytes` are one chunk, on the device. Larger ones stay where they are,
    such as in a mapped file, and each chunk is read while the one before is trained on.

    Args:
        images: uint8 `[count, height, width, channels]`; may be mapped from a file.
        batch_size: Images a step.
        resident_bytes: Images of up to this size are kept on the device.
        chunk_bytes: Size of the chunks of larger ones.

    Attributes:
        steps: Steps of an epoch.
        chunk_steps: Steps whose images are in one chunk.
        rows: Images in one chunk.
        pixels: Numbers of an image.
    """

    def __init__(
        self,
        images: np.ndarray,
        batch_size: int,
        resident_bytes: int = RESIDENT_BYTES,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self._images: np.ndarray | tf.Tensor = images.reshape(len(images), -1)
        self.pixels = self._images.shape[1]
        self.steps = -(-len(images) // batch_size)
        self.chunk_steps = self.steps
        if images.nbytes <= resident_bytes:
            self._images = tf.constant(self._images)
        else:
            fitting = chunk_bytes // (batch_size * self.pixels)
            self.chunk_steps = max(1, min(self.steps, fitting))
        self.rows = self.chunk_steps * batch_size
        self.file = _file_of(images)
        self._state = _state_of(self.file)

    def chunks(self, order: np.ndarray, first: int) -> Iterable[tuple[tf.Tensor, np.ndarray]]:
        """The images in an order, chunk by chunk, and the position of each among all images.

        Args:
            order: The positions of all images; others fill up the last chunk.
            first: Number of the first chunk that is wanted.

        Yields:
            Images, uint8 `[rows, pixels]`, and their positions, `[rows]`. There are no images if
            the file that they are mapped from has changed.
        """
        parts = -(-len(order) // self.rows)
        order = np.resize(order, (parts, self.rows))[first:]
        if isinstance(self._images, tf.Tensor):
            # One gather an epoch, outside of XLA, whose own gather copies byte by byte.
            return [(tf.gather(self._images, order[0]), order[0])]
        images, shape = self._images, (self.rows, self.pixels)

        def read(index: np.ndarray) -> np.ndarray:
            # To read a mapped file that has become shorter would end the process.
            if _state_of(self.file) != self._state:
                return np.zeros((0, shape[1]), np.uint8)
            return images[index]

        def gather(index: tf.Tensor) -> tf.Tensor:
            return tf.ensure_shape(tf.numpy_function(read, [index], tf.uint8), (None, shape[1]))

        chunks = tf.data.Dataset.from_tensor_slices(order).map(gather).prefetch(1)
        # One reader with a thread of its own. With tf.data's own tuning and in its shared threads
        # XLA's threads had to wait now and then, and the whole epoch took half as long again.
        options = tf.data.Options()
        options.autotune.enabled = False
        options.threading.private_threadpool_size = 1
        return zip(chunks.with_options(options), order, strict=True)

    def nothing(self) -> tf.Tensor:
        """A chunk of black images."""
        return tf.zeros((self.rows, self.pixels), tf.uint8)


def _file_of(images: np.ndarray | None) -> str | None:
    """The file that an array is mapped from, or None."""
    while isinstance(images, np.ndarray):
        if isinstance(images, np.memmap) and images.filename:
            return str(images.filename)
        images = images.base
    return None


def _state_of(file: str | None) -> tuple[int, int] | None:
    """Size and time of a file, which change when it is written; (0, 0) if it is gone."""
    if file is None:
        return None
    try:
        found = os.stat(file)
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
