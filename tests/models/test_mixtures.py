"""Mixtures of Gaussians, against scikit-learn's and known distributions."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from kvae.models.mixtures import fit_mixture


@pytest.fixture(scope="module")
def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Points of three Gaussians that are far apart, `[2, 3000, 4]`: to fit to, and held out."""
    rng = np.random.default_rng(0)
    shapes = rng.normal(size=(3, 4, 4))
    centres = 20 * rng.normal(size=(3, 4))
    draws = rng.standard_normal((2, 3, 1000, 4)) @ shapes + centres[:, None]
    return draws.reshape(2, 3000, 4)


def test_one_component_has_the_mean_and_the_covariance(clusters):
    points = clusters[0]
    for shrinkage in 0, 100:
        fitted = fit_mixture(points, 1, shrinkage, seed=0)
        np.testing.assert_allclose(fitted.weights, [1])
        np.testing.assert_allclose(fitted.means[0], points.mean(axis=0))
        precision = fitted.factors[0] @ fitted.factors[0].T
        np.testing.assert_allclose(
            np.linalg.inv(precision), np.cov(points.T, bias=True), rtol=1e-5, atol=1e-5
        )


def test_without_shrinkage_it_is_scikit_learns(clusters):
    points, held_out = clusters
    fitted = fit_mixture(points, 3, 0, seed=0)
    other = GaussianMixture(3, random_state=0).fit(points)
    assert fitted.log_density(held_out) == pytest.approx(other.score(held_out), rel=1e-6)
    # Densities of the same parameters, too.
    other.weights_, other.means_ = fitted.weights, fitted.means
    other.precisions_cholesky_ = fitted.factors
    assert fitted.log_density(held_out) == pytest.approx(other.score(held_out), rel=1e-12)


def test_endless_shrinkage_makes_all_covariances_the_same(clusters):
    points, held_out = clusters
    fitted = fit_mixture(points, 3, 1e12, seed=0)
    np.testing.assert_allclose(fitted.factors, fitted.factors[[0, 0, 0]], rtol=1e-6, atol=1e-9)
    tied = GaussianMixture(3, covariance_type="tied", random_state=0).fit(points)
    assert fitted.log_density(held_out) == pytest.approx(tied.score(held_out), rel=1e-5)


def test_half_of_a_covariance_is_the_mean_one_if_shrinkage_equals_its_points(clusters):
    points = clusters[0]
    separate = [np.cov(some.T, bias=True) for some in points.reshape(3, 1000, 4)]
    fitted = fit_mixture(points, 3, 1000, seed=0)
    found = [np.linalg.inv(factor @ factor.T) for factor in fitted.factors]
    order = [
        np.linalg.norm(fitted.means - some.mean(axis=0), axis=1).argmin()
        for some in points.reshape(3, 1000, 4)
    ]
    for index, covariance in zip(order, separate, strict=True):
        expected = (covariance + np.mean(separate, axis=0)) / 2
        np.testing.assert_allclose(found[index], expected, rtol=1e-4, atol=1e-4)


def test_shrinkage_helps_where_components_have_few_points():
    rng = np.random.default_rng(1)
    shape = rng.normal(size=(10, 10))
    centres = 10 * rng.normal(size=(20, 10))
    points, held_out = (
        (rng.standard_normal((20, count, 10)) @ shape + centres[:, None]).reshape(-1, 10)
        for count in (15, 500)
    )
    density = {
        shrinkage: fit_mixture(points, 20, shrinkage, seed=0).log_density(held_out)
        for shrinkage in (0, 1.25, 10)
    }
    assert density[0] + 1 < density[1.25] < density[10]


def test_points_that_are_all_the_same_have_a_density():
    points = np.ones((40, 3), np.float32)
    with pytest.warns(UserWarning, match="distinct clusters"):
        fitted = fit_mixture(points, 4, 1, seed=0)
    assert np.isfinite(fitted.log_density(points))
    assert np.isfinite(fitted.factors).all()
