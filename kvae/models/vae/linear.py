"""The linear maps of an autoencoder that starts as probabilistic PCA of its training images.

Tipping & Bishop (1999): images are N(W z + mean, variances) with z from N(0, I), and W has the
principal axes of the images, each as long as the standard deviation along it that noise leaves.
Networks are then added to the linear maps, and learn what is not linear.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kvae.models.likelihoods import MIN_VARIANCE

MOST_IMAGES = 2000
"""Images that the start is computed from: as many in equal steps, if there are more."""
LEAST_NOISE = 0.1 * MIN_VARIANCE
"""The least variance of a pixel above the limit, so that its logarithm is finite."""
IMAGES_OF_A_COMPONENT = 4
"""PCA with a component for every fewer images than this explains little of other images."""


class LinearStart(NamedTuple):
    """A linear Gaussian model of images, and its exact posterior.

    W is rotated so that the latents are independent in the posterior.

    Attributes:
        mean: The mean of the images, `[height * width * channels]`.
        loadings: W, `[latent, height * width * channels]`.
        variances: The variance of each pixel given the latents, as long as `mean`.
        projection: The posterior's mean is `(image - mean) @ projection`; the transpose of the
            shape of `loadings`.
        stddev: The posterior's standard deviations, `[latent]`.
    """

    mean: np.ndarray
    loadings: np.ndarray
    variances: np.ndarray
    projection: np.ndarray
    stddev: np.ndarray


def linear_start(images: np.ndarray, latent: int) -> LinearStart:
    """Probabilistic PCA of images, with a variance for each pixel.

    The variances are those that W leaves of each pixel (Tipping & Bishop have one for all pixels).
    Latents that there are too few images for have no part in the linear model.

    Args:
        images: uint8 `[count, height, width, channels]`.
        latent: The number of latents.
    """
    from sklearn.decomposition import PCA

    some = images[:: math.ceil(len(images) / MOST_IMAGES)]
    flat = some.reshape(len(some), -1).astype(np.float64) / 255
    components = min(latent, len(flat) // IMAGES_OF_A_COMPONENT, flat.shape[1])
    mean, loadings = flat.mean(0), np.zeros((latent, flat.shape[1]))
    if components:
        pca = PCA(components, svd_solver="randomized", random_state=0).fit(flat)
        lengths = np.sqrt(np.maximum(pca.explained_variance_ - pca.noise_variance_, 0))
        loadings[:components] = lengths[:, None] * pca.components_
    variances = np.maximum(flat.var(0) - (loadings**2).sum(0), MIN_VARIANCE + LEAST_NOISE)
    precision = np.eye(latent) + loadings / variances @ loadings.T
    precisions, rotation = np.linalg.eigh(precision)
    loadings = rotation.T @ loadings
    return LinearStart(
        mean, loadings, variances, (loadings / variances).T / precisions, precisions**-0.5
    )


class Coordinates(keras.layers.Layer):
    """A linear map from images to the latents of the linear model, which training does not change.

    Args:
        image_shape: Height, width, channels.
        latent: The number of latents.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent: int) -> None:
        super().__init__(name="coordinates")
        self.channels = image_shape[2]
        self.offset = self.add_weight(
            shape=image_shape, initializer="zeros", trainable=False, name="offset"
        )
        self.projection = self.add_weight(
            shape=(math.prod(image_shape), latent),
            initializer="zeros",
            trainable=False,
            name="projection",
        )

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """The posterior's means in the linear model, `[batch, latent]`.

        Args:
            images: float32 `[batch, height, width, channels]`; further channels are not used.
        """
        rest = images[..., : self.channels] - tf.convert_to_tensor(self.offset)
        return tf.reshape(rest, (-1, self.projection.shape[0])) @ self.projection

    def start(self, model: LinearStart) -> None:
        """Take the posterior's means of a linear model.

        Args:
            model: The linear model.
        """
        self.offset.assign(model.mean.reshape(self.offset.shape))
        self.projection.assign(model.projection)


class Loadings(keras.layers.Layer):
    """A linear map from latents to the means of pixels.

    Args:
        image_shape: Height, width, channels.
        latent: The number of latents.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent: int) -> None:
        super().__init__(name="loadings")
        self.image_shape, self.latent = image_shape, latent
        self.offset = self.add_weight(shape=image_shape, initializer="zeros", name="offset")
        self.kernel = self.add_weight(
            shape=(latent, math.prod(image_shape)), initializer="zeros", name="kernel"
        )

    def call(self, latents: tf.Tensor) -> tf.Tensor:
        """The means of pixels in the linear model, `[batch, height, width, channels]`.

        Args:
            latents: float32 `[batch, latent]`; further latents, those of labels, are not used.
        """
        change = tf.reshape(latents[..., : self.latent] @ self.kernel, (-1, *self.image_shape))
        return change + tf.convert_to_tensor(self.offset)

    def start(self, model: LinearStart) -> None:
        """Take the mean and the loadings of a linear model.

        Args:
            model: The linear model.
        """
        self.offset.assign(model.mean.reshape(self.image_shape))
        self.kernel.assign(model.loadings)
