"""Codes and their vectors, the gradient through the rounding, and what a codebook learns."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from kvae.evaluation import codes
from kvae.models.initialization import Initialization
from kvae.models.quantized import quantizers
from kvae.models.quantized.quantizers import ScalarQuantizer, Usage, VectorQuantizer
from kvae.models.usage import perplexity

SEED = tf.constant([1, 2])


def codebook(count=5, size=3):
    return VectorQuantizer(count, size, Initialization(None, 0, 0))


def numbers(*shape, scale=1.0):
    return (scale * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize("made", [codebook, lambda: ScalarQuantizer((4, 3, 6, 5))])
def test_the_codes_of_vectors_are_those_that_have_them(made):
    quantizer = made()
    every = tf.range(quantizer.count)
    vectors = quantizer.vectors(every)
    assert len(np.unique(vectors.numpy(), axis=0)) == quantizer.count
    np.testing.assert_array_equal(quantizer.numbers(vectors), every)
    features = numbers(4, 2, quantizer.size)
    expected = quantizer.vectors(quantizer.codes(features))
    np.testing.assert_allclose(quantizer.straight_through(features)[0], expected, atol=1e-6)


def test_the_nearest_vector_of_the_codebook_is_taken():
    quantizer, features = codebook(), numbers(7, 3)
    distances = np.square(features[:, None] - quantizer.codebook.numpy()).sum(axis=-1)
    np.testing.assert_array_equal(quantizer.codes(features), distances.argmin(axis=1))
    found = quantizer.straight_through(features)[1]
    np.testing.assert_allclose(found, distances.min(axis=1), rtol=1e-5)


@pytest.mark.parametrize("levels", [(3,), (8, 6, 5), (3, 7)])
def test_scalar_levels_are_all_reached_and_no_other(levels):
    quantizer = ScalarQuantizer(levels)
    grid = np.linspace(-5, 5, 41, dtype=np.float32)
    features = np.array(list(itertools.product(grid, repeat=len(levels))), np.float32)
    found = quantizer.codes(features[::7] if len(levels) > 2 else features).numpy()
    assert found.min() == 0
    assert found.max() == quantizer.count - 1 == np.prod(levels) - 1
    zero = quantizer.vectors(quantizer.codes(np.zeros((1, len(levels)), np.float32)))
    np.testing.assert_array_equal(zero, np.zeros((1, len(levels))))


@pytest.mark.parametrize("made", [codebook, lambda: ScalarQuantizer((4, 3))])
def test_random_codes_are_near_ones_more_often(made):
    quantizer = made()
    features = numbers(1, quantizer.size)
    every = quantizer.vectors(tf.range(quantizer.count)).numpy()
    if isinstance(quantizer, ScalarQuantizer):
        # In units in which the levels of each dimension are one apart.
        features_at = quantizer._bounded(features).numpy()
        places, apart = every * (quantizer.levels // 2), 1.0
    else:
        features_at, places = features, every
        between = np.square(every[:, None] - every).sum(axis=-1)
        apart = np.sort(between, axis=1)[:, 1].mean()
    distances = np.square(features_at - places).sum(axis=-1) / apart
    for temperature in 0.3, 2.0:
        expected = np.exp(-distances / temperature)
        expected /= expected.sum()
        many = np.repeat(features, 40_000, axis=0)
        found = quantizer.random_codes(many, temperature, SEED, "philox").numpy()
        shares = np.bincount(found, minlength=quantizer.count) / len(found)
        np.testing.assert_allclose(shares, expected, atol=0.012)
    some = numbers(300, 2, quantizer.size)
    nearly = quantizer.random_codes(some, 1e-6, SEED, "philox")
    np.testing.assert_array_equal(nearly, quantizer.codes(some))


def test_the_gradient_passes_through_the_rounding():
    features = tf.constant(numbers(6, 3))
    for quantizer in codebook(), ScalarQuantizer((8, 6, 5)):
        with tf.GradientTape() as tape:
            tape.watch(features)
            vectors = quantizer.straight_through(features)[0]
        found = tape.gradient(vectors, features)
        assert np.all(found.numpy() > 0)
    # Of a codebook, it is that of the identity.
    with tf.GradientTape() as tape:
        tape.watch(features)
        vectors = codebook().straight_through(features)[0]
    np.testing.assert_array_equal(tape.gradient(vectors, features), np.ones((6, 3)))


def test_a_codebook_moves_to_the_means_of_what_takes_it():
    quantizer = codebook(2, 2)
    quantizer.sums.assign([[0.0, 0.0], [10.0, 10.0]])
    features = np.array([[1, 0], [3, 2], [10, 8], [7, 7]], np.float32)
    # The last row only fills up the batch.
    weight = np.array([1, 1, 1, 0], np.float32)
    usage = quantizer.usage(features, weight, SEED, "philox")
    np.testing.assert_array_equal(usage.counts, [2, 1])
    np.testing.assert_array_equal(usage.sums, [[4, 2], [10, 8]])
    for _ in range(600):
        quantizer.learn(usage)
    np.testing.assert_allclose(quantizer.codebook, [[2, 1], [10, 8]], rtol=1e-2)


def test_a_dead_code_takes_the_place_of_an_output():
    quantizer = codebook(3, 1)
    quantizer.sums.assign([[0.0], [1.0], [50.0]])
    usage = Usage(
        tf.constant([5.0, 5.0, 0.0]), tf.constant([[0.0], [5.0], [0.0]]), tf.constant([[7.0]] * 3)
    )
    for _ in range(600):
        quantizer.learn(usage)
        if quantizer.codebook[2] < 40:
            break
    np.testing.assert_allclose(quantizer.codebook[:, 0], [0, 1, 7], rtol=1e-4, atol=1e-6)
    assert quantizer.counts[2] > quantizers.DEAD * np.mean(quantizer.counts)


def test_kmeans_finds_clusters():
    centers = np.array([[0, 0], [0, 9], [9, 0], [9, 9]], np.float32)
    features = np.repeat(centers, 50, axis=0) + 0.1 * numbers(200, 2)
    quantizer, initialization = codebook(8, 2), Initialization(None, 0, 1)
    quantizer.start(features, initialization)
    errors = quantizer.straight_through(features)[1]
    assert np.mean(errors) < 0.02
    few = codebook(8, 2)
    few.start(features[:3], initialization)
    assert np.isfinite(few.codebook).all()


def test_perplexity_and_its_verdict():
    assert perplexity(np.array([3, 3, 3, 0])) == pytest.approx(3)
    assert perplexity(np.array([0, 9])) == 1
    found = [codes.verdict(value, 100) for value in (80, 20, 4)]
    assert found == ["healthy", "partly collapsed", "collapsed"]
    assert codes.verdict(1.0, 2) == "collapsed"
    assert "quantizer=scalar" in codes.collapse_warning({"perplexity": 1.0}, 512)
    assert codes.collapse_warning({"perplexity": 300.0}, 512) is None
