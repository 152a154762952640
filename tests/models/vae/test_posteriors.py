"""q(z|x): densities, samples and divergences, against quadrature and TFP."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae import registry
from kvae.models.vae import bounds
from kvae.models.vae.posteriors import CholeskyGaussian, detached

POSTERIORS = list(registry.POSTERIORS)


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_samples_follow_the_density_of_their_own_image(small_model, assert_law, posterior):
    model, images = small_model(posterior=posterior, spread=0.7)
    distribution = model.encode(model.inputs(images[:2]))
    samples = distribution.sample(20_000, seed=[1, 2]).numpy()
    for index in range(2):
        assert_law(
            lambda points, index=index: distribution.log_prob(points[:, None])[:, index],
            samples[:, index],
        )


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_building_warns_of_nothing(small_model, posterior):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small_model(posterior=posterior)


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_posterior_of_an_image_is_its_own_whatever_batch_it_is_in(small_model, posterior):
    model, images = small_model(posterior=posterior)
    pixels = model.inputs(images)
    points = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
    alone = [model.encode(pixels[i : i + 1]).log_prob(points[i : i + 1])[0] for i in range(6)]
    np.testing.assert_allclose(model.encode(pixels).log_prob(points), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("draws", [(), (3,)])
def test_density_that_comes_with_samples_is_theirs(small_model, posterior, draws):
    model, images = small_model(posterior=posterior, latent=4)
    distribution = model.encode(model.inputs(images))
    latents, density = distribution.experimental_sample_and_log_prob(draws, seed=[3, 4])
    assert latents.shape == (*draws, 6, 4)
    # A fresh copy, of which a bijector does not remember where it came from.
    np.testing.assert_allclose(
        density, distribution.log_prob(tf.identity(latents)), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_density_of_each_point_under_each_image_in_a_graph(small_model, posterior):
    model, images = small_model(posterior=posterior)
    pixels = model.inputs(images)
    points = np.random.default_rng(5).standard_normal((4, 1, 2)).astype(np.float32)

    @tf.function(autograph=False)
    def crossed() -> tf.Tensor:
        return model.encode(pixels).log_prob(points)

    expected = model.encode(pixels).log_prob(np.repeat(points, 6, axis=1))
    np.testing.assert_allclose(crossed(), expected, rtol=1e-5, atol=1e-5)


def covarying() -> tuple[np.ndarray, np.ndarray, CholeskyGaussian]:
    """Mean and Cholesky factor of five Gaussians, in double precision, and the Gaussians."""
    rng = np.random.default_rng(6)
    mean, factor = rng.standard_normal((5, 4)), np.tril(rng.standard_normal((5, 4, 4)))
    factor[:, range(4), range(4)] = rng.uniform(0.1, 2, (5, 4))
    return mean, factor, CholeskyGaussian(mean, factor)


@pytest.mark.parametrize("standard", [True, False])
def test_kl_of_a_full_gaussian_is_tfps(standard):
    rng = np.random.default_rng(7)
    loc, scale = rng.standard_normal(4), rng.uniform(0.1, 2, 4)
    if standard:
        loc, scale = np.zeros(4), np.ones(4)
    mean, factor, posterior = covarying()
    kl = tfd.kl_divergence(posterior, tfd.Independent(tfd.Normal(loc, scale), 1))
    expected = tfd.kl_divergence(
        tfd.MultivariateNormalTriL(mean, factor), tfd.MultivariateNormalDiag(loc, scale)
    )
    np.testing.assert_allclose(kl, expected, rtol=1e-12)


@pytest.mark.parametrize("posterior", ["diagonal", "full"])
def test_closed_form_of_the_kl_is_its_mean_over_samples(small_model, posterior):
    model, images = small_model(posterior=posterior, spread=1.0)
    distribution, prior = model.encode(model.inputs(images)), model.prior.distribution()
    latents, density = distribution.experimental_sample_and_log_prob(20_000, seed=[8, 9])
    sampled = (density - prior.log_prob(latents)).numpy()
    error = sampled.std(axis=0) / np.sqrt(len(sampled))
    closed = bounds.divergence(distribution, prior, latents[0], density[0])
    assert np.all(error < 0.05 * closed)
    assert np.all(np.abs(closed - sampled.mean(axis=0)) < 4 * error)


def test_no_closed_form_where_the_prior_is_not_independent_normals():
    _, _, posterior = covarying()
    for prior in (
        tfd.Independent(tfd.Laplace(np.zeros(4), np.ones(4)), 1),
        tfd.MixtureSameFamily(tfd.Categorical(logits=np.zeros(5)), posterior),
    ):
        with pytest.raises(NotImplementedError):
            tfd.kl_divergence(posterior, prior)


@pytest.mark.parametrize("posterior", ["diagonal", "full"])
def test_detached_gaussian_is_the_same_without_gradients(small_model, posterior):
    model, images = small_model(posterior=posterior)
    points = tf.constant(np.random.default_rng(10).standard_normal((6, 2)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(points)
        distribution = model.encode(model.inputs(images))
        density = detached(distribution).log_prob(points)
    np.testing.assert_array_equal(density, distribution.log_prob(points))
    *parameters, of_points = tape.gradient(density, [*model.encoder.trainable_variables, points])
    assert all(gradient is None for gradient in parameters)
    assert np.all(of_points.numpy() != 0)


def test_a_flow_cannot_be_detached(small_model):
    model, images = small_model(posterior="iaf")
    with pytest.raises(NotImplementedError, match="has no method with_parameters"):
        detached(model.encode(model.inputs(images)))
