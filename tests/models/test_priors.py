"""p(z): densities, samples and moments, against quadrature, SciPy and scikit-learn."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from kvae import UsageError
from kvae.models.vae import bounds


@pytest.mark.parametrize(
    ("prior", "posterior"),
    [
        ("standard", "diagonal"),
        ("mixture", "diagonal"),
        ("flow", "diagonal"),
        ("vamp", "diagonal"),
        ("vamp", "full"),
        ("vamp", "iaf"),
    ],
)
def test_samples_follow_the_density(small_model, assert_law, prior, posterior):
    model, _ = small_model(prior=prior, posterior=posterior)
    distribution = model.prior.distribution()
    assert_law(distribution.log_prob, distribution.sample(20_000, seed=[1, 2]))


@pytest.fixture
def fitted() -> GaussianMixture:
    """Three Gaussians in four dimensions, with every entry of their covariances in use."""
    rng = np.random.default_rng(3)
    clusters = [
        rng.normal(size=4) + rng.standard_normal((200, 4)) @ rng.normal(size=(4, 4))
        for _ in range(3)
    ]
    return GaussianMixture(3, random_state=0).fit(np.concatenate(clusters))


@pytest.fixture
def mixture(small_model, fitted):
    """The same, as a prior."""
    prior = small_model(prior="mixture", latent=4)[0].prior
    prior.assign(fitted.weights_, fitted.means_, fitted.precisions_cholesky_)
    return prior.distribution()


def test_mixture_has_scikit_learns_density(mixture, fitted):
    points = np.random.default_rng(4).normal(scale=3, size=(50, 4))
    np.testing.assert_allclose(
        mixture.log_prob(points.astype(np.float32)), fitted.score_samples(points), rtol=1e-5
    )


def test_components_of_a_mixture_have_the_densities_of_gaussians(mixture, fitted):
    # Each at a point of its own, where a mixture asks for all of them at the same one.
    points = np.random.default_rng(5).normal(size=(7, 3, 4)).astype(np.float32)
    expected = [
        multivariate_normal(fitted.means_[k], fitted.covariances_[k]).logpdf(points[:, k])
        for k in range(3)
    ]
    found = mixture.components_distribution.log_prob(points)
    np.testing.assert_allclose(found, np.transpose(expected), rtol=1e-5)


def test_moments_of_a_mixture(mixture, fitted):
    mean = fitted.weights_ @ fitted.means_
    variances = np.diagonal(fitted.covariances_, axis1=1, axis2=2)
    stddev = np.sqrt(fitted.weights_ @ (variances + fitted.means_**2) - mean**2)
    np.testing.assert_allclose(mixture.mean(), mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(mixture.stddev(), stddev, rtol=1e-5)


@pytest.mark.parametrize("posterior", ["diagonal", "full", "iaf"])
def test_vamp_of_all_images_is_the_aggregated_posterior(small_model, posterior):
    model, images = small_model(prior="vamp", posterior=posterior, components=6, count=6)
    latents = np.random.default_rng(6).standard_normal((20, 2)).astype(np.float32)
    each = model.encode(model.inputs(images)).log_prob(np.repeat(latents[:, None], 6, axis=1))
    aggregated = logsumexp(each, axis=1) - np.log(6)
    np.testing.assert_allclose(model.prior.distribution().log_prob(latents), aggregated, rtol=1e-5)


def test_vamp_starts_from_different_training_images(small_model):
    model, images = small_model(prior="vamp", components=4, count=6)
    starts = {image.tobytes() for image in np.round(255 * model.prior.pseudo_inputs.numpy())}
    assert len(starts) == 4
    assert starts <= {image.tobytes() for image in images.astype(np.float32)}


def test_vamp_needs_as_many_images_as_components(small_model):
    with pytest.raises(UsageError, match="components must be at most the 6 training images"):
        small_model(prior="vamp", components=7, count=6)


def test_vamp_keeps_its_pseudo_inputs_within_black_and_white(small_model):
    model, _ = small_model(prior="vamp")
    pixels = np.random.default_rng(7).normal(0.5, 1, model.prior.pseudo_inputs.shape)
    model.prior.pseudo_inputs.assign(pixels)
    outside = model.prior.distribution().mean()
    model.prior.pseudo_inputs.assign(np.clip(pixels, 0, 1))
    np.testing.assert_array_equal(outside, model.prior.distribution().mean())


@pytest.mark.parametrize("bound", ["elbo", "iwae"])
@pytest.mark.parametrize(("prior", "expected"), [("standard", 1), ("vamp", 2)])
def test_vamp_encodes_its_pseudo_inputs_once_a_step(small_model, prior, expected, bound):
    model, images = small_model(prior=prior, training={"bound": bound})

    @tf.function(autograph=False)
    def step(pixels: tf.Tensor, seed: tf.Tensor) -> bounds.Terms:
        return model.terms(pixels, seed, bounds.Weighting(samples=5))

    graph = step.get_concrete_function(model.inputs(images), tf.constant([0, 1])).graph
    first = model.encoder.network.hidden[0].kernel.shape
    products = [
        operation
        for operation in graph.get_operations()
        if operation.type == "MatMul" and operation.inputs[1].shape == first
    ]
    assert len(products) == expected
