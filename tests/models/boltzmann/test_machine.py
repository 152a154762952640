"""Machines whose states can be counted: log Z, log p(x), its gradient, and Gibbs chains."""

import math

import numpy as np
import pytest
import tensorflow as tf

from kvae.data import Dataset, Split
from kvae.evaluation import energy
from kvae.evaluation.sections import chains
from kvae.models.base import Partition
from kvae.models.boltzmann import partition
from kvae.models.boltzmann.machine import EVEN, ODD, RATE, drawn, philox
from kvae.models.boltzmann.model import SWEEPS as EVALUATED
from kvae.models.boltzmann.plan import SWEEPS as TRAINED
from kvae.models.plan import Batch
from kvae.training.optimizers import new_optimizer

SEED = tf.constant([1, 2])
MACHINES = [(4,), (9,), (4, 3), (2, 3, 2)]
"""The smaller group is the hidden layer, the pixels, the first hidden layer, and the odd layers."""


@pytest.mark.parametrize("hidden", MACHINES)
def test_log_z_is_counted_and_probabilities_sum_to_one(counted, hidden, monkeypatch):
    # A number of states that is no multiple of it.
    monkeypatch.setattr(partition, "AT_ONCE", 7)
    case = counted(*hidden)
    found = case.model.log_partition
    assert found.value == pytest.approx(case.log_z, abs=1e-5)
    assert found == Partition(found.value, 0.0, "exact: all states are counted")
    for group in EVEN, ODD:
        sizes = [case.model.machine.units[number] for number in case.model.machine.groups[group]]
        every = np.indices((2,) * sum(sizes)).reshape(sum(sizes), -1).T.astype(np.float32)
        states = tuple(tf.split(tf.constant(every), sizes, axis=1))
        total = tf.reduce_logsumexp(case.model.machine.log_marginal(group, states))
        assert float(total) == pytest.approx(case.log_z, abs=1e-4)


@pytest.mark.parametrize("hidden", MACHINES)
def test_annealed_log_z_is_within_its_error(counted, hidden, monkeypatch):
    case = counted(*hidden)
    monkeypatch.setattr(partition, "COUNTED", 0)
    case.model.estimate_log_partition(500, 200, 3)
    value, error, method = case.model.log_partition
    assert method == "annealed importance sampling, 500 chains of 200 temperatures"
    assert 0 < error < 0.05
    assert abs(value - case.log_z) < 4 * error


def test_temperatures_rise_to_one():
    found = partition.temperatures(14_500).numpy()
    assert np.all(np.diff(found) > 0)
    np.testing.assert_allclose(found[[499, 4499, 14_499]], [0.5, 0.9, 1.0], rtol=1e-6)


@pytest.mark.parametrize("hidden", [(4,), (9,)])
def test_a_restricted_machine_knows_log_p(counted, hidden):
    case = counted(*hidden)
    found = case.model.log_prob(case.images).numpy()
    np.testing.assert_allclose(found, case.log_prob, atol=1e-5)
    terms = case.model.statistics(case.images, SEED).terms
    np.testing.assert_allclose(terms["elbo"], case.log_prob, atol=1e-5)
    weights = case.model.log_weights(case.images)(3, SEED)
    np.testing.assert_allclose(weights, np.tile(found, (3, 1)))
    assert np.exp(case.log_prob).sum() == pytest.approx(1)


@pytest.mark.parametrize("hidden", [(4, 3), (2, 3, 2)])
def test_a_deep_machine_bounds_log_p_closely(counted, hidden):
    case = counted(*hidden)
    gaps = case.log_prob - case.model.statistics(case.images, SEED).terms["elbo"].numpy()
    assert gaps.min() > 0
    assert gaps.max() < 0.5
    weights = case.model.log_weights(case.images)(2000, SEED).numpy().astype(np.float64)
    estimate = np.exp(weights).mean(axis=0)
    error = np.exp(weights).std(axis=0) / math.sqrt(2000)
    assert np.all(np.abs(estimate - np.exp(case.log_prob)) < 5 * error)


def test_the_mean_field_bound_is_that_of_its_probabilities(counted):
    """Salakhutdinov & Hinton (2009), Equation 11, term by term."""
    case = counted(4, 3)
    machine = case.model.machine
    pixels = case.images.reshape(64, 6)
    (_, top), (middle,) = machine.mean_field(tf.constant(pixels), EVALUATED)
    middle, top = middle.numpy().astype(np.float64), top.numpy().astype(np.float64)
    first, second = (kernel.numpy() for kernel in machine.kernels)
    biases = [bias.numpy() for bias in machine.biases]
    energies = pixels @ biases[0] + middle @ biases[1] + top @ biases[2]
    offsets = 1 / (1 + np.exp(-machine.base.numpy()))
    energies += np.sum((pixels - offsets) @ first * (middle - RATE), axis=1)
    energies += np.sum((middle - RATE) @ second * (top - RATE), axis=1)
    entropy = sum(-np.sum(p * np.log(p) + (1 - p) * np.log(1 - p), axis=1) for p in (middle, top))
    found = case.model.statistics(case.images, SEED)
    np.testing.assert_allclose(found.terms["elbo"], energies + entropy - case.log_z, atol=1e-4)
    np.testing.assert_allclose(found.embedding, top, atol=1e-6)
    activity = np.concatenate([middle, top], axis=1)
    np.testing.assert_allclose(found.per_dimension["unit_activity"], activity, atol=1e-6)


def frequencies(pixels: tf.Tensor) -> np.ndarray:
    numbers = pixels.numpy() @ (2 ** np.arange(6)[::-1])
    return np.bincount(numbers.astype(int), minlength=64)


def assert_as_frequent_as_probable(counts: np.ndarray, log_prob: np.ndarray) -> None:
    expected = counts.sum() * np.exp(log_prob)
    # The mean of a chi-square is its degrees of freedom, and its variance is twice that.
    chi_square = np.sum((counts - expected) ** 2 / expected)
    assert chi_square < 63 + 4 * math.sqrt(2 * 63)


@pytest.mark.parametrize("hidden", [pytest.param((4,), marks=pytest.mark.slow), (4, 3)])
def test_samples_are_as_frequent_as_they_are_probable(counted, hidden):
    case = counted(*hidden, spread=0.7)
    machine, model = case.model.machine, case.model
    noise = np.random.default_rng(0).integers(0, 2, (8000, 2, 3, 1)).astype(np.float32)
    walked = model.walk(noise, 40, seed=5)
    assert_as_frequent_as_probable(frequencies(tf.reshape(walked, (-1, 6))), case.log_prob)
    betas = partition.temperatures(100)
    _, kept = partition.annealed(machine, 8000, betas, SEED, philox)
    assert machine.smaller == ODD
    pixels = drawn(machine.fields(EVEN, kept), SEED + 5, philox)[0]
    # Annealed samples are nearly, but not quite, samples of the machine.
    assert_as_frequent_as_probable(frequencies(pixels), case.log_prob)


@pytest.mark.parametrize("hidden", [(9,), (4, 3)])
def test_images_are_the_means_of_annealed_chains(counted, hidden):
    case = counted(*hidden)
    images = case.model.sample(4000, seed=1).numpy()
    mean = np.exp(case.log_prob) @ case.images.reshape(64, 6)
    error = images.reshape(-1, 6).std(axis=0) / math.sqrt(4000)
    assert np.all(np.abs(images.reshape(-1, 6).mean(axis=0) - mean) < 5 * error)
    np.testing.assert_allclose(images[:3], case.model.sample(3, seed=1), atol=1e-6)


@pytest.mark.parametrize("hidden", [pytest.param((4,), marks=pytest.mark.slow), (4, 3)])
def test_the_gradient_is_exact_when_the_chains_are_at_equilibrium(counted, hidden):
    case = counted(*hidden, spread=0.5)
    model, machine = case.model, case.model.machine
    some = case.images[[3, 17, 40, 62]]
    split = Split((255 * some).astype(np.uint8))
    dataset = Dataset("made", split, split, split, "made up")
    plan = model.plan(
        dataset, lambda *args, **kwargs: new_optimizer(model.config.training, 4, *args, **kwargs)
    )
    equilibrium = tuple(map(tf.convert_to_tensor, plan._chains))
    equilibrium = machine.gibbs(equilibrium, 60, SEED, philox)
    for chain, states in zip(plan._chains, equilibrium, strict=True):
        chain.assign(states)
    seen = tf.constant(some)
    batch = Batch(seen, seen, tf.ones(4), tf.constant(4.0), 1.0, tf.range(4), SEED, {})
    found, _ = plan.updates[-1].compute(batch)

    every = tf.constant(case.images.reshape(64, 6))
    with tf.GradientTape() as tape:
        if len(hidden) == 1:
            log_z = tf.reduce_logsumexp(machine.log_marginal(EVEN, (every,)))
        else:
            hidden_states = np.indices((2,) * 4).reshape(4, -1).T.astype(np.float32)
            log_z = tf.reduce_logsumexp(machine.log_marginal(ODD, (tf.constant(hidden_states),)))
        even = machine.mean_field(tf.reshape(seen, (4, 6)), TRAINED)[0]
        of_images = machine.log_marginal(EVEN, tuple(map(tf.stop_gradient, even)))
        loss = log_z - tf.reduce_mean(of_images)
    exact = tape.gradient(loss, machine.trainable_variables)
    for ours, theirs in zip(found, exact, strict=True):
        # The standard error of a mean of 20,000 numbers between 0 and 1 is at most 0.0036.
        np.testing.assert_allclose(ours, theirs, atol=0.018)
    assert max(float(tf.reduce_max(tf.abs(each))) for each in exact) > 0.1


def test_verdicts_name_the_cure():
    good, bad = Partition(3.0, 0.1, "made"), Partition(3.0, 0.9, "made")
    assert energy.partition_warning(good) is None
    assert "standard error of 0.9 nats" in str(energy.partition_warning(bad))
    assert energy.CURE_OF_ERROR in chains.partition_row(bad).verdict
    assert "TOO LARGE" not in chains.partition_row(good).verdict
    activity = np.array([0.001, 0.5, 0.999, 0.2])
    np.testing.assert_array_equal(energy.is_dead(activity), [True, False, True, False])
    assert chains.CURE_OF_DEAD in chains.unit_row(activity).verdict
    assert chains.unit_row(np.full(9, 0.3)).verdict == "nearly all units are in use"
    ends = np.random.default_rng(0).standard_normal((2, 100))
    assert "end alike" in chains.mixing_row(ends[0], ends[1]).verdict
    assert chains.CURE_OF_CHAINS in chains.mixing_row(ends[0], ends[1] - 3).verdict
    apart = np.tile([-1.0, 1.0], 5000)
    assert "end alike" in chains.mixing_row(apart, apart - 0.04).verdict
    assert "not quite mixed" in chains.mixing_row(apart, apart - 0.05).verdict
