"""The training loop: a whole epoch in one compiled call."""

import math
import time
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from kvae import registry
from kvae.config import TrainingConfig
from kvae.data import Dataset
from kvae.data.pixels import to_float
from kvae.errors import KvaeError, UsageError
from kvae.evaluation import Evaluation, Evaluator
from kvae.evaluation.elbo import CHUNK
from kvae.models.bounds import Weighting
from kvae.models.vae import VAE
from kvae.models.weights import variables
from kvae.training.history import Epoch

OnEpoch = Callable[[Epoch, Evaluation], None]

RESIDENT_BYTES = 2**30
"""Images of up to this size are kept on the device, where their order takes as much again."""
CHUNK_BYTES = 2**25

# Separates the random numbers of training from those of evaluation under the same seed.
STREAM = 0


def train(
    model: VAE,
    dataset: Dataset,
    on_epoch: OnEpoch | None = None,
    state: "State | None" = None,
    evaluator: Evaluator | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> list[Epoch]:
    """Train a model as its configuration says.

    Args:
        model: What `kvae.build` gave; its weights are changed in place.
        dataset: Trained on its training images, and evaluated on the validation images after every
            epoch.
        on_epoch: Called after every epoch with its figures and the validation in full.
        state: What `State` gave, for those who want to keep it, or to go on from one.
        evaluator: What `new_evaluator` gave, likewise.
        strategy: What `kvae.training.new_strategy` gave: the devices and machines that share the
            work. By default it is one device's.

    Returns:
        One entry an epoch.

    Raises:
        UsageError: the model is for images of another shape, or a batch cannot be shared equally.
        KvaeError: a loss is not finite, or another worker is gone.
    """
    config = model.config.training
    image_shape = model.config.model.image_shape
    if image_shape != dataset.image_shape:
        raise UsageError(
            f"the model is for images of {image_shape}, but {dataset.name} has "
            f"{dataset.image_shape}"
        )
    state = state or State(model, dataset)
    run_epoch = _epoch_runner(state, dataset, strategy)
    validate = evaluator or new_evaluator(model, dataset)
    while not state.done:
        number = len(state.history) + 1
        start = time.perf_counter()
        elbo, reconstruction, kl, objective = run_epoch(number)
        seconds = time.perf_counter() - start
        validation = validate(dataset.validation.images)
        epoch = Epoch(
            number,
            round(seconds, 6),
            elbo,
            reconstruction,
            kl,
            float(validation.elbo.mean()),
            float(validation.reconstruction.mean()),
            float(validation.kl.mean()),
            validation.active_units,
            config.objective_in(number),
            objective,
        )
        if not np.isfinite([epoch.train_elbo, epoch.validation_elbo]).all():
            raise KvaeError(
                f"training stopped in epoch {number}: the loss is not finite (training ELBO "
                f"{epoch.train_elbo}, validation ELBO {epoch.validation_elbo}); try a learning "
                f"rate below {config.learning_rate:g}"
            )
        state.after(epoch)
        if on_epoch:
            on_epoch(epoch, validation)
    state.restore_best()
    return state.history


class State:
    """How far a training has come: all that it needs to go on.

    Args:
        model: The model in training.
        dataset: What it is trained on.

    Attributes:
        model: Its weights are the newest epoch's.
        optimizer: The configuration's, with the variables that go with the weights.
        history: An entry an epoch.
        best: The weights of the epoch with the best validation ELBO, if they are wanted in the end.
    """

    def __init__(self, model: VAE, dataset: Dataset) -> None:
        self.model = model
        self.optimizer = new_optimizer(model.config.training, len(dataset.train))
        build_optimizer(self.optimizer, model)
        self.history: list[Epoch] = []
        patient = model.config.training.patience is not None
        self.best = [tf.Variable(value) for value in variables(model)] if patient else []

    @property
    def done(self) -> bool:
        """Whether all epochs are done, or there is no patience left."""
        config, epochs = self.model.config.training, len(self.history)
        if config.patience is not None and self.history:
            return epochs == config.epochs or epochs - self._best_epoch >= config.patience
        return epochs == config.epochs

    def after(self, epoch: Epoch) -> None:
        """Note an epoch, whose weights are the model's."""
        self.history.append(epoch)
        if self._best_epoch == epoch.epoch:
            for best, value in zip(self.best, variables(self.model), strict=bool(self.best)):
                best.assign(value)

    def restore_best(self) -> None:
        """Give the model the best weights, if they were kept."""
        if self.best:
            for value, best in zip(variables(self.model), self.best, strict=True):
                value.assign(best)

    @property
    def _best_epoch(self) -> int:
        return max(self.history, key=lambda epoch: epoch.validation_elbo).epoch


def _epoch_runner(
    state: State, dataset: Dataset, strategy: tf.distribute.Strategy | None
) -> "CompiledEpoch":
    config = state.model.config
    binarize = config.data.binarize
    rest = (state.model, state.optimizer, dataset.train.images, config.training, binarize)
    if strategy is None:
        return CompiledEpoch(*rest)
    # It builds on this file.
    from kvae.training.distributed import DistributedEpoch

    return DistributedEpoch(*rest, strategy, len(state.history))


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


def new_evaluator(model: VAE, dataset: Dataset) -> Evaluator:
    """One for the validation and the test images, so that it need be compiled but once."""
    config, binarize = model.config.training, model.config.data.binarize
    chunk = min(CHUNK, max(len(dataset.validation), len(dataset.test)))
    return Evaluator(model, binarize, config.seed, chunk, config.jit)


class CompiledEpoch:
    """An epoch as one compiled function, with the images on the device.

    Every random number is stateless, keyed by seed, epoch and step, so that the seed decides the
    weights after any epoch. The last step of an epoch has the full batch's shape, filled up with
    images of weight zero, so that each image counts once and there is one shape to compile.

    Images of more than `resident_bytes` stay where they are, and reach the same compiled function
    in chunks that are read while the one before is trained on; the weights come out the same, bit
    for bit.

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

        # Where steps begin and end are arguments, so that the function can be compiled by taking
        # none of them. AutoGraph, which is not needed, would take as long as all other tracing.
        @tf.function(jit_compile=config.jit and self.WHOLE, autograph=False)
        def run(
            chunk: tf.Tensor,
            seed: tf.Tensor,
            beta: tf.Tensor,
            begin: tf.Tensor,
            end: tf.Tensor,
            totals: tf.Tensor,
        ) -> tf.Tensor:
            def one(step: tf.Tensor, totals: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                batch = tf.slice(chunk, [(step - begin) * batch_size, 0], [batch_size, pixels])
                numbers = step * batch_size + tf.range(batch_size)
                weight = tf.cast(numbers < count, tf.float32)
                return step + 1, totals + self._step(batch, weight, step, seed, beta)

            return tf.while_loop(lambda step, _: step < end, one, [begin, totals])[1]

        self._run = run
        nothing = tf.zeros((self._rows, pixels), tf.uint8)
        none = tf.constant(0)
        run(nothing, tf.constant([0, 0]), tf.constant(0.0), none, none, tf.zeros(4))

    def __call__(self, number: int) -> tuple[float, float, float, float]:
        """Run epoch `number`; mean ELBO, reconstruction, KL, objective an image, in nats."""
        order, seed = epoch_order(self._config.seed, number, self._count)
        totals, beta = tf.zeros(4), tf.constant(self._config.beta_in(number), tf.float32)
        begins = range(0, self._steps, self._chunk_steps)
        for begin, chunk in zip(begins, self._chunks(order), strict=True):
            end = min(begin + self._chunk_steps, self._steps)
            totals = self._run(chunk, seed, beta, tf.constant(begin), tf.constant(end), totals)
        elbo, reconstruction, kl, objective = (totals / self._count).numpy()
        return float(elbo), float(reconstruction), float(kl), float(objective)

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

    def _chunks(self, order: np.ndarray) -> Iterable[tf.Tensor]:
        """The images in the order of an epoch; the last chunk is filled up with any others."""
        parts = -(-len(order) // self._rows)
        order = np.resize(order, (parts, self._rows))
        if isinstance(self._images, tf.Tensor):
            # One gather an epoch outside of XLA, whose own copies byte by byte.
            return [tf.gather(self._images, order[0])]
        images, shape = self._images, (self._rows, self._images.shape[1])

        def gather(index: tf.Tensor) -> tf.Tensor:
            chunk = tf.numpy_function(lambda index: images[index], [index], tf.uint8)
            return tf.ensure_shape(chunk, shape)

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


def _kernels(network: keras.Model) -> list[tf.Variable]:
    return [weight for weight in network.trainable_variables if len(weight.shape) == 2]


def in_step(gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The same gradients, none of which is to be had before the backward pass is over.

    XLA copies a weight at every step if something might still read it when it is updated. Adding
    nothing times the biases' gradients, which come after every such reading, tells it otherwise.
    """
    biases = [tf.reduce_sum(g) for g in gradients if g.shape.rank <= 1]
    return [g + 0.0 * tf.add_n(biases) for g in gradients] if biases else list(gradients)
