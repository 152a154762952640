"""How close reconstructions are to their originals, and how sharp images are."""

from typing import NamedTuple

import numpy as np

SSIM_WINDOW = 11
"""TensorFlow's and the usual width, Wang et al. (2004); no wider than the images."""


class Reconstruction(NamedTuple):
    """Means over images in [0, 1].

    Attributes:
        mean_squared_error: A pixel.
        psnr: Peak signal-to-noise ratio, in decibels.
        ssim: Structural similarity (Wang et al., 2004), at most 1.
        sharpness: Of the reconstructions: variance of their Laplacian.
        data_sharpness: Of the originals.
    """

    mean_squared_error: float
    psnr: float
    ssim: float
    sharpness: float
    data_sharpness: float


def compare_images(originals: np.ndarray, reconstructions: np.ndarray) -> Reconstruction:
    """How near reconstructions come to their originals.

    Args:
        originals: Floats in [0, 1], `[count, height, width, channels]`.
        reconstructions: Floats in [0, 1], the shape of `originals`.
    """
    import tensorflow as tf

    pair = tf.constant(originals, tf.float32), tf.constant(reconstructions, tf.float32)
    window = min(SSIM_WINDOW, *originals.shape[1:3])
    return Reconstruction(
        mean_squared_error=float(np.mean(np.square(originals - reconstructions))),
        psnr=float(tf.reduce_mean(tf.image.psnr(*pair, max_val=1.0))),
        ssim=float(tf.reduce_mean(tf.image.ssim(*pair, max_val=1.0, filter_size=window))),
        sharpness=float(np.mean(sharpness(reconstructions))),
        data_sharpness=float(np.mean(sharpness(originals))),
    )


def sharpness(images: np.ndarray) -> np.ndarray:
    """Variance of the Laplacian of each image, `[count]` (Pech-Pacheco et al., 2000).

    Args:
        images: `[count, height, width, channels]`, of at least 3 x 3 pixels.
    """
    inner = images[:, 1:-1, 1:-1]
    around = images[:, :-2, 1:-1] + images[:, 2:, 1:-1] + images[:, 1:-1, :-2] + images[:, 1:-1, 2:]
    return np.var(around - 4 * inner, axis=(1, 2, 3))
