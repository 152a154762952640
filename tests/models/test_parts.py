"""Likelihoods, networks and the model that joins them."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

import kvae
from kvae import registry
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.models.elementary import softplus
from kvae.models.initialization import Initialization
from kvae.models.likelihoods import MIN_LOG_VARIANCE, bounded_log_variance
from kvae.models.vae.config import ModelConfig, ObjectiveConfig

SHAPE = (4, 3, 2)


def make(likelihood: str = "normal", mean: str = "sigmoid", seed: int = 0, **model: object):
    return kvae.build(
        Config(
            "reference",
            "vae",
            DataConfig("made"),
            ModelConfig(SHAPE, 3, (7, 5), likelihood, mean, **model),
            ObjectiveConfig(),
            TrainingConfig(epochs=1, batch_size=4, seed=seed),
        )
    )


@pytest.mark.parametrize("likelihood", registry.LIKELIHOODS)
def test_shapes(likelihood):
    model = make(likelihood)
    images = np.zeros((6, *SHAPE), np.float32)
    posterior = model.encode(images)
    assert posterior.batch_shape == (6,)
    assert posterior.event_shape == (3,)
    decoded = model.decode(posterior.mean())
    assert decoded.batch_shape == (6,)
    assert decoded.event_shape == SHAPE
    assert model.reconstruct(images).shape == (6, *SHAPE)
    assert model.sample(9).shape == (9, *SHAPE)


def test_decoder_mirrors_the_encoder():
    model = make()
    assert [layer.units for layer in model.encoder.network.hidden] == [7, 5]
    assert [layer.units for layer in model.decoder.network.hidden] == [5, 7]
    assert {layer.activation.__name__ for layer in model.encoder.network.hidden} == {"tanh"}


def test_log_variance_is_bounded_below_and_free_above():
    free = tf.constant([-1e6, -50.0, MIN_LOG_VARIANCE, 0.0, 3.0])
    bounded = bounded_log_variance(free).numpy()
    assert np.all(bounded >= MIN_LOG_VARIANCE)
    assert bounded[0] == pytest.approx(MIN_LOG_VARIANCE)
    np.testing.assert_allclose(bounded[3:], [0, 3], atol=2e-5)
    assert np.exp(MIN_LOG_VARIANCE / 2) == pytest.approx(1 / 256)


def test_normal_log_prob_is_scipys():
    model = make("normal")
    latents = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    images = np.random.default_rng(1).uniform(size=(5, *SHAPE)).astype(np.float32)
    decoded = model.decode(latents)
    inner = decoded.distribution
    expected = norm(inner.loc.numpy(), inner.scale.numpy()).logpdf(images).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(decoded.log_prob(images), expected, rtol=1e-5)


def test_softplus_and_its_gradient():
    x = tf.constant(np.linspace(-100, 100, 4001), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = softplus(x)
    exact = np.logaddexp(0, x.numpy().astype(np.float64))
    np.testing.assert_allclose(y, exact, rtol=2e-7, atol=1e-7)
    slope = 1 / (1 + np.exp(-x.numpy().astype(np.float64)))
    np.testing.assert_allclose(tape.gradient(y, x), slope, rtol=1e-6, atol=1e-7)


def test_shared_scale_is_one_number():
    inner = make("normal-shared").decode(np.zeros((5, 3), np.float32)).distribution
    assert inner.scale.shape == ()
    assert inner.scale.numpy() == pytest.approx(1, abs=1e-4)


def test_mean_activation():
    far = 100 * np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    inside, free = make(mean="sigmoid").decode(far).mean(), make(mean="linear").decode(far).mean()
    assert 0 <= inside.numpy().min() < inside.numpy().max() <= 1
    assert free.numpy().min() < 0
    assert free.numpy().max() > 1
    shown = make(mean="linear").mean_images(far).numpy()
    assert shown.min() == 0
    assert shown.max() == 1


def test_seed_decides_initial_weights():
    one, same, other = make(seed=1), make(seed=1), make(seed=2)
    for left, right in zip(one.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    kernels = [w for w in one.get_weights() if w.ndim == 2]
    others = [w for w in other.get_weights() if w.ndim == 2]
    assert not any(np.array_equal(a, b) for a, b in zip(kernels, others, strict=True))
    # No two layers start alike, though they share a seed.
    firsts = {round(float(kernel.ravel()[0] / np.abs(kernel).max()), 6) for kernel in kernels}
    assert len(firsts) == len(kernels)


def test_building_leaves_global_random_state_alone():
    np.random.seed(3)
    tf.random.set_seed(3)
    expected = np.random.rand(), tf.random.uniform([]).numpy()
    np.random.seed(3)
    tf.random.set_seed(3)
    make(seed=5)
    assert (np.random.rand(), tf.random.uniform([]).numpy()) == expected


def test_initial_stddev_is_that_of_every_weight():
    layer = Initialization(0.01, seed=0, stream=0).dense(400)
    layer.build((None, 300))
    assert layer.kernel.numpy().std() == pytest.approx(0.01, rel=0.02)
    assert layer.bias.numpy().std() == pytest.approx(0.01, rel=0.2)
    assert layer.kernel.numpy().mean() == pytest.approx(0, abs=2e-4)


def test_same_seed_same_samples():
    model = make()
    np.testing.assert_array_equal(model.sample(5, seed=3), model.sample(5, seed=3))
    np.testing.assert_array_equal(model.sample(5, seed=3), model.sample(5, seed=[3, 0]))
    assert not np.array_equal(model.sample(5, seed=3), model.sample(5, seed=4))
