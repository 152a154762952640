"""The training loop: epochs, and what becomes of them."""

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kvae.data import Dataset
from kvae.errors import NotFiniteError, UsageError
from kvae.evaluation import Evaluation, Evaluator
from kvae.evaluation.elbo import CHUNK
from kvae.models.vae.model import VAE
from kvae.models.weights import variables
from kvae.runs.history import Epoch
from kvae.training.distributed import DistributedEpoch
from kvae.training.epochs import CompiledEpoch, build_optimizer, new_optimizer

OnEpoch = Callable[[Epoch, Evaluation], None]


def train(
    model: VAE,
    dataset: Dataset,
    on_epoch: OnEpoch | None = None,
    state: "State | None" = None,
    evaluator: Evaluator | None = None,
    strategy: tf.distribute.Strategy | None = None,
    on_pause: Callable[[], None] = lambda: None,
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
        on_pause: Called whenever the state is one to go on from: after every epoch, and every
            second or so of a long one. What it raises ends the training there.

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
    epochs = _epochs(state, dataset, strategy)
    validate = evaluator or new_evaluator(model, dataset)
    while not state.done:
        number = len(state.history) + 1
        start = time.perf_counter()
        for step, totals in epochs.parts(number, state.step, state.totals):
            now = time.perf_counter()
            state.seconds += now - start
            state.step, state.totals = step, totals
            if step < state.steps:
                on_pause()
            start = time.perf_counter()
        elbo, reconstruction, kl, objective = epochs.means(state.totals)
        validation = validate(dataset.validation.images)
        epoch = Epoch(
            number,
            round(state.seconds, 6),
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
        if not np.isfinite(epoch.validation_elbo):
            raise NotFiniteError(
                f"training stopped after epoch {number}: the ELBO of the validation images is "
                f"{epoch.validation_elbo}; try a learning rate below {config.learning_rate:g}"
            )
        state.after(epoch)
        if on_epoch:
            on_epoch(epoch, validation)
        on_pause()
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
        steps: In an epoch.
        step: How many of the next epoch's steps are done.
        totals: Their sums, as `kvae.training.epochs.CompiledEpoch.parts` has them.
        seconds: They took.
        best: The weights of the epoch with the best validation ELBO, if they are wanted in the end.
    """

    def __init__(self, model: VAE, dataset: Dataset) -> None:
        self.model = model
        self.optimizer = new_optimizer(model.config.training, len(dataset.train))
        build_optimizer(self.optimizer, model)
        self.history: list[Epoch] = []
        self.steps = -(-len(dataset.train) // model.config.training.batch_size)
        self._begin_epoch()
        patient = model.config.training.patience is not None
        self.best = [tf.Variable(value) for value in variables(model)] if patient else []

    @property
    def done(self) -> bool:
        """Whether all epochs are done, or there is no patience left."""
        config, epochs = self.model.config.training, len(self.history)
        if config.patience is not None and self.history:
            return epochs == config.epochs or epochs - self._best_epoch >= config.patience
        return epochs == config.epochs

    @property
    def reached(self) -> str:
        """How far it has come, in words."""
        step = f", and {self.step} of {self.steps} steps" if self.step else ""
        return f"epoch {len(self.history)}{step}"

    def after(self, epoch: Epoch) -> None:
        """Note an epoch, whose weights are the model's."""
        self.history.append(epoch)
        self._begin_epoch()
        if self._best_epoch == epoch.epoch:
            for best, value in zip(self.best, variables(self.model), strict=bool(self.best)):
                best.assign(value)

    def _begin_epoch(self) -> None:
        self.step, self.totals, self.seconds = 0, np.zeros(4, np.float32), 0.0

    def restore_best(self) -> None:
        """Give the model the best weights, if they were kept."""
        if self.best:
            for value, best in zip(variables(self.model), self.best, strict=True):
                value.assign(best)

    @property
    def _best_epoch(self) -> int:
        return max(self.history, key=lambda epoch: epoch.validation_elbo).epoch


def _epochs(
    state: State, dataset: Dataset, strategy: tf.distribute.Strategy | None
) -> CompiledEpoch:
    config = state.model.config
    binarize = config.data.binarize
    rest = (state.model, state.optimizer, dataset.train.images, config.training, binarize)
    return (
        DistributedEpoch(*rest, strategy, len(state.history)) if strategy else CompiledEpoch(*rest)
    )


def new_evaluator(model: VAE, dataset: Dataset) -> Evaluator:
    """One for the validation and the test images, so that it need be compiled but once."""
    config, binarize = model.config.training, model.config.data.binarize
    chunk = min(CHUNK, max(len(dataset.validation), len(dataset.test)))
    return Evaluator(model, binarize, config.seed, chunk, config.jit)
