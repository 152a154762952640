"""Runs the steps of an epoch as one compiled function."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.config import TrainingConfig
from kvae.data.pixels import shifted, to_float
from kvae.errors import KvaeError, NotFiniteError
from kvae.models.plan import Batch, Plan, Sums
from kvae.training.feeding import Feed, epoch_order

PART_SECONDS = 1.0
"""An epoch is run in parts of about this length, between which it can be stopped."""


class CompiledEpoch:
    """The steps of an epoch as one compiled function.

    All random numbers are stateless and depend only on the seed, the epoch and the step, so that
    the seed decides the weights after any epoch. The last step of an epoch has a full batch, which
    is filled up with images of weight zero. Each image therefore counts once, and the function is
    compiled for one shape only.

    The resulting weights are the same, bit for bit, whether the images are on the device or come in
    chunks, and whether an epoch is run at once or in parts.

    The function is compiled when the object is made.

    Args:
        plan: The plan, which says what a step does. Its variables are changed in place.
        images: uint8 `[count, height, width, channels]`, or float32 numbers of that shape; they may
            be mapped from a file.
        config: The batch size, the shift of images, the seed, the learning rate, and whether to
            compile with XLA.
        binarize: `none` keeps the grey levels, `threshold` makes pixels of 0.5 and more white, and
            `dynamic` samples black or white pixels anew in every step.
        sizes: `resident_bytes` and `chunk_bytes` of `kvae.training.feeding.Feed`.
    """

    WHOLE = True
    """Whether XLA compiles the epoch as a whole."""

    def __init__(
        self,
        plan: Plan,
        images: np.ndarray,
        config: TrainingConfig,
        binarize: str,
        **sizes: int,
    ) -> None:
        count, batch_size = len(images), min(config.batch_size, len(images))
        self._plan, self._config, self._binarize = plan, config, binarize
        self._count, self._batch_size, self._image_shape = count, batch_size, images.shape[1:]
        feed = self._feed = Feed(images, batch_size, **sizes)

        # The numbers of the first and the last step are arguments, so that the function can be
        # compiled by a call that takes no step. AutoGraph is not needed, and would take as long as
        # all other tracing.
        @tf.function(jit_compile=config.jit and self.WHOLE, autograph=False)
        def run(
            chunk: tf.Tensor,
            index: tf.Tensor,
            first: tf.Tensor,
            seed: tf.Tensor,
            settings: dict[str, tf.Tensor],
            begin: tf.Tensor,
            end: tf.Tensor,
            totals: tf.Tensor,
        ) -> tuple[tf.Tensor, tf.Tensor]:
            def one(
                step: tf.Tensor, totals: tf.Tensor, finite: tf.Tensor
            ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
                start = (step - first) * batch_size
                pixels = tf.slice(chunk, [start, 0], [batch_size, feed.pixels])
                rows = tf.slice(index, [start], [batch_size])
                numbers = step * batch_size + tf.range(batch_size)
                weight = tf.cast(numbers < count, tf.float32)
                found = self._step(pixels, weight, rows, step, seed, settings)
                sums = tf.stack([found[name] for name in plan.metrics])
                is_finite = tf.reduce_all(tf.math.is_finite(sums)) & (finite == step)
                return step + 1, totals + sums, finite + tf.cast(is_finite, tf.int32)

            steps = tf.while_loop(lambda step, *_: step < end, one, [begin, totals, begin])
            return steps[1], steps[2]

        self._run = run
        self._pace = 1
        self._compile()

    def __call__(self, number: int) -> dict[str, float]:
        """Run an epoch.

        Args:
            number: Number of the epoch, from 1.

        Returns:
            The mean of each metric over the images of the epoch, by name.
        """
        *_, (_, totals) = self.parts(number)
        return self.means(totals)

    @property
    def no_totals(self) -> np.ndarray:
        """The sums of metrics before the first step of an epoch: zeros, float32 `[metrics]`."""
        return np.zeros(len(self._plan.metrics), np.float32)

    def parts(
        self, number: int, begin: int = 0, totals: np.ndarray | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Run an epoch in parts of about a second.

        Args:
            number: Number of the epoch, from 1.
            begin: How many steps of the epoch are already done.
            totals: The sums of metrics over these steps, float32 `[metrics]`; None if there are
                none.

        Yields:
            After each part, how many steps are done, and the sums of metrics over these, float32
            `[metrics]`.

        Raises:
            NotFiniteError: A metric is not finite.
            KvaeError: The file that the images are mapped from has changed.
        """
        feed = self._feed
        order, seed = epoch_order(self._config.seed, number, self._count)
        settings = self._settings(number)
        sums = tf.constant(self.no_totals if totals is None else totals)
        first = begin // feed.chunk_steps
        for part, (chunk, rows) in enumerate(feed.chunks(order, first), first):
            if len(chunk) < feed.rows:
                raise KvaeError(f"the images' file {feed.file} has changed or is gone: put it back")
            start = part * feed.chunk_steps
            stop = min(start + feed.chunk_steps, feed.steps)
            index = tf.constant(rows, tf.int32)
            while begin < stop:
                end = min(begin + self._pace, stop)
                since = time.perf_counter()
                sums, finite = self._take(begin, end, chunk, index, start, seed, settings, sums)
                if finite < end:
                    raise NotFiniteError(
                        f"training stopped in epoch {number}, step {finite + 1} of {feed.steps}: "
                        "the loss is not finite; try a `learning_rate` below "
                        f"{self._config.learning_rate:g}"
                    )
                self._set_pace(end - begin, time.perf_counter() - since)
                begin = end
                yield begin, sums.numpy()

    def means(self, totals: np.ndarray) -> dict[str, float]:
        """The mean of each metric over the images of an epoch, by name.

        Args:
            totals: The sums of metrics over all steps of the epoch, float32 `[metrics]`.
        """
        values = map(float, totals / np.float32(self._count))
        return dict(zip(self._plan.metrics, values, strict=True))

    def _compile(self) -> None:
        self._take(0, 0, *self._nothing())

    def _nothing(self) -> tuple[Any, ...]:
        """The arguments of `_take` after the first two, for a call that takes no step."""
        seed, index = tf.constant([0, 0]), tf.zeros(self._feed.rows, tf.int32)
        totals = tf.constant(self.no_totals)
        return self._feed.nothing(), index, 0, seed, self._settings(1), totals

    def _settings(self, number: int) -> dict[str, tf.Tensor]:
        settings = self._plan.settings(number)
        return {name: tf.constant(value, tf.float32) for name, value in settings.items()}

    def _take(
        self,
        begin: int,
        end: int,
        chunk: tf.Tensor,
        index: tf.Tensor,
        first: int,
        seed: tf.Tensor,
        settings: dict[str, tf.Tensor],
        totals: tf.Tensor,
    ) -> tuple[tf.Tensor, int]:
        """Take the steps from `begin` up to `end`. Their images are in a chunk that begins with the
        images of the step `first`.

        Returns:
            The sums of metrics so far, and the number of the first step that had a metric that was
            not finite, or `end`.
        """
        steps = tf.constant(begin), tf.constant(end)
        sums, finite = self._run(chunk, index, tf.constant(first), seed, settings, *steps, totals)
        return sums, int(finite)

    def _set_pace(self, steps: int, seconds: float) -> None:
        """Choose how many steps the next part has, from the time that the last part took.

        The number grows by at most a factor of eight, because the time of few steps is not a good
        estimate.
        """
        wanted = steps * PART_SECONDS / max(seconds, 1e-6)
        self._pace = max(1, min(int(wanted), 8 * self._pace))

    def _step(
        self,
        pixels: tf.Tensor,
        weight: tf.Tensor,
        index: tf.Tensor,
        step: tf.Tensor,
        seed: tf.Tensor,
        settings: dict[str, tf.Tensor],
    ) -> Sums:
        """Take one step, and return the sums of the metrics over its images."""
        total = tf.reduce_sum(weight)
        return self._plan.step(self._batch(pixels, weight, total, index, step, seed, settings))

    def _batch(
        self,
        pixels: tf.Tensor,
        weight: tf.Tensor,
        total: tf.Tensor,
        index: tf.Tensor,
        step: tf.Tensor,
        seed: tf.Tensor,
        settings: dict[str, tf.Tensor],
    ) -> Batch:
        """The batch of a step, from pixels or numbers, `[rows, pixels]`."""
        # The seeds are made here because they are random numbers, too: outside of the function that
        # XLA compiles they would be different.
        seed = tf.random.experimental.stateless_fold_in(seed, step)
        pixel_seed, latent_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        images = means = self._floats(pixels, self._binarize, pixel_seed)
        if self._binarize == "dynamic":
            means = self._floats(pixels, "none", pixel_seed)
        share = pixels.shape[0] / self._batch_size
        return Batch(images, means, weight, total, share, index, latent_seed, settings)

    def _floats(self, pixels: tf.Tensor, binarize: str, seed: tf.Tensor) -> tf.Tensor:
        """Pixels or numbers as images, which are shifted; the same seed shifts them alike."""
        floats = to_float(pixels, binarize, seed, self._config.jit)
        floats = tf.reshape(floats, (pixels.shape[0], *self._image_shape))
        if self._config.shift:
            shift_seed = tf.random.experimental.stateless_fold_in(seed, 0)
            floats = shifted(floats, self._config.shift, shift_seed, self._config.jit)
        return floats
