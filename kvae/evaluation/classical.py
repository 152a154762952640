"""Linear models with exact likelihoods: a good VAE with as many latents is better than them."""

import math

import numpy as np

MIN_STDDEV = 1 / 256
"""The smallest standard deviation of a pixel: one grey level, as in `kvae.models.likelihoods`."""


def fewer(dimensions: int, images: np.ndarray) -> int:
    """The dimensions that a linear model can have.

    Args:
        dimensions: The largest number.
        images: The images that it is fitted to, `[count, ...]`.
    """
    return min(dimensions, len(images) - 1, math.prod(images.shape[1:]) - 1)


def pca_reconstructions(train: np.ndarray, test: np.ndarray, components: int) -> np.ndarray:
    """Reconstructions of test images by principal component analysis, in the shape of `test`.

    No linear model reconstructs the training images with a smaller squared error.

    Args:
        train: Images to find the components of, floats `[count, ...]`.
        test: Images to reconstruct, floats `[count, ...]`.
        components: Number of components, fewer than pixels and than images.
    """
    from sklearn.decomposition import PCA

    pca = PCA(components, random_state=0).fit(_flat(train))
    return pca.inverse_transform(pca.transform(_flat(test))).reshape(test.shape)


def probabilistic_pca(train: np.ndarray, test: np.ndarray, latent: int) -> np.ndarray:
    """log p(x) of each test image under probabilistic PCA, `[count]`, in nats.

    Tipping & Bishop (1999).

    Args:
        train: Images to fit the model to, floats `[count, ...]`.
        test: Images to score, floats `[count, ...]`.
        latent: Number of latent dimensions, fewer than pixels and than images.
    """
    from sklearn.decomposition import PCA

    train, test = _flat(train), _flat(test)
    pca = PCA(latent).fit(train)
    # Without a smallest variance, the density of images that never change grows without end.
    noise = max(pca.noise_variance_, MIN_STDDEV**2)
    variances = np.maximum(pca.explained_variance_, noise)
    centred = test - pca.mean_
    along = centred @ pca.components_.T
    rest = np.maximum(0, (centred**2).sum(axis=1) - (along**2).sum(axis=1))
    pixels = train.shape[1]
    log_determinant = np.log(variances).sum() + (pixels - latent) * np.log(noise)
    squares = (along**2 / variances).sum(axis=1) + rest / noise
    return -(squares + log_determinant + pixels * np.log(2 * np.pi)) / 2


def factor_analysis(train: np.ndarray, test: np.ndarray, latent: int) -> np.ndarray:
    """log p(x) of each test image under factor analysis, `[count]`, in nats.

    Factor analysis differs from probabilistic PCA in that each pixel has a noise variance of its
    own.

    Args:
        train: Images to fit the model to, floats `[count, ...]`.
        test: Images to score, floats `[count, ...]`.
        latent: Number of latent dimensions, fewer than pixels and than images.
    """
    from sklearn.decomposition import FactorAnalysis

    train, test = _flat(train), _flat(test)
    model = FactorAnalysis(latent, random_state=0).fit(train)
    # Without a smallest variance, the density of a pixel that never changes grows without end.
    noise = np.maximum(model.noise_variance_, MIN_STDDEV**2)
    # The covariance matrix has as many rows as there are pixels. With pixels in units of their
    # noise, a matrix with as many rows as latents is enough (Woodbury's identity).
    loadings, centred = model.components_ / np.sqrt(noise), (test - model.mean_) / np.sqrt(noise)
    factor = np.linalg.cholesky(np.eye(latent) + loadings @ loadings.T)
    explained = np.linalg.solve(factor, loadings @ centred.T)
    log_determinant = np.log(noise).sum() + 2 * np.log(np.diag(factor)).sum()
    squares = (centred**2).sum(axis=1) - (explained**2).sum(axis=0)
    return -(squares + log_determinant + train.shape[1] * np.log(2 * np.pi)) / 2


def _flat(images: np.ndarray) -> np.ndarray:
    return np.asarray(images, np.float64).reshape(len(images), -1)
