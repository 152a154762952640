"""Mixtures of Gaussians that are fitted to points by expectation maximisation.

Each covariance matrix is shrunk towards the mean of all of them, so that a mixture can have many
components of which each is fitted to few points. scikit-learn's mixtures either have covariance
matrices that know nothing of each other, or one for all.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from sklearn.cluster import KMeans

ITERATIONS = 100
"""The largest number of iterations."""
LEAST_RISE = 0.001
"""Iterations end when the mean log density of the points rises by less than this, in nats."""
VARIANCE_FLOOR = 1e-6
"""Is added to variances, so that no covariance matrix is singular."""


@dataclass(frozen=True)
class GaussianMixture:
    """A mixture of Gaussians with full covariance matrices.

    Attributes:
        weights: The probability of each component, `[components]`.
        means: `[components, size]`.
        factors: Factors of the precision matrices, `precision = factor factor^T`: `[components,
            size, size]`, upper triangular with a positive diagonal.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    @property
    def components(self) -> int:
        """The number of components."""
        return len(self.weights)

    def joint_log_densities(self, points: np.ndarray) -> np.ndarray:
        """The log density of each point together with each component, `[count, components]`.

        Args:
            points: `[count, size]`.
        """
        found = np.empty((len(points), self.components))
        constant = points.shape[1] / 2 * math.log(2 * math.pi)
        for column, weight, mean, factor in zip(
            found.T, self.weights, self.means, self.factors, strict=True
        ):
            column[:] = -np.square((points - mean) @ factor).sum(axis=1) / 2
            column += math.log(weight) + np.log(np.diagonal(factor)).sum() - constant
        return found

    def log_density(self, points: np.ndarray) -> float:
        """The mean log density of points, in nats.

        Args:
            points: `[count, size]`.
        """
        return float(np.logaddexp.reduce(self.joint_log_densities(points), axis=1).mean())


def fit_mixture(
    points: np.ndarray, components: int, shrinkage: float, seed: int
) -> GaussianMixture:
    """Fit a mixture of Gaussians by expectation maximisation.

    A covariance matrix is `(n S + s P) / (n + s)`: S is the covariance of the n points of its
    component, P the mean of all S, weighted by the numbers of points, and s is the shrinkage. For
    a given P this is the mode of the posterior under an inverse Wishart prior (Fraley & Raftery,
    2007, Section 3); Friedman (1989) shrinks the covariance matrices of classes in this way.

    Args:
        points: `[count, size]`.
        components: The number of components, at most `count`. They start as clusters by k-means.
        shrinkage: How many points P counts for in each component, 0 or more.
        seed: Decides where the clusters start.
    """
    points = points.astype(np.float64)
    clusters = KMeans(components, n_init=1, random_state=seed).fit(points).labels_
    shares = np.eye(components)[clusters]
    before = -math.inf
    for _ in range(ITERATIONS):
        fitted = _of_shares(points, shares, shrinkage)
        joint = fitted.joint_log_densities(points)
        each = np.logaddexp.reduce(joint, axis=1)
        now = float(each.mean())
        if now < before + LEAST_RISE:
            break
        shares, before = np.exp(joint - each[:, None]), now
    return fitted


def _of_shares(points: np.ndarray, shares: np.ndarray, shrinkage: float) -> GaussianMixture:
    """The maximisation step: a mixture by the share of each point in each component."""
    size = points.shape[1]
    # A component without points must not divide by zero.
    counts = shares.sum(axis=0) + 10 * np.finfo(np.float64).eps
    means = shares.T @ points / counts[:, None]
    covariances = np.empty((len(counts), size, size))
    for index, (count, mean) in enumerate(zip(counts, means, strict=True)):
        centred = points - mean
        covariances[index] = (shares[:, index, None] * centred).T @ centred / count
    weights = counts / counts.sum()
    pooled = np.tensordot(weights, covariances, 1)
    per_component = counts[:, None, None]
    covariances = (per_component * covariances + shrinkage * pooled) / (per_component + shrinkage)
    identity = np.eye(size)
    roots = np.linalg.cholesky(covariances + VARIANCE_FLOOR * identity)
    factors = np.stack([solve_triangular(root, identity, lower=True).T for root in roots])
    return GaussianMixture(weights, means, factors)
