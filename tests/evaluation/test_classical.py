"""Linear models' log-likelihoods against the formulas."""

import tracemalloc

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA, FactorAnalysis

from kvae.evaluation import factor_analysis, pca_reconstructions, probabilistic_pca


@pytest.fixture(scope="module")
def pixels(digits):
    return digits.train.images / 255, digits.test.images / 255


def test_pca_reconstructs_what_its_components_span(pixels):
    train, test = pixels
    flat = train.reshape(len(train), -1)
    mean = flat.mean(axis=0)
    axes = np.linalg.svd(flat - mean, full_matrices=False)[2][:5]
    exact = mean + (test.reshape(len(test), -1) - mean) @ axes.T @ axes
    found = pca_reconstructions(train, test, 5)
    assert found.shape == test.shape
    np.testing.assert_allclose(found.reshape(len(test), -1), exact, atol=1e-9)


def test_probabilistic_pca_is_scikit_learns_and_the_formula(pixels):
    train, test = pixels
    found = probabilistic_pca(train, test, 5)
    flat_train, flat_test = train.reshape(len(train), -1), test.reshape(len(test), -1)
    assert found.mean() == pytest.approx(PCA(5).fit(flat_train).score(flat_test))
    # Tipping & Bishop (1999), Section 3.2: the noise is the mean of the eigenvalues left out.
    mean, covariance = flat_train.mean(axis=0), np.cov(flat_train.T)
    values, vectors = np.linalg.eigh(covariance)
    noise = values[:-5].mean()
    kept = vectors[:, -5:] * (values[-5:] - noise) @ vectors[:, -5:].T
    exact = multivariate_normal(mean, kept + noise * np.eye(64)).logpdf(flat_test)
    np.testing.assert_allclose(found, exact, rtol=1e-6)


def test_factor_analysis_counts_no_pixel_for_more_than_a_grey_level(pixels):
    train, test = pixels
    # Corners of digits are always black: without a bound their density would have no limit.
    assert (train.reshape(len(train), -1).std(axis=0) == 0).any()
    found = factor_analysis(train, test, 5)
    flat_train, flat_test = train.reshape(len(train), -1), test.reshape(len(test), -1)
    model = FactorAnalysis(5, random_state=0).fit(flat_train)
    noise = np.maximum(model.noise_variance_, 1 / 256**2)
    covariance = model.components_.T @ model.components_ + np.diag(noise)
    exact = multivariate_normal(model.mean_, covariance).logpdf(flat_test)
    np.testing.assert_allclose(found, exact, rtol=1e-6)
    assert found.mean() > probabilistic_pca(train, test, 5).mean()


def test_large_images_take_no_matrix_of_pixels_by_pixels():
    images = np.random.default_rng(0).random((30, 128, 128, 3))
    tracemalloc.start()
    found = factor_analysis(images[:25], images[25:], 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(found).all()
    # A covariance matrix of 49,152 pixels has 19 GB.
    assert peak < 1e9


def test_constant_pixels_count_no_more_than_a_grey_level():
    constant = np.full((50, 8, 8, 1), 0.25)
    # The density of N(0, 1/256) at its mean, for 64 pixels: 296.08 nats.
    exact = 64 * np.log(256 / np.sqrt(2 * np.pi))
    for model in probabilistic_pca, factor_analysis:
        np.testing.assert_allclose(model(constant, constant[:3], 2), exact)


def test_few_different_images_have_a_density():
    images = np.random.default_rng(0).random((4, 8, 8, 1))
    train = np.concatenate([np.repeat(images[:1], 197, axis=0), images[1:]])
    for model in probabilistic_pca, factor_analysis:
        found = model(train, images, 10)
        assert np.isfinite(found).all()
        assert found[0] == max(found)
    # With as many dimensions as the images span, what is left is the smallest noise.
    flat = train.reshape(200, -1)
    covariance = np.cov(flat.T)
    vectors = np.linalg.eigh(covariance)[1]
    rest = vectors[:, :-3] @ vectors[:, :-3].T
    exact = multivariate_normal(flat.mean(axis=0), covariance + rest / 256**2).logpdf(
        images.reshape(4, -1)
    )
    np.testing.assert_allclose(probabilistic_pca(train, images, 3), exact, rtol=1e-3)
