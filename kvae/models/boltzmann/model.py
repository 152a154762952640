"""Restricted and deep Boltzmann machines as models of images."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import tensorflow as tf

from kvae.config import Config
from kvae.data import Dataset
from kvae.data.pixels import algorithm
from kvae.models.base import Model, Partition, Statistics, seed_pair
from kvae.models.boltzmann import partition
from kvae.models.boltzmann.machine import EVEN, ODD, Machine, States, drawn, philox, split
from kvae.models.initialization import Initialization
from kvae.models.plan import NewOptimizer, Plan

SWEEPS = 15
"""How often mean-field probabilities are computed again, each group in turn."""
ANNEALING = 400
"""The number of temperatures through which samples are annealed."""
SETTLING = 100
"""The number of Gibbs steps that samples take after that."""
# Separates the random numbers of log Z from those of training and evaluation under the same seed.
STREAM = 3


class BoltzmannModel(Model):
    """A Boltzmann machine with layers, the lowest of which are the pixels.

    Args:
        config: The configuration that the model is built from; it is saved with the model.

    Attributes:
        machine: The weights, and what follows from them.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        units, training = config.model.units, config.training
        self.machine = Machine(units, Initialization(None, training.seed, stream=0))
        scalar, seed = tf.TensorSpec((), tf.int32), tf.TensorSpec((2,), tf.int32)
        pixels = tf.TensorSpec((None, units[0]), tf.float32)
        # TensorFlow traces them at the first call, once for any number of images.
        self._draw = tf.function(self._drawn, input_signature=(scalar, seed), autograph=False)
        self._walk = tf.function(
            self._walked, input_signature=(pixels, scalar, seed), autograph=False
        )

        @tf.function(jit_compile=training.jit, autograph=False)
        def log_weights(seed: tf.Tensor, chains: int, betas: tf.Tensor) -> tf.Tensor:
            uniform = partial(tf.random.stateless_uniform, alg=algorithm(training.jit))
            return partition.annealed(self.machine, chains, betas, seed, uniform)[0]

        self._log_weights = log_weights
        self.built = True

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Reconstruct images; Keras calls this for `model(images)`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return self.reconstruct(images)

    @property
    def log_partition(self) -> Partition:
        """log Z as it was estimated last, or counted."""
        value, error, chains, temperatures = self.machine.partition.numpy().tolist()
        method = "annealed importance sampling, {:,.0f} chains of {:,.0f} temperatures"
        exact = "exact: all states are counted"
        return Partition(value, error, method.format(chains, temperatures) if chains else exact)

    def estimate_log_partition(self, chains: int, temperatures: int, seed: int) -> None:
        """Estimate log Z by annealed importance sampling (Salakhutdinov & Murray, 2008), and keep
        it as a weight. Where there are few enough states to be counted it is exact.

        Args:
            chains: The number of chains, 2 or more.
            temperatures: The number of temperatures of each.
            seed: Decides the random numbers.
        """
        machine = self.machine
        if machine.size(machine.smaller) <= partition.COUNTED:
            self.machine.partition.assign([partition.counted(machine), 0.0, 0.0, 0.0])
            return
        betas = partition.temperatures(temperatures)
        found = self._log_weights(tf.constant([seed, STREAM]), chains, betas).numpy()
        self.machine.partition.assign([*partition.estimated(machine, found), chains, temperatures])

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        """The probabilities that pixels are white, given the mean-field probabilities of the first
        hidden layer: float32, the shape of `images`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        _, odd = self.machine.mean_field(self._pixels(images), SWEEPS)
        return self._images(tf.sigmoid(self.machine.fields(EVEN, odd)[0]))

    def embed(self, images: tf.Tensor) -> tf.Tensor:
        """The mean-field probabilities of the top layer's units: float32 `[batch, units]`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return self._top(*self.machine.mean_field(self._pixels(images), SWEEPS))

    def sample(self, count: int | tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """New images: the probabilities that pixels are white, given the hidden units of a chain.

        Each chain begins in the base-rate machine, is annealed to this one as in annealed
        importance sampling, and then takes Gibbs steps.

        Args:
            count: The number of images, each of a chain of its own.
            seed: An integer or int32 `[2]`. The first images of a seed are the same, whatever the
                count is.

        Returns:
            float32 `[count, height, width, channels]` in [0, 1].
        """
        return self._draw(tf.convert_to_tensor(count, tf.int32), seed_pair(seed))

    def walk(self, images: tf.Tensor, steps: int, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """Where Gibbs chains are that started at images: float32, the shape of `images`, 0 or 1.

        Args:
            images: float32 `[batch, height, width, channels]`, 0 or 1.
            steps: The number of Gibbs steps.
            seed: An integer or int32 `[2]`; decides the random numbers.
        """
        found = self._walk(self._pixels(images), tf.constant(steps), seed_pair(seed))
        return self._images(found)

    def filters(self) -> tf.Tensor:
        """The couplings of the first hidden layer's units to the pixels: float32
        `[units, height, width, channels]`."""
        return self._images(tf.transpose(tf.convert_to_tensor(self.machine.kernels[0])))

    @property
    def measure(self) -> str:
        """What the bound bounds: the probability of black and white pixels."""
        return "binary"

    def statistics(self, images: tf.Tensor, seed: tf.Tensor) -> Statistics:
        """The mean-field bound on log p(x), given log Z as it was estimated, and the probabilities
        that hidden units are on.

        Salakhutdinov & Hinton (2009), Equation 11. Of a restricted machine it is log p(x) itself.

        Args:
            images: float32 `[batch, height, width, channels]`, 0 or 1.
            seed: Not used: there is nothing to sample.
        """
        machine = self.machine
        even, odd = machine.mean_field(self._pixels(images), SWEEPS)
        bound = machine.log_marginal(EVEN, even) + _entropy(even[1:]) - self.machine.partition[0]
        layers = dict(zip(machine.groups[EVEN], even, strict=True))
        layers |= dict(zip(machine.groups[ODD], odd, strict=True))
        activity = tf.concat([layers[number] for number in range(1, len(layers))], axis=-1)
        return Statistics({"elbo": bound}, self._top(even, odd), {"unit_activity": activity})

    def scalars(self, embeddings: np.ndarray | None) -> Mapping[str, float | int]:
        """log Z and its standard error, by name.

        Args:
            embeddings: Not used.
        """
        value, error, _ = self.log_partition
        return {"log_partition": value, "log_partition_error": error}

    def log_weights(self, images: tf.Tensor) -> Callable[[int, tf.Tensor], tf.Tensor]:
        """Log importance weights. The mean of the weights is an unbiased estimate of p(x), given
        log Z as it was estimated.

        The even hidden layers are drawn from their mean-field probabilities, and the odd ones are
        summed over.

        Args:
            images: float32 `[batch, height, width, channels]`, 0 or 1.

        Returns:
            A function from a number of samples and a seed, int32 `[2]`, to log weights
            `[samples, batch]`, in nats.
        """
        machine, pixels = self.machine, self._pixels(images)
        even, _ = machine.mean_field(pixels, SWEEPS)
        means = even[1:]
        if not means:
            exact = machine.log_marginal(EVEN, (pixels,)) - self.machine.partition[0]
            return lambda samples, seed: tf.tile(exact[None], [samples, 1])
        logits = tuple(tf.math.log(mean) - tf.math.log1p(-mean) for mean in map(_inside, means))
        from_pixels = machine.passed(0, 1, pixels)

        def weights(samples: int, seed: tf.Tensor) -> tf.Tensor:
            def several(each: tf.Tensor) -> tf.Tensor:
                return tf.tile(each, [samples, 1])

            own = tuple(map(several, logits))
            uniform = partial(tf.random.stateless_uniform, alg=algorithm(self.config.training.jit))
            states = drawn(own, seed, uniform)
            log_q = tf.add_n(
                [
                    -tf.reduce_sum(
                        tf.nn.sigmoid_cross_entropy_with_logits(labels=state, logits=logit), axis=-1
                    )
                    for state, logit in zip(states, own, strict=True)
                ]
            )
            whole = several(pixels), *states
            log_p = (
                machine.log_marginal(EVEN, whole, several(from_pixels)) - self.machine.partition[0]
            )
            return tf.reshape(log_p - log_q, (samples, -1))

        return weights

    def plan(self, dataset: Dataset, new_optimizer: NewOptimizer) -> Plan:
        """A new plan, which trains by persistent contrastive divergence.

        Args:
            dataset: The images that the model will be trained and validated on.
            new_optimizer: Makes the configuration's optimizer for some weights.
        """
        from kvae.models.boltzmann.plan import ContrastivePlan

        return ContrastivePlan(self, dataset, new_optimizer)

    def _top(self, even: States, odd: States) -> tf.Tensor:
        return (odd if len(self.machine.units) % 2 == 0 else even)[-1]

    def _drawn(self, count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        machine, seeds = self.machine, split(seed, tf.constant(0))
        betas = tf.concat([partition.temperatures(ANNEALING), tf.ones(SETTLING)], axis=0)
        _, odd = partition.annealed(machine, count, betas, seeds[0], philox)
        if machine.smaller == EVEN:
            odd = drawn(machine.fields(ODD, odd), seeds[1], philox)
        return self._images(tf.sigmoid(machine.fields(EVEN, odd)[0]))

    def _walked(self, pixels: tf.Tensor, steps: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        machine, seeds = self.machine, split(seed, tf.constant(0))
        hidden = machine.mean_field(pixels, SWEEPS)[0][1:]
        uniform = philox(tf.shape(tf.concat([pixels, *hidden], axis=1)), seeds[0])
        even = tf.cast(uniform < tf.concat([pixels, *hidden], axis=1), tf.float32)
        sizes = [machine.units[number] for number in machine.groups[EVEN]]
        return machine.gibbs(tuple(tf.split(even, sizes, axis=1)), steps, seeds[1], philox)[0]

    def _pixels(self, images: tf.Tensor) -> tf.Tensor:
        """Images as rows of pixels, `[batch, pixels]`."""
        return tf.reshape(self.checked(images), (-1, self.machine.units[0]))

    def _images(self, pixels: tf.Tensor) -> tf.Tensor:
        """Rows of pixels as images, `[batch, height, width, channels]`."""
        return tf.reshape(pixels, (-1, *self.config.model.image_shape))


class RestrictedModel(BoltzmannModel):
    """A machine with one hidden layer, which is summed over, so that p(x) is exact but for Z."""

    def log_prob(self, images: tf.Tensor) -> tf.Tensor:
        """log p(x) of each image, given log Z as it was estimated: `[batch]`, in nats.

        Args:
            images: float32 `[batch, height, width, channels]`, 0 or 1.
        """
        return self.machine.log_marginal(EVEN, (self._pixels(images),)) - self.machine.partition[0]


def _inside(probabilities: tf.Tensor) -> tf.Tensor:
    """Probabilities that are neither 0 nor 1, where logarithms are infinite."""
    return tf.clip_by_value(probabilities, 1e-6, 1 - 1e-6)


def _entropy(means: States) -> tf.Tensor | float:
    """The entropy of independent units, summed over layers, `[rows]`, in nats."""
    inside = [_inside(mean) for mean in means]
    each = [-p * tf.math.log(p) - (1 - p) * tf.math.log1p(-p) for p in inside]
    return sum((tf.reduce_sum(units, axis=-1) for units in each), start=0.0)
