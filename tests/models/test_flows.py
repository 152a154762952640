"""Flows: what depends on what, the log-determinant, and the moments."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.models.flows import (
    MAX_LOG_SCALE,
    Flowed,
    MaskedFlow,
    MaskedNetwork,
    Relocated,
    relocated,
    unflowed,
)
from kvae.models.initialization import Initialization

EVENT = 5


def scatter(layer, scale: float = 0.5) -> None:
    """Random weights for a layer, whose last ones start at zero."""
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(scale * rng.standard_normal(weight.shape))


def normals(*shape: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(2).standard_normal(shape), tf.float32)


def test_outputs_depend_on_earlier_dimensions_and_on_the_context():
    network = MaskedNetwork(EVENT, 20, Initialization(None, 0, 0), context=True)
    values, context = normals(3, EVENT), normals(3, 4)
    network(values, context)
    scatter(network)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([values, context])
        outputs = network(values, context)
    earlier = np.tril(np.ones((EVENT, EVENT), bool), -1)
    for output in outputs:
        jacobian = tape.batch_jacobian(output, values).numpy()
        np.testing.assert_array_equal(jacobian != 0, np.broadcast_to(earlier, jacobian.shape))
        assert np.all(tape.batch_jacobian(output, context).numpy() != 0)


def test_fewer_units_than_dimensions_keep_the_order():
    network = MaskedNetwork(EVENT, 2, Initialization(None, 0, 0))
    scatter(network)
    values = normals(3, EVENT)
    with tf.GradientTape() as tape:
        tape.watch(values)
        shift, _ = network(values)
    jacobian = tape.batch_jacobian(shift, values).numpy()
    assert not np.any(np.triu(jacobian))
    assert np.any(jacobian)


@pytest.mark.parametrize("inverted", [False, True])
def test_log_determinant_is_that_of_the_jacobian(inverted):
    flow = MaskedFlow(EVENT, 3, 16, Initialization(None, 0, 0), context=True)
    points, context = normals(4, EVENT), normals(4, 6)
    # Once through, so that the weights are there.
    flow.bijector(context).inverse(points)
    scatter(flow, 0.3)
    bijector = flow.bijector(context)
    there, back = bijector.forward, bijector.inverse
    log_determinant = bijector.forward_log_det_jacobian
    if inverted:
        there, back, log_determinant = back, there, bijector.inverse_log_det_jacobian
    with tf.GradientTape() as tape:
        tape.watch(points)
        moved = there(points)
    sign, expected = np.linalg.slogdet(tape.batch_jacobian(moved, points).numpy().astype(float))
    # The sign is that of two reversals of the order, each of which is two swaps.
    np.testing.assert_array_equal(sign, 1)
    assert np.all(np.abs(expected) > 0.01)
    # A fresh copy, of which the bijector remembers nothing.
    found = log_determinant(tf.identity(points), event_ndims=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(back(tf.identity(moved)), points, rtol=1e-3, atol=1e-4)


def test_new_flow_is_the_identity():
    flow = MaskedFlow(EVENT, 3, 16, Initialization(None, 0, 0))
    points = normals(4, EVENT)
    bijector = flow.bijector()
    # Two reversals are none.
    np.testing.assert_array_equal(bijector.forward(points), points)
    np.testing.assert_array_equal(bijector.forward_log_det_jacobian(points, event_ndims=1), 0)


def test_no_weights_make_a_layer_stretch_without_limit():
    network = MaskedNetwork(EVENT, 16, Initialization(None, 0, 0))
    scatter(network, 100)
    _, log_scale = network(100 * normals(50, EVENT))
    assert np.abs(log_scale).max() == pytest.approx(MAX_LOG_SCALE)


def test_moments_are_near_those_of_samples_and_always_the_same():
    flow = MaskedFlow(2, 2, 8, Initialization(None, 0, 0))
    scatter(flow, 0.5)
    distribution = Flowed(tfd.Independent(tfd.Normal(tf.zeros(2), tf.ones(2)), 1), flow.bijector())
    samples = distribution.sample(20_000, seed=[3, 4]).numpy()
    mean, stddev = distribution.mean().numpy(), distribution.stddev().numpy()
    # 64 points, of which each two are opposite each other.
    assert np.all(np.abs(mean - samples.mean(axis=0)) < 4 * samples.std(axis=0) / np.sqrt(64))
    np.testing.assert_allclose(stddev, samples.std(axis=0), rtol=0.4)
    np.testing.assert_allclose(stddev**2, distribution.variance(), rtol=1e-6)
    np.testing.assert_array_equal(mean, distribution.mean().numpy())


def test_mean_of_an_identity_is_that_of_its_base():
    flow = MaskedFlow(EVENT, 3, 16, Initialization(None, 0, 0))
    base = tfd.Independent(tfd.Normal(normals(4, EVENT), 0.5), 1)
    np.testing.assert_allclose(Flowed(base, flow.bijector()).mean(), base.mean(), atol=1e-6)


@pytest.mark.parametrize("posterior", ["diagonal", "iaf"])
def test_unflowed_distribution_and_its_stretch_have_the_same_density(small_model, posterior):
    model, images = small_model(posterior=posterior)
    distribution = model.encode(model.inputs(images))
    base, push = unflowed(distribution)
    points = 2 * normals(3, 6, 2)
    moved, stretch = push(points)
    assert np.any(np.abs(moved - points) > 0.1) == (posterior == "iaf")
    expected = distribution.log_prob(tf.identity(moved))
    np.testing.assert_allclose(base.log_prob(points) - stretch, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("flowed", [False, True])
def test_relocated_points_keep_their_probability(flowed):
    base = tfd.MixtureSameFamily(
        tfd.Categorical(logits=tf.zeros(2)),
        tfd.MultivariateNormalDiag([[0.0, 1.0], [2.0, 0.5]], [[1.0, 0.5], [0.3, 0.7]]),
    )
    if flowed:
        flow = MaskedFlow(2, 2, 8, Initialization(None, 0, 0))
        flow.bijector().inverse(normals(3, 2))
        scatter(flow, 0.3)
        base = Flowed(tfd.Independent(tfd.Normal(tf.zeros(2), tf.ones(2)), 1), flow.bijector())
    shift, scale = tf.constant([[1.0, 2.0], [0.0, -3.0], [5.0, 0.0]]), tf.constant([2.0, 0.7])
    moved = relocated(base, shift, scale * tf.ones((3, 1)))
    assert (moved.batch_shape, moved.event_shape) == ((3,), (2,))
    points = normals(4, 3, 2)
    expected = base.log_prob((points - shift) / scale) - np.log(1.4)
    np.testing.assert_allclose(moved.log_prob(points), expected, atol=1e-5)
    samples = moved.sample(20_000, seed=[1, 2])
    assert samples.shape == (20_000, 3, 2)
    np.testing.assert_allclose(
        tf.reduce_mean(samples, axis=0), moved.mean(), atol=0.15 if flowed else 0.05
    )
    np.testing.assert_allclose(
        tf.math.reduce_std(samples, axis=0), moved.stddev(), rtol=0.25 if flowed else 0.05
    )
    inner, onwards = unflowed(moved)
    before = normals(5, 3, 2)
    latents, log_det = onwards(before)
    np.testing.assert_allclose(moved.log_prob(latents), inner.log_prob(before) - log_det, atol=2e-5)


def test_a_relocated_normal_is_a_normal():
    base = tfd.Independent(tfd.Normal([1.0, 2.0], [3.0, 4.0]), 1)
    moved = relocated(base, normals(5, 2), tf.exp(normals(5, 2)))
    assert isinstance(moved, tfd.Independent)
    plain = Relocated(base, normals(5, 2), tf.exp(normals(5, 2)))
    points = normals(7, 5, 2)
    np.testing.assert_allclose(moved.log_prob(points), plain.log_prob(points), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(moved.mean(), plain.mean(), rtol=1e-6)
    np.testing.assert_allclose(moved.stddev(), plain.stddev(), rtol=1e-6)
