"""The energy of a Boltzmann machine with layers, and what follows from it.

The layers are the pixels, number 0, and the hidden layers above them. The energy of the states s of
all units is E(s) = -sum_l b_l s_l - sum_l (s_l - c_l) W_l (s_(l+1) - c_(l+1)), and p(s) is
exp(-E(s)) / Z (Salakhutdinov & Hinton, 2009, Equation 9). The offsets c are the means of the units
before there are couplings. They only change what the biases mean, but without them the gradients of
biases and of couplings are far from orthogonal, and training is slow (Montavon & Müller, 2012).

Units of even layers are coupled to units of odd layers alone. Given one group of layers, all units
of the other group are therefore independent: they are drawn at once, and sums over all their states
have a closed form. A restricted machine is the case of one layer in each group.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf

from kvae.models.initialization import Initialization

EVEN, ODD = 0, 1
"""The two groups of layers. The pixels are of the even group."""
SPREAD = 0.01
"""The standard deviation of the initial couplings (Hinton, 2010, Section 8)."""
RATE = 0.2
"""The mean of hidden units before there are couplings. Trained units are seldom on, and with a half
training was slower."""
LOG_ODDS = math.log(RATE / (1 - RATE))
"""The bias of hidden units that gives them this mean."""

States: TypeAlias = tuple[tf.Tensor, ...]
"""States, probabilities or fields of the layers of a group, each `[rows, units]`."""
Uniform: TypeAlias = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From a shape and a seed, int32 `[2]`, to uniform random numbers in [0, 1)."""


philox = partial(tf.random.stateless_uniform, alg="philox")
"""A `Uniform` of which the first rows are the same, whatever the number of rows is."""


class Machine(keras.layers.Layer):
    """The weights of a Boltzmann machine with layers.

    Args:
        units: The number of units of each layer, from the pixels upwards.
        initialization: Makes the initial couplings.

    Attributes:
        units: The number of units of each layer.
        groups: The numbers of the layers of each group.
        biases: The biases of each layer, `[units]`.
        kernels: The couplings of each layer but the last to the next one, `[units, next units]`.
        base: The biases of the pixels in the base-rate machine, `[units]`. That machine has no
            couplings, and is where training and annealing begin (Salakhutdinov & Murray, 2008,
            Section 3.1). Its means are the offsets.
        partition: What is known of log Z, `[4]`: its value and its standard error, in nats, and by
            how many chains of how many temperatures they were estimated, which is 0 if it is exact.
    """

    def __init__(self, units: Sequence[int], initialization: Initialization) -> None:
        super().__init__(name="machine")
        self.units = tuple(units)
        self.groups = tuple(tuple(range(group, len(units), 2)) for group in (EVEN, ODD))
        self.biases = [
            self.add_weight(
                shape=(count,),
                initializer=keras.initializers.Constant(LOG_ODDS) if number else "zeros",
                name=f"bias_{number}",
            )
            for number, count in enumerate(units)
        ]
        self.kernels = [
            self.add_weight(
                shape=(units[number], units[number + 1]),
                initializer=initialization.normal(SPREAD),
                name=f"kernel_{number}",
            )
            for number in range(len(units) - 1)
        ]
        self.base = self.add_weight(
            shape=(units[0],), initializer="zeros", trainable=False, name="base"
        )
        self.partition = self.add_weight(
            shape=(4,), initializer="zeros", trainable=False, name="partition"
        )
        self.built = True

    def start(self, rates: np.ndarray) -> None:
        """Give the pixels' biases, and those of the base-rate machine, the log odds of their rates.

        Args:
            rates: How often each pixel is white, between 0 and 1, `[units]`.
        """
        for bias in self.biases[0], self.base:
            bias.assign(np.log(rates) - np.log1p(-rates))

    def size(self, group: int) -> int:
        """The number of units of a group.

        Args:
            group: `EVEN` or `ODD`.
        """
        return sum(self.units[number] for number in self.groups[group])

    @property
    def smaller(self) -> int:
        """The group that has fewer units: `EVEN` or `ODD`."""
        return EVEN if self.size(EVEN) <= self.size(ODD) else ODD

    def offset(self, number: int) -> tf.Tensor | float:
        """The offset of a layer: `[units]`, or the same number for all units.

        Args:
            number: The number of the layer.
        """
        return tf.sigmoid(self.base) if number == 0 else RATE

    def passed(self, source: int, target: int, states: tf.Tensor) -> tf.Tensor:
        """What a layer adds to the log odds of a layer next to it, `[rows, target units]`.

        Args:
            source: The number of the layer.
            target: The number of the layer below or above it.
            states: The states of the layer, or their means, `[rows, source units]`.
        """
        centred = states - self.offset(source)
        return tf.matmul(centred, self.kernels[min(source, target)], transpose_b=source > target)

    def fields(self, group: int, others: States, from_pixels: tf.Tensor | None = None) -> States:
        """The log odds that each unit of a group is on, given the states of the other group.

        Args:
            group: `EVEN` or `ODD`.
            others: The states of the other group's layers, or their means, each `[rows, units]`.
            from_pixels: What the pixels add to the log odds of layer 1, if that is known already.
        """
        states = dict(zip(self.groups[1 - group], others, strict=True))
        return tuple(self._field(number, states, from_pixels) for number in self.groups[group])

    def _field(
        self, number: int, states: Mapping[int, tf.Tensor], from_pixels: tf.Tensor | None = None
    ) -> tf.Tensor:
        parts = [
            from_pixels
            if other == 0 and from_pixels is not None
            else self.passed(other, number, states[other])
            for other in (number - 1, number + 1)
            if other in states
        ]
        return sum(parts, start=self.biases[number])

    def log_marginal(
        self, group: int, states: States, from_pixels: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The log of the sum of exp(-E) over all states of the other group, `[rows]`, in nats.

        Of a restricted machine and the pixels it is the negative free energy (Salakhutdinov &
        Murray, 2008, Equation 6).

        Args:
            group: The group whose states are given: `EVEN` or `ODD`.
            states: Their states, each `[rows, units]`.
            from_pixels: What the pixels add to the log odds of layer 1, if that is known already.
        """
        own = self.of_biases(group, states)
        others = self.fields(1 - group, states, from_pixels)
        of_others = [tf.reduce_sum(tf.nn.softplus(field), axis=-1) for field in others]
        return tf.add_n([own - self.at_offsets(1 - group, others), *of_others])

    def of_biases(self, group: int, states: States) -> tf.Tensor:
        """What the biases of a group contribute to -E, `[rows]`, in nats.

        Args:
            group: `EVEN` or `ODD`.
            states: The states of its layers, each `[rows, units]`.
        """
        numbers = zip(self.groups[group], states, strict=True)
        return tf.add_n([tf.linalg.matvec(each, self.biases[number]) for number, each in numbers])

    def at_offsets(self, group: int, fields: States) -> tf.Tensor:
        """What the couplings would contribute to -E if a group's states were its offsets, `[rows]`.

        Args:
            group: `EVEN` or `ODD`.
            fields: The log odds of its units, each `[rows, units]`.
        """
        numbers = zip(self.groups[group], fields, strict=True)
        return tf.add_n(
            [
                tf.reduce_sum(self.offset(number) * (field - self.biases[number]), axis=-1)
                for number, field in numbers
            ]
        )

    def bases(self, group: int) -> States:
        """The biases of the base-rate machine for the layers of a group, each `[units]`.

        Args:
            group: `EVEN` or `ODD`.
        """
        return tuple(
            tf.fill([self.units[number]], LOG_ODDS) if number else tf.convert_to_tensor(self.base)
            for number in self.groups[group]
        )

    def mean_field(self, pixels: tf.Tensor, sweeps: int) -> tuple[States, States]:
        """The probabilities that units are on, given pixels and each other's probabilities.

        They are a local maximum of the bound on log p(x) among posteriors under which all units are
        independent (Salakhutdinov & Hinton, 2009, Equation 13). Of a restricted machine they are
        exact. They start from a pass upwards, in which each layer but the last sees twice what it
        gets from below, as it gets nothing from above yet.

        Args:
            pixels: `[rows, units]`, 0 or 1.
            sweeps: How often all probabilities are computed again, each group in turn.

        Returns:
            The even group's, of which the first are the pixels themselves, and the odd group's.
        """
        below, found = pixels, [pixels]
        for number in range(1, len(self.units)):
            below = tf.sigmoid(self.from_below(number, below))
            found.append(below)
        if len(self.units) == 2:
            return (pixels,), (below,)
        from_pixels = self.passed(0, 1, pixels)

        def odd(upper: States) -> States:
            return tuple(map(tf.sigmoid, self.fields(ODD, (pixels, *upper), from_pixels)))

        def sweep(number: tf.Tensor, upper: States) -> tuple[tf.Tensor, States]:
            states = dict(zip(self.groups[ODD], odd(upper), strict=True))
            layers = self.groups[EVEN][1:]
            return number + 1, tuple(tf.sigmoid(self._field(layer, states)) for layer in layers)

        _, upper = tf.while_loop(
            lambda number, _: number < sweeps, sweep, (tf.constant(0), tuple(found[2::2]))
        )
        return (pixels, *upper), odd(upper)

    def from_below(self, number: int, below: tf.Tensor) -> tf.Tensor:
        """The log odds that units are on, given the layer below, while there are none above.

        Args:
            number: The number of the layer, from 1.
            below: States of the layer below, `[rows, units]`.
        """
        doubled = 1.0 if number == len(self.units) - 1 else 2.0
        return self.biases[number] + doubled * self.passed(number - 1, number, below)

    def from_above(self, number: int, above: tf.Tensor) -> tf.Tensor:
        """The log odds that units are on, given the layer above, while there are none below.

        Args:
            number: The number of the layer, from 0.
            above: States of the layer above, `[rows, units]`.
        """
        doubled = 1.0 if number == 0 else 2.0
        return self.biases[number] + doubled * self.passed(number + 1, number, above)

    def gibbs(
        self, even: States, steps: int | tf.Tensor, seed: tf.Tensor, uniform: Uniform
    ) -> States:
        """Run Gibbs chains: draw the odd group given the even one, and the even given the odd.

        Args:
            even: The states of the even group's layers, each `[rows, units]`.
            steps: The number of steps.
            seed: int32 `[2]`; decides the random numbers.
            uniform: Generates these.

        Returns:
            The states of the even group's layers after the steps.
        """

        def one(step: tf.Tensor, even: States) -> tuple[tf.Tensor, States]:
            seeds = split(seed, step)
            odd = drawn(self.fields(ODD, even), seeds[0], uniform)
            return step + 1, drawn(self.fields(EVEN, odd), seeds[1], uniform)

        return tf.while_loop(lambda step, _: step < steps, one, (tf.constant(0), even))[1]


def split(seed: tf.Tensor, step: tf.Tensor) -> list[tf.Tensor]:
    """Two seeds for a step, each int32 `[2]`.

    Args:
        seed: int32 `[2]`.
        step: The number of the step.
    """
    folded = tf.random.experimental.stateless_fold_in(seed, step)
    return tf.unstack(tf.random.experimental.stateless_split(folded, 2))


def drawn(fields: States, seed: tf.Tensor, uniform: Uniform) -> States:
    """States of units, 1.0 for on and 0.0 for off, given their log odds.

    Args:
        fields: The log odds of the units of each layer, each `[rows, units]`.
        seed: int32 `[2]`; decides the random numbers.
        uniform: Generates these.
    """
    return tuple(
        tf.cast(
            uniform(tf.shape(field), tf.random.experimental.stateless_fold_in(seed, number))
            < tf.sigmoid(field),
            tf.float32,
        )
        for number, field in enumerate(fields)
    )
