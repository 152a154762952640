"""Bounds on log p(x) against the exact one of a linear Gaussian model."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp
from tensorflow_probability import distributions as tfd

import kvae
from kvae.data import Dataset, Split
from kvae.evaluation import (
    annealed_importance_sampling,
    importance_weighted_bound,
    likelihood,
)
from kvae.models.plan import kernels


def standard_error(values):
    return values.std(ddof=1) / np.sqrt(len(values))


@pytest.mark.parametrize(("samples", "rows"), [(1, 10**6), (7, 1), (7, 16), (100, 10**6)])
def test_with_the_exact_posterior_any_samples_give_the_exact_figure(
    linear_gaussian, monkeypatch, samples, rows
):
    # Every weight is p(x), whichever way they are cut up.
    monkeypatch.setattr(likelihood, "rows_at_once", lambda config: rows)
    model, images, exact = linear_gaussian(count=23)
    bound = importance_weighted_bound(model, images, samples)
    np.testing.assert_allclose(bound, exact, atol=2e-3)


def test_the_bound_rises_with_its_samples_to_the_exact_log_likelihood(linear_gaussian):
    model, images, exact = linear_gaussian(count=500, stretch=1.3, shift=0.5)
    gaps = {
        samples: importance_weighted_bound(model, images, samples) - exact
        for samples in (1, 5, 50, 1000)
    }
    means = [gap.mean() for gap in gaps.values()]
    assert means == sorted(means)
    assert means[0] < -0.3
    assert means[-1] == pytest.approx(0, abs=4 * standard_error(gaps[1000]) + 1e-3)
    # The mean weight is unbiased, whatever the number of samples.
    for gap in gaps.values():
        weights = np.exp(gap)
        assert weights.mean() == pytest.approx(1, abs=4 * standard_error(weights))


def test_annealing_meets_the_exact_log_likelihood(linear_gaussian):
    model, images, exact = linear_gaussian(count=60, stretch=1.5, shift=2.0)
    one = importance_weighted_bound(model, images, 1) - exact
    annealed = annealed_importance_sampling(model, images, chains=8, steps=200)
    gap = annealed.bound - exact
    assert one.mean() < -2
    assert gap.mean() == pytest.approx(0, abs=0.1)
    weights = np.exp(gap)
    assert weights.mean() == pytest.approx(1, abs=4 * standard_error(weights))
    assert 0.5 < annealed.acceptance < 0.95
    assert annealed.step_size in likelihood.STEP_SIZES
    assert (annealed.chains, annealed.steps) == (8, 200)


def test_the_step_size_is_the_one_whose_proposals_are_accepted_most_nearly_as_often_as_they_should(
    linear_gaussian, monkeypatch
):
    model, images, _ = linear_gaussian(count=20, stretch=1.5, shift=2.0)
    options = {"chains": 8, "steps": 100}
    chosen = annealed_importance_sampling(model, images, **options).step_size
    sizes, acceptance = likelihood.STEP_SIZES, {}
    for size in sizes:
        monkeypatch.setattr(likelihood, "STEP_SIZES", (size,))
        acceptance[size] = annealed_importance_sampling(model, images, **options).acceptance
    assert list(acceptance.values()) == sorted(acceptance.values(), reverse=True)
    assert chosen == min(sizes, key=lambda size: abs(acceptance[size] - likelihood.ACCEPTANCE))
    assert len(sizes) == 2 ** len(sizes).bit_length() - 1


def test_annealing_from_the_prior_asks_nothing_of_the_encoder(linear_gaussian):
    model, images, exact = linear_gaussian(count=40)
    for weight in model.encoder.weights:
        weight.assign(np.full(weight.shape, np.nan))
    annealed = annealed_importance_sampling(model, images, chains=8, steps=200, from_prior=True)
    gap = annealed.bound - exact
    assert gap.mean() == pytest.approx(0, abs=0.1)
    weights = np.exp(gap)
    assert weights.mean() == pytest.approx(1, abs=4 * standard_error(weights))
    assert 0.5 < annealed.acceptance < 0.95


@pytest.mark.parametrize("prior", ["mixture", pytest.param("flow", marks=pytest.mark.slow)])
def test_annealing_from_a_learned_prior_agrees_with_many_of_its_draws(few_digits, prior):
    options = {"mixture": {"components": 3}, "flow": {"flow_layers": 2, "flow_units": 8}}[prior]
    config = kvae.configure(
        few_digits, prior=prior, binarize="threshold", latent=2, hidden=(8,), jit=False,
        **options,
    )  # fmt: skip
    model, rng = kvae.build(config), np.random.default_rng(0)
    # A prior that is no N(0, I).
    for weight in model.prior.weights + model.decoder.weights:
        weight.assign_add(0.3 * rng.standard_normal(weight.shape))
    images = few_digits.test.images[:10]
    decoded = model.decode(model.prior.distribution().sample(50_000, seed=[0, 0]))
    likelihoods = np.array([decoded.log_prob(image) for image in model.inputs(images)])
    exact = logsumexp(likelihoods, axis=1) - np.log(50_000)
    # What z is matters.
    assert (exact - likelihoods.mean(axis=1)).mean() > 0.5
    annealed = annealed_importance_sampling(model, images, chains=16, steps=60, from_prior=True)
    np.testing.assert_allclose(annealed.bound, exact, atol=0.3)


@pytest.mark.slow
def test_annealing_finds_a_normaliser_that_is_far_from_one():
    # A constant in the target is where acceptance by stale densities goes wrong.
    proposal = tfd.Independent(tfd.Normal(tf.zeros((3, 2)), 1.0), 1)

    def target(z):
        return -0.5 * tf.reduce_sum(((z - 1.0) / 0.5) ** 2, axis=-1) + 1000.0

    weights, accepted = likelihood.anneal(
        proposal, target, 64, tf.constant(100), tf.constant(0.2), tf.constant([1, 2])
    )
    assert weights.shape == accepted.shape == (64, 3)
    found = tf.reduce_logsumexp(weights, axis=0) - np.log(64)
    exact = 1000 + np.log(2 * np.pi * 0.25)
    np.testing.assert_allclose(found, exact, atol=0.25)
    assert 0.3 < float(tf.reduce_mean(accepted)) <= 1


@pytest.mark.slow
def test_a_seed_decides_both(linear_gaussian):
    model, images, _ = linear_gaussian(count=5, stretch=1.5)
    for bound in (
        lambda seed: importance_weighted_bound(model, images, 3, seed),
        lambda seed: annealed_importance_sampling(model, images, 2, 3, seed).bound,
    ):
        first = bound(1)
        np.testing.assert_array_equal(bound(1), first)
        assert not np.array_equal(bound(2), first)


def test_dequantized_pixels_are_uniform_within_their_grey_level(linear_gaussian):
    model, images, _ = linear_gaussian(count=2000)
    bound = importance_weighted_bound(model, images, 1, dequantize=True)
    # With the exact posterior this is log p at the noisy pixels: compare with noise of our own.
    rng = np.random.default_rng(1)
    noisy = (images + rng.uniform(size=images.shape)) / 256
    posterior = model.encode(noisy.astype(np.float32))
    z = posterior.sample(seed=[0, 0])
    joint = model.decode(z).log_prob(noisy) + model.prior.distribution().log_prob(z)
    other = (joint - posterior.log_prob(z)).numpy()
    difference = bound - other
    assert difference.mean() == pytest.approx(0, abs=4 * standard_error(difference))
    # No noise at all would give something else by far less than this noise does.
    assert difference.std() > 0.05


def test_progress_is_shown_step_by_step(linear_gaussian):
    model, images, _ = linear_gaussian(count=50)
    seen = {}

    def progress(items, total, description):
        items = list(items)
        assert len(items) == total
        seen[description] = total
        return items

    annealed_importance_sampling(model, images, 2, 2, progress=progress)
    importance_weighted_bound(model, images, 2, progress=progress)
    assert seen == {"HMC step size": 3, "annealing": 3, "importance samples": 1}


def test_multiplications_are_those_of_matrices_and_convolutions(digits):
    model = kvae.build(kvae.configure(digits, latent=3, hidden=(4, 5)))
    sizes = [math.prod(weight.shape) for weight in kernels(model.decoder.trainable_variables)]
    # Each number of a matrix is used once.
    assert likelihood.multiplications(model) == sum(sizes)
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 12, 3), np.uint8)
    split = Split(images)
    dataset = Dataset("made", split, split, split, "made up")
    options = {"channels": (5, 6), "latent": 2, "likelihood": "normal-shared", "blocks": 1}
    model = kvae.build(kvae.configure(dataset, network="conv", **options))
    first = 2 * 4 * 3 * 6
    # A residual block has two convolutions of 3 x 3, and a stage one of 4 x 4 with stride 2, each
    # of whose inputs meets the whole kernel.
    blocks = 2 * (4 * 3 * 9 * 6 * 6 + 8 * 6 * 9 * 5 * 5)
    stages = 4 * 3 * 16 * 6 * 5 + 8 * 6 * 16 * 5 * 3
    assert likelihood.multiplications(model) == first + blocks + stages
