"""Measures how close reconstructions are to their originals, and how sharp images are."""

from typing import NamedTuple

import numpy as np

SSIM_WINDOW = 11
"""The width of the window in pixels (Wang et al., 2004). Smaller images have a smaller window."""


class Reconstruction(NamedTuple):
    """How close reconstructions are to their originals. Each is a mean over images.

    Attributes:
        mean_squared_error: The squared error of a pixel in [0, 1].
        psnr: Peak signal-to-noise ratio, in decibels.
        ssim: Structural similarity (Wang et al., 2004), at most 1.
        sharpness: The variance of the Laplacian of a reconstruction.
        data_sharpness: The variance of the Laplacian of an original.
    """

    mean_squared_error: float
    psnr: float
    ssim: float
    sharpness: float
    data_sharpness: float


def compare_images(originals: np.ndarray, reconstructions: np.ndarray) -> Reconstruction:
    """Compare reconstructions with their originals.

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
    """The variance of the Laplacian of each image (Pech-Pacheco et al., 2000), `[count]`.

    Args:
        images: `[count, height, width, channels]`, of at least 3 x 3 pixels.
    """
    inner = images[:, 1:-1, 1:-1]
    around = images[:, :-2, 1:-1] + images[:, 2:, 1:-1] + images[:, 1:-1, :-2] + images[:, 1:-1, 2:]
    return np.var(around - 4 * inner, axis=(1, 2, 3))
