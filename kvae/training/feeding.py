"""Hands out the training images in the order of an epoch, from the device or in chunks."""

import os
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

RESIDENT_BYTES = 2**30
"""Images of up to this size in total are kept on the device. Their shuffled copy takes as much
memory again."""
CHUNK_BYTES = 2**25
"""The size of the chunks in which more images are read."""

# Separates the random numbers of training from those of evaluation under the same seed.
STREAM = 0


def epoch_order(seed: int, number: int, count: int) -> tuple[np.ndarray, tf.Tensor]:
    """The order of the images in an epoch, and the seed of the epoch's other random numbers.

    Args:
        seed: The seed of the training.
        number: Number of the epoch, from 1.
        count: Number of images.

    Returns:
        The positions of the images in the order of the epoch, `[count]`, and a seed, int32 `[2]`.
    """
    order = np.random.RandomState([seed, STREAM, number]).permutation(count)
    return order, tf.random.experimental.stateless_fold_in([seed, STREAM], number)


class Feed:
    """Hands out the images of an epoch in chunks of whole steps.

    If all images together take up to `resident_bytes`, they are one chunk, on the device. Otherwise
    they stay where they are, such as in a mapped file, and each chunk is read while the model is
    trained on the chunk before.

    Args:
        images: uint8 `[count, height, width, channels]`, or float32 numbers of that shape; they may
            be mapped from a file.
        batch_size: The number of images in a step.
        resident_bytes: Images of up to this size in total are kept on the device.
        chunk_bytes: The size of a chunk of more images.

    Attributes:
        steps: The number of steps in an epoch.
        chunk_steps: The number of steps whose images are in one chunk.
        rows: The number of images in one chunk.
        pixels: The number of values in one image, over all its channels.
    """

    def __init__(
        self,
        images: np.ndarray,
        batch_size: int,
        resident_bytes: int = RESIDENT_BYTES,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self._images: np.ndarray | tf.Tensor = images.reshape(len(images), -1)
        self._dtype = images.dtype
        self.pixels = self._images.shape[1]
        self.steps = -(-len(images) // batch_size)
        self.chunk_steps = self.steps
        if images.nbytes <= resident_bytes:
            self._images = tf.constant(self._images)
        else:
            fitting = chunk_bytes // (batch_size * self.pixels * images.itemsize)
            self.chunk_steps = max(1, min(self.steps, fitting))
        self.rows = self.chunk_steps * batch_size
        self.file = _file_of(images)
        self._state = _state_of(self.file)

    def chunks(self, order: np.ndarray, first: int) -> Iterable[tuple[tf.Tensor, np.ndarray]]:
        """The images in a given order, chunk by chunk.

        Args:
            order: The positions of all images in the order. The last chunk is filled up with images
                from the beginning.
            first: Number of the first chunk that is wanted, from 0.

        Yields:
            The images of a chunk, `[rows, pixels]`, of their own type, and the position of each
            among all images, `[rows]`. There are no images if the file that they are mapped from
            has changed.
        """
        parts = -(-len(order) // self.rows)
        order = np.resize(order, (parts, self.rows))[first:]
        if isinstance(self._images, tf.Tensor):
            # The images are gathered once in an epoch, outside of XLA, whose gather copies byte by
            # byte.
            return [(tf.gather(self._images, order[0]), order[0])]
        images, shape = self._images, (self.rows, self.pixels)

        def read(index: np.ndarray) -> np.ndarray:
            # The system would end the process if it read a mapped file that has become shorter.
            if _state_of(self.file) != self._state:
                return np.zeros((0, shape[1]), self._dtype)
            return images[index]

        def gather(index: tf.Tensor) -> tf.Tensor:
            found = tf.numpy_function(read, [index], self._dtype)
            return tf.ensure_shape(found, (None, shape[1]))

        chunks = tf.data.Dataset.from_tensor_slices(order).map(gather).prefetch(1)
        # There is one reader, which has its own thread. With tf.data's tuning and shared threads,
        # XLA's threads sometimes had to wait, and the epoch took one and a half times as long.
        options = tf.data.Options()
        options.autotune.enabled = False
        options.threading.private_threadpool_size = 1
        return zip(chunks.with_options(options), order, strict=True)

    def nothing(self) -> tf.Tensor:
        """A chunk of black images, with which functions can be compiled."""
        return tf.zeros((self.rows, self.pixels), self._dtype)


def _file_of(images: np.ndarray | None) -> str | None:
    """The file that an array is mapped from, or None."""
    while isinstance(images, np.ndarray):
        if isinstance(images, np.memmap) and images.filename:
            return str(images.filename)
        images = images.base
    return None


def _state_of(file: str | None) -> tuple[int, int] | None:
    """The size and the modification time of a file, which change when it is written.

    They are (0, 0) if the file is gone, and None if there is no file.
    """
    if file is None:
        return None
    try:
        found = os.stat(file)
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
