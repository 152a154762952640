"""How a Boltzmann machine is trained: layer by layer at first, and then all layers together."""

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvae.data import Dataset, random_numbers
from kvae.data.pixels import algorithm
from kvae.errors import NotFiniteError
from kvae.metrics import Row
from kvae.models.boltzmann import METRICS
from kvae.models.boltzmann.machine import EVEN, drawn, philox, split
from kvae.models.evaluator import CHUNK, Evaluator
from kvae.models.plan import (
    Batch,
    Computed,
    Evaluation,
    GradientUpdate,
    NewOptimizer,
    Plan,
    Sums,
    Update,
    averages,
    kernels,
)
from kvae.progress import Progress, silent

if TYPE_CHECKING:
    from kvae.models.boltzmann.model import BoltzmannModel

SWEEPS = 5
"""How often mean-field probabilities are computed again in a training step."""
ALONE = 0.25
"""Layers that are trained alone take steps of this share of the learning rate. After longer ones,
chains left the images when all layers were trained together."""
EPOCH = 100, 1000
"""The chains and the temperatures by which log Z is estimated after every epoch."""
LAST = 100, 10_000
"""Those by which it is estimated when the training is done."""
# Separates the first states of the chains from other random numbers under the same seed.
STREAM = 4


class ChainUpdate:
    """Gibbs steps of the persistent chains (Tieleman, 2008).

    Args:
        model: The model.
        chains: The states of the even layers' units, each `[chains, units]`.
    """

    def __init__(self, model: "BoltzmannModel", chains: list[tf.Variable]) -> None:
        self._machine, self._chains = model.machine, chains
        self._steps, self._jit = model.config.objective.gibbs_steps, model.config.training.jit

    def compute(self, batch: Batch) -> tuple[Computed, Sums]:
        """Run the chains. All devices that share a batch run the same ones.

        Args:
            batch: Its seed decides the random numbers.
        """
        uniform = partial(tf.random.stateless_uniform, alg=algorithm(self._jit))
        states = tuple(map(tf.convert_to_tensor, self._chains))
        return list(self._machine.gibbs(states, self._steps, batch.seed, uniform)), {}

    def apply(self, computed: Computed) -> None:
        """Keep the states.

        Args:
            computed: What `compute` returned first.
        """
        for chain, states in zip(self._chains, computed, strict=True):
            chain.assign(states)


class ContrastivePlan(Plan):
    """Maximises the bound on log p(x) by persistent contrastive divergence.

    The gradient of log p(x) is that of log p*(x), p without Z, at images, less its mean at samples
    of the model. The samples are Gibbs chains that go on from step to step. A deep machine first
    trains each layer alone, by contrastive divergence (Hinton, 2002).

    The best epoch is the one with the highest bound, given a log Z that a short run of annealed
    importance sampling estimates after every epoch. Its standard error is in the history.

    Args:
        model: The model, whose weights are changed in place.
        dataset: The images that it is trained and validated on.
        new_optimizer: Makes the configuration's optimizer for some weights.
    """

    metrics = ("contrast",)
    best = METRICS[0]

    def __init__(
        self, model: "BoltzmannModel", dataset: Dataset, new_optimizer: NewOptimizer
    ) -> None:
        self._model, self._machine = model, model.machine
        config, machine = model.config, model.machine
        self._seed, self._jit = config.training.seed, config.training.jit
        self._steps, self._each = config.objective.gibbs_steps, config.objective.layer_epochs
        # All devices that share a batch run the same chains.
        self._chains = [
            tf.Variable(
                states, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
            )
            for states in self._first_states(dataset.train.images)
        ]
        layers = len(machine.kernels)
        alone = range(layers) if self._each else ()
        together = config.training.epochs - self._each * len(alone)
        weights = [self._weights_alone(number) for number in alone] + [machine.trainable_variables]
        optimizers = [
            new_optimizer(each, decayed=kernels(each), epochs=epochs)
            for each, epochs in zip(weights, [self._each] * len(alone) + [together], strict=True)
        ]
        self._trained = list(zip(weights, optimizers, strict=True))
        losses = [partial(self._loss_alone, number) for number in alone] + [self._loss]
        self._stages: list[list[Update]] = [
            [GradientUpdate(each, optimizer, loss)]
            for (each, optimizer), loss in zip(self._trained, losses, strict=True)
        ]
        self._stages[-1].insert(0, ChainUpdate(model, self._chains))
        # While layers are trained alone, log Z of all of them together can be far off.
        self.earliest = self._each * len(alone) + 1
        self._stage = 0
        self.updates = self._stages[0]
        of_optimizers = [variable.value for each in optimizers for variable in each.variables]
        self.state = [*of_optimizers, *self._chains]
        chunk = min(CHUNK, max(len(dataset.validation), len(dataset.test)))
        self._evaluator = Evaluator(model, self._seed, chunk)

    def _first_states(self, images: np.ndarray) -> list[tf.Tensor]:
        """Where the chains start: at training images, with hidden units from the base-rate machine.

        Chains that start at noise can all be in one mode that has no images, and the weights can
        then grow without end.

        Args:
            images: uint8 `[count, height, width, channels]`.
        """
        chains, machine = self._model.config.objective.chains, self._machine
        some = images[np.arange(chains) * len(images) // chains]
        seeds = split(tf.constant([self._seed, STREAM]), tf.constant(0))
        pixels = tf.reshape(self._model.inputs(some, seeds[0]), (chains, -1))
        bases = [tf.broadcast_to(base, [chains, base.shape[0]]) for base in machine.bases(EVEN)[1:]]
        return [pixels, *drawn(tuple(bases), seeds[1], philox)]

    def enter(self, epoch: int) -> bool:
        """Prepare for an epoch of a layer's stage, or of the stage of all layers.

        Args:
            epoch: Number of the epoch, from 1.

        Returns:
            Whether it is of another stage than the epoch before.
        """
        last = len(self._stages) - 1
        stage = min((epoch - 1) // self._each, last) if self._each else last
        changed = stage != self._stage
        self._stage, self.updates = stage, self._stages[stage]
        return changed

    def notes(self, epoch: int) -> dict[str, str]:
        """What an epoch trains, by the name of its column.

        Args:
            epoch: Number of the epoch, from 1.
        """
        layers = len(self._stages) - 1
        if not layers:
            return {}
        number = (epoch - 1) // self._each + 1
        return {"objective": f"layer {number}" if number <= layers else "all layers"}

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """While it lasts, the model has the moving averages of the weights that are trained, if
        there are any, and an estimate of log Z for these weights."""
        with averages(*self._trained[self._stage]):
            self._model.estimate_log_partition(*EPOCH, self._seed)
            yield

    def validate(self, images: np.ndarray, labels: np.ndarray | None = None) -> Evaluation:
        """The bound on log p(x) of each image, and log Z.

        Args:
            images: uint8 `[count, height, width, channels]`.
            labels: Not used: the model is not conditional.
        """
        return self._evaluator(images)

    def row(self, epoch: int, means: Mapping[str, float], validation: Evaluation) -> Row:
        """The metrics of an epoch by the names of their columns in `history.csv`.

        Args:
            epoch: Number of the epoch, from 1.
            means: The mean of each metric over the training images of the epoch, by name.
            validation: What `validate` returned after the epoch.

        Raises:
            NotFiniteError: log p(x) is above 0, as no probability is. All chains are in a mode that
                has no images and that annealing does not find, and the weights grow without end.
        """
        if epoch >= self.earliest and validation.means["elbo"] > 0:
            raise NotFiniteError(
                f"training stopped after epoch {epoch}: the chains have left the images; try a "
                f"`learning_rate` below {self._model.config.training.learning_rate:g}"
            )
        return super().row(epoch, means, validation)

    def finish(self, progress: Progress = silent) -> None:
        """Estimate log Z of the weights that are kept, by more chains of more temperatures.

        Args:
            progress: Not used: all temperatures are one compiled step.
        """
        self._model.estimate_log_partition(*LAST, self._seed)

    def _loss(self, batch: Batch) -> tuple[tf.Tensor, Sums]:
        """Minus the mean-field bound but for log Z, whose gradient the chains estimate."""
        machine = self._machine
        pixels = tf.reshape(batch.images, (-1, machine.units[0]))
        # The bound is at its maximum in the probabilities: they have no gradient.
        even = map(tf.stop_gradient, machine.mean_field(pixels, SWEEPS)[0])
        of_images = machine.log_marginal(EVEN, tuple(even))
        chains = tuple(map(tf.convert_to_tensor, self._chains))
        of_chains = tf.reduce_mean(machine.log_marginal(EVEN, chains))
        loss = batch.share * of_chains - tf.reduce_sum(batch.weight * of_images) / batch.total
        contrast = tf.reduce_sum(batch.weight * (of_images - of_chains))
        return loss, {"contrast": contrast}

    def _weights_alone(self, number: int) -> list[tf.Variable]:
        """The weights of a layer that is trained alone, and the pixels' biases with the first."""
        machine = self._machine
        lowest = [machine.biases[0]] if number == 0 else []
        return [*lowest, machine.biases[number + 1], machine.kernels[number]]

    def _loss_alone(self, number: int, batch: Batch) -> tuple[tf.Tensor, Sums]:
        """The loss of contrastive divergence for the couplings of a layer to the next one.

        Salakhutdinov & Hinton (2009), Section 3.1: units see twice what they get from one side
        while they get nothing from the other.
        """
        machine = self._machine
        uniform = partial(random_numbers.uniform, generator=algorithm(self._jit))
        below = tf.reshape(batch.images, (-1, machine.units[0]))
        seeds = split(batch.seed, tf.constant(0))
        for lower in range(1, number + 1):
            seed = tf.random.experimental.stateless_fold_in(seeds[0], lower)
            below = drawn((machine.from_below(lower, below),), seed, uniform)[0]

        def one(step: tf.Tensor, states: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            above_seed, below_seed = split(seeds[1], step)
            above = drawn((machine.from_below(number + 1, states),), above_seed, uniform)[0]
            return step + 1, drawn((machine.from_above(number, above),), below_seed, uniform)[0]

        start = tf.constant(0), below
        _, last = tf.while_loop(lambda step, _: step < self._steps, one, start)
        differences = self._log_joint(number, below) - self._log_joint(number, last)
        contrast = tf.reduce_sum(batch.weight * differences)
        return -ALONE * contrast / batch.total, {"contrast": contrast}

    def _log_joint(self, number: int, below: tf.Tensor) -> tf.Tensor:
        """Minus the energy of a layer and the next one, whose units have their mean, `[rows]`."""
        machine = self._machine
        below = tf.stop_gradient(below)
        above = tf.stop_gradient(tf.sigmoid(machine.from_below(number + 1, below)))
        gain = machine.passed(number, number + 1, below) * (above - machine.offset(number + 1))
        of_biases = [
            tf.linalg.matvec(states, machine.biases[layer])
            for layer, states in ((number, below), (number + 1, above))
        ]
        return tf.add_n([tf.reduce_sum(gain, axis=-1), *of_biases])
