"""log Z of a Boltzmann machine: estimated by annealed importance sampling, or counted exactly."""

import math

import numpy as np
import tensorflow as tf

from kvae.models.boltzmann.machine import RATE, Machine, States, Uniform, drawn, split

COUNTED = 20
"""log Z is exact if the smaller group has at most so many units: a million states are counted."""
AT_ONCE = 2**12
"""The number of states that are counted at a time."""


def temperatures(count: int) -> tf.Tensor:
    """The inverse temperatures of annealing after the first, which is 0: `[count]`, up to 1.

    They are as dense as those of Salakhutdinov & Murray (2008, Section 4.2): of 14,500, 500 are up
    to 0.5, 4,000 up to 0.9, and 10,000 up to 1.

    Args:
        count: How many there are.
    """
    share = np.linspace(0, 1, count + 1)[1:]
    return tf.constant(
        np.interp(share, [0, 0.5 / 14.5, 4.5 / 14.5, 1], [0, 0.5, 0.9, 1]), tf.float32
    )


def annealed(
    machine: Machine, rows: int | tf.Tensor, betas: tf.Tensor, seed: tf.Tensor, uniform: Uniform
) -> tuple[tf.Tensor, States]:
    """Chains from the base-rate machine to a machine, and their log importance weights.

    The machine in between, at the inverse temperature beta, has the energy of both, weighted by
    1 - beta and beta (Salakhutdinov & Murray, 2008, Section 3.1). The states of the group with
    fewer units are kept; those of the other are summed over in the weights.

    Args:
        machine: The machine.
        rows: The number of chains.
        betas: The inverse temperatures, `[steps]`, in ascending order. The last is 1.
        seed: int32 `[2]`; decides the random numbers.
        uniform: Generates these.

    Returns:
        The log weights, `[rows]`, in nats, whose exponentials have the mean Z over the Z of the
        base-rate machine; and the states of the smaller group's layers, each `[rows, units]`.
    """
    group = machine.smaller
    kept_base, other_base = machine.bases(group), machine.bases(1 - group)
    start = tuple(tf.broadcast_to(base, [rows, base.shape[0]]) for base in kept_base)

    def one(
        step: tf.Tensor, before: tf.Tensor, log_weights: tf.Tensor, kept: States
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, States]:
        beta, seeds = betas[step], split(seed, step + 1)
        fields = machine.fields(1 - group, kept)
        at_beta = _blend(other_base, fields, beta)
        # What does not depend on the states that are summed over.
        linear = machine.of_biases(group, kept) - machine.at_offsets(1 - group, fields)
        of_base = [tf.linalg.matvec(each, base) for each, base in zip(kept, kept_base, strict=True)]
        gain = [(beta - before) * (linear - tf.add_n(of_base))] + [
            tf.reduce_sum(tf.nn.softplus(after) - tf.nn.softplus(earlier), axis=-1)
            for after, earlier in zip(at_beta, _blend(other_base, fields, before), strict=True)
        ]
        others = drawn(at_beta, seeds[0], uniform)
        again = drawn(_blend(kept_base, machine.fields(group, others), beta), seeds[1], uniform)
        return step + 1, beta, log_weights + tf.add_n(gain), again

    _, _, log_weights, kept = tf.while_loop(
        lambda step, *_: step < tf.shape(betas)[0],
        one,
        (
            tf.constant(0),
            tf.constant(0.0),
            tf.zeros([rows]),
            drawn(start, split(seed, tf.constant(0))[0], uniform),
        ),
    )
    return log_weights, kept


def _blend(bases: States, fields: States, beta: tf.Tensor) -> States:
    """The log odds of units at an inverse temperature."""
    return tuple(
        (1 - beta) * base + beta * field for base, field in zip(bases, fields, strict=True)
    )


def estimated(machine: Machine, log_weights: np.ndarray) -> tuple[float, float]:
    """log Z from the log importance weights of chains, and its standard error, in nats.

    The standard error of the log of a mean is that of the mean, as a share of it.

    Args:
        machine: The machine.
        log_weights: What `annealed` returned, `[chains]`, in nats.
    """
    base = np.logaddexp(0, machine.base.numpy().astype(np.float64)).sum()
    base -= sum(machine.units[1:]) * math.log(1 - RATE)
    highest = log_weights.max()
    weights = np.exp(np.float64(log_weights - highest))
    error = weights.std(ddof=1) / weights.mean() / math.sqrt(len(weights))
    return float(base + highest + math.log(weights.mean())), float(error)


def counted(machine: Machine) -> float:
    """log Z, exactly, in nats: the sum over all states of the smaller group.

    Args:
        machine: A machine whose smaller group has at most `COUNTED` units.
    """
    group = machine.smaller
    count, sizes = machine.size(group), [machine.units[number] for number in machine.groups[group]]
    total, places = -math.inf, np.arange(count)
    for start in range(0, 2**count, AT_ONCE):
        numbers = np.arange(start, min(start + AT_ONCE, 2**count))
        states = (numbers[:, None] >> places & 1).astype(np.float32)
        found = machine.log_marginal(group, tuple(tf.split(tf.constant(states), sizes, axis=1)))
        total = np.logaddexp.reduce(found.numpy().astype(np.float64), initial=total)
    return float(total)
