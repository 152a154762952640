"""Epochs and their steps: what is compiled of a training."""

import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from kvae import registry
from kvae.config import TrainingConfig
from kvae.data.pixels import to_float
from kvae.errors import KvaeError, NotFiniteError
from kvae.models.vae.bounds import Weighting
from kvae.models.vae.model import VAE

RESIDENT_BYTES = 2**30
"""Images of up to this size are kept on the device, where their order takes as much again."""
CHUNK_BYTES = 2**25
PART_SECONDS = 1.0
"""About so long an epoch goes on before there is a chance to stop it."""

# Separates the random numbers of training from those of evaluation under the same seed.
STREAM = 0


def new_optimizer(config: TrainingConfig, images: int) -> keras.Optimizer:
    """The configuration's optimizer, with Keras's defaults but for what it names.

    Args:
        config: Names it.
        images: To train on, for the number of steps that a schedule has.
    """
    steps = config.epochs * -(-images // min(config.batch_size, images))
    rate = registry.resolve(registry.SCHEDULES, config.schedule)(config.learning_rate, steps)
    optimizer = registry.resolve(registry.OPTIMIZERS, config.optimizer)
    return optimizer(rate, weight_decay=config.weight_decay or None)


def build_optimizer(
    optimizer: keras.Optimizer, model: VAE, weights: Sequence[tf.Variable] | None = None
) -> None:
    """Make an optimizer's variables for weights, all by default, unless it has them already.

    Only networks' kernels are to decay.
    """
    if optimizer.built:
        return
    weights = weights or model.trainable_variables
    if optimizer.weight_decay:
        decayed = {id(w) for network in (model.encoder, model.decoder) for w in _kernels(network)}
        kept = [weight for weight in weights if id(weight) not in decayed]
        optimizer.exclude_from_weight_decay(var_list=kept)
    optimizer.build(weights)


class CompiledEpoch:
    """An epoch as one compiled function, with the images on the device.

    Every random number is stateless, keyed by seed, epoch and step, so that the seed decides the
    weights after any epoch. The last step of an epoch has the full batch's shape, filled up with
    images of weight zero, so that each image counts once and there is one shape to compile.

    Images of more than `resident_bytes` stay where they are, and reach the same compiled function
    in chunks that are read while the one before is trained on; the weights come out the same, bit
    for bit. So they do of an epoch that is run in parts.

    Compiling is done when the object is made.

    Args:
        model: Its weights are changed in place.
        optimizer: A Keras optimizer; what is not yet built is built.
        images: uint8 `[count, height, width, channels]`; may be mapped from a file.
        config: Batch size, seed and the rest.
        binarize: As in `kvae.config.DataConfig`.
        resident_bytes: Images of up to this size are kept on the device.
        chunk_bytes: Size of the chunks of larger ones.
    """

    WHOLE = True
    """Whether XLA compiles the epoch as a whole."""

    def __init__(
        self,
        model: VAE,
        optimizer: keras.Optimizer,
        images: np.ndarray,
        config: TrainingConfig,
        binarize: str,
        resident_bytes: int = RESIDENT_BYTES,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        count, batch_size = len(images), min(config.batch_size, len(images))
        shape, pixels = images.shape[1:], math.prod(images.shape[1:])
        build_optimizer(optimizer, model)
        self._model, self._optimizer, self._config = model, optimizer, config
        self._batch_size, self._image_shape, self._binarize = batch_size, shape, binarize
        self._count, self._steps = count, -(-count // batch_size)
        self._images: np.ndarray | tf.Tensor = images.reshape(count, -1)
        if images.nbytes <= resident_bytes:
            self._images = tf.constant(self._images)
            self._chunk_steps = self._steps
        else:
            self._chunk_steps = max(1, min(self._steps, chunk_bytes // (batch_size * pixels)))
        self._rows = self._chunk_steps * batch_size
        self._file = _state_of(images)

        # Where steps begin and end are arguments, so that the function can be compiled by taking
        # none of them. AutoGraph, which is not needed, would take as long as all other tracing.
        @tf.function(jit_compile=config.jit and self.WHOLE, autograph=False)
        def run(
            chunk: tf.Tensor,
            first: tf.Tensor,
            seed: tf.Tensor,
            beta: tf.Tensor,
            begin: tf.Tensor,
            end: tf.Tensor,
            totals: tf.Tensor,
        ) -> tuple[tf.Tensor, tf.Tensor]:
            def one(
                step: tf.Tensor, totals: tf.Tensor, finite: tf.Tensor
            ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
                batch = tf.slice(chunk, [(step - first) * batch_size, 0], [batch_size, pixels])
                numbers = step * batch_size + tf.range(batch_size)
                weight = tf.cast(numbers < count, tf.float32)
                sums = self._step(batch, weight, step, seed, beta)
                is_finite = tf.reduce_all(tf.math.is_finite(sums)) & (finite == step)
                return step + 1, totals + sums, finite + tf.cast(is_finite, tf.int32)

            steps = tf.while_loop(lambda step, *_: step < end, one, [begin, totals, begin])
            return steps[1], steps[2]

        self._run = run
        self._pace = 1
        self._take(0, 0, self._nothing(), 0, tf.constant([0, 0]), tf.constant(0.0), tf.zeros(4))

    def __call__(self, number: int) -> tuple[float, float, float, float]:
        """Run epoch `number`; mean ELBO, reconstruction, KL, objective an image, in nats."""
        *_, (_, totals) = self.parts(number)
        return self.means(totals)

    def parts(
        self, number: int, begin: int = 0, totals: np.ndarray | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Run epoch `number` in parts of about a second.

        Args:
            number: Of the epoch, from 1.
            begin: How many of its steps have been done.
            totals: What came with that number.

        Yields:
            After each part, how many steps are done, and the sums so far, float32 `[4]`, for
            `means`.

        Raises:
            NotFiniteError: a loss is not.
            KvaeError: the file that the images are mapped from has changed.
        """
        order, seed = epoch_order(self._config.seed, number, self._count)
        beta = tf.constant(self._config.beta_in(number), tf.float32)
        sums = tf.zeros(4) if totals is None else tf.constant(totals)
        first = begin // self._chunk_steps
        for index, chunk in enumerate(self._chunks(order, first), first):
            if len(chunk) < self._rows:
                raise KvaeError(
                    f"the images' file {_file_of(self._images)} has changed or is gone: put it back"
                )
            start = index * self._chunk_steps
            stop = min(start + self._chunk_steps, self._steps)
            while begin < stop:
                end = min(begin + self._pace, stop)
                since = time.perf_counter()
                sums, finite = self._take(begin, end, chunk, start, seed, beta, sums)
                if finite < end:
                    raise NotFiniteError(
                        f"training stopped in epoch {number}, step {finite + 1} of {self._steps}: "
                        "the loss is not finite; try a learning rate below "
                        f"{self._config.learning_rate:g}"
                    )
                self._set_pace(end - begin, time.perf_counter() - since)
                begin = end
                yield begin, sums.numpy()

    def means(self, totals: np.ndarray) -> tuple[float, float, float, float]:
        """ELBO, reconstruction, KL and objective an image, of an epoch's `totals`."""
        elbo, reconstruction, kl, objective = totals / np.float32(self._count)
        return float(elbo), float(reconstruction), float(kl), float(objective)

    def _take(
        self,
        begin: int,
        end: int,
        chunk: tf.Tensor,
        first: int,
        seed: tf.Tensor,
        beta: tf.Tensor,
        totals: tf.Tensor,
    ) -> tuple[tf.Tensor, int]:
        """Take steps whose images are in a chunk that begins with those of the step `first`.

        Returns:
            The sums so far, and the number of the first step whose loss was not finite, or `end`.
        """
        where = tf.constant(first), seed, beta, tf.constant(begin), tf.constant(end)
        sums, finite = self._run(chunk, *where, totals)
        return sums, int(finite)

    def _set_pace(self, steps: int, seconds: float) -> None:
        """Take as many steps at a time as fit into a part, with care while that is not known."""
        wanted = steps * PART_SECONDS / max(seconds, 1e-6)
        self._pace = max(1, min(int(wanted), 8 * self._pace))

    def _nothing(self) -> tf.Tensor:
        return tf.zeros((self._rows, math.prod(self._image_shape)), tf.uint8)

    def _step(
        self,
        batch: tf.Tensor,
        weight: tf.Tensor,
        step: tf.Tensor,
        seed: tf.Tensor,
        beta: tf.Tensor,
    ) -> tf.Tensor:
        """Change the weights by a batch; sums of ELBO, reconstruction, KL and objective."""
        gradients, sums = self._gradients(batch, weight, tf.reduce_sum(weight), step, seed, beta)
        self._optimizer.apply(in_step(gradients), self._model.trainable_variables)
        return sums

    def _gradients(
        self,
        batch: tf.Tensor,
        weight: tf.Tensor,
        total: tf.Tensor,
        step: tf.Tensor,
        seed: tf.Tensor,
        beta: tf.Tensor,
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        """The gradients of the loss, and the sums as `_step` has them.

        Args:
            batch: uint8 `[rows, pixels]`.
            weight: Of each image in the loss, `[rows]`.
            total: The weights' sum over the whole batch, which may have more rows than these.
            step: Number of the step in the epoch.
            seed: The epoch's, int32 `[2]`.
            beta: The KL's weight.
        """
        config, model = self._config, self._model
        # Seeds too are random numbers, which come out differently outside of what XLA compiles.
        seed = tf.random.experimental.stateless_fold_in(seed, step)
        pixel_seed, latent_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        floats = to_float(batch, self._binarize, pixel_seed, config.jit)
        floats = tf.reshape(floats, (batch.shape[0], *self._image_shape))
        weighting = Weighting(
            beta, config.free_bits, config.importance_samples, config.doubly_reparameterized
        )
        estimator = registry.resolve(registry.ESTIMATORS, config.estimator)
        with tf.GradientTape() as tape:
            terms = estimator(model, floats, latent_seed, weighting)
            share = batch.shape[0] / self._batch_size
            loss = batch_loss(model, terms.objective, weight, total, share, config, self._count)
        gradients = tape.gradient(loss, model.trainable_variables)
        parts = tf.stack([terms.elbo, terms.reconstruction, terms.kl, terms.objective])
        return gradients, tf.reduce_sum(weight * parts, axis=1)

    def _chunks(self, order: np.ndarray, first: int) -> Iterable[tf.Tensor]:
        """The images in the order of an epoch; the last chunk is filled up with any others.

        Args:
            order: Of the images.
            first: Chunks that are left out.
        """
        parts = -(-len(order) // self._rows)
        order = np.resize(order, (parts, self._rows))[first:]
        if isinstance(self._images, tf.Tensor):
            # One gather an epoch outside of XLA, whose own copies byte by byte.
            return [tf.gather(self._images, order[0])]
        images, shape = self._images, (self._rows, self._images.shape[1])

        def read(index: np.ndarray) -> np.ndarray:
            # To read a mapped file that has become shorter would be the end of the process.
            if _state_of(images) != self._file:
                return np.zeros((0, shape[1]), np.uint8)
            return images[index]

        def gather(index: tf.Tensor) -> tf.Tensor:
            return tf.ensure_shape(tf.numpy_function(read, [index], tf.uint8), (None, shape[1]))

        chunks = tf.data.Dataset.from_tensor_slices(order).map(gather).prefetch(1)
        # One reader with a thread of its own. With tf.data's own tuning and in its shared threads
        # XLA's were held up every now and then, and the whole epoch took half as long again.
        options = tf.data.Options()
        options.autotune.enabled = False
        options.threading.private_threadpool_size = 1
        return chunks.with_options(options)


def epoch_order(seed: int, number: int, count: int) -> tuple[np.ndarray, tf.Tensor]:
    """The order of `count` images in epoch `number`, and the seed of its other random numbers."""
    order = np.random.RandomState([seed, STREAM, number]).permutation(count)
    return order, tf.random.experimental.stateless_fold_in([seed, STREAM], number)


def batch_loss(
    model: VAE,
    objective: tf.Tensor,
    weight: tf.Tensor,
    total: tf.Tensor,
    share: float,
    config: TrainingConfig,
    count: int,
) -> tf.Tensor:
    """Minus the weighted mean of a batch's objective and the decoder's share of a weight prior.

    Args:
        model: Its decoder has the weights.
        objective: What is maximised, in nats, of some rows of the batch, `[rows]`.
        weight: Of each of these images, `[rows]`.
        total: Sum of the weights of the whole batch.
        share: Of the batch that these rows are.
        config: `weight_prior` is its precision.
        count: Training images, among which the prior's log density is divided.
    """
    loss = -tf.reduce_sum(weight * objective) / total
    if config.weight_prior:
        squares = [tf.reduce_sum(w**2) for w in model.decoder.trainable_variables]
        loss += 0.5 * share * config.weight_prior * tf.add_n(squares) / count
    return loss


def _file_of(images: np.ndarray | tf.Tensor | None) -> str | None:
    """The file that an array is mapped from."""
    while isinstance(images, np.ndarray):
        if isinstance(images, np.memmap) and images.filename:
            return str(images.filename)
        images = images.base
    return None


def _state_of(images: np.ndarray) -> tuple[int, int] | None:
    """What changes of a mapped file when someone writes it; (0, 0) of one that is gone."""
    file = _file_of(images)
    if file is None:
        return None
    try:
        found = os.stat(file)
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _kernels(network: keras.Model) -> list[tf.Variable]:
    return [weight for weight in network.trainable_variables if len(weight.shape) == 2]


def in_step(gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The same gradients, none of which is to be had before the backward pass is over.

    XLA copies a weight at every step if something might still read it when it is updated. Adding
    nothing times the biases' gradients, which come after every such reading, tells it otherwise.
    """
    biases = [tf.reduce_sum(g) for g in gradients if g.shape.rank <= 1]
    return [g + 0.0 * tf.add_n(biases) for g in gradients] if biases else list(gradients)
