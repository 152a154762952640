"""The aggregated posterior, and a mixture that is fitted to it.

The aggregated posterior is the mean of q(z|x) over the training images. It is the prior with the
largest ELBO (Hoffman & Johnson, 2016).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.data.dataset import Split
from kvae.models.chunks import rows_at_once
from kvae.models.mixtures import GaussianMixture, fit_mixture
from kvae.progress import Progress, silent

SAMPLES = 20_000
"""The largest number of latents that a mixture is fitted to."""
LADDER = (1, 2, 5, 10, 20, 30, 50, 70, 100, 150, 200, 300, 500)
"""The numbers of components that are tried, in this order."""
PATIENCE = 3
"""How many mixtures in a row may be no better than the best one before no larger one is tried. The
likelihood of few images of several kinds may fall before it rises."""
SHRINKAGE = 1 / 8
"""Each covariance matrix is shrunk as if it had so many more images a latent dimension, which have
the mean covariance."""
CHUNK = 1000


def best_mixture(
    latents: np.ndarray,
    held_out: np.ndarray,
    images: int,
    sizes: Sequence[int],
    seed: int,
    progress: Progress = silent,
    least_gain: float = 0.0,
) -> tuple[GaussianMixture, dict[int, float]]:
    """Fit mixtures of Gaussians by expectation maximisation, until larger ones are no better.

    Args:
        latents: The latents that they are fitted to, `[count, latent]`.
        held_out: Latents of validation images, `[other count, latent]`.
        images: How many images the former are of; `count` is a multiple of it or less.
        sizes: The numbers of components to try, in this order. Those for which there are too few
            images are left out, if others are left.
        seed: Decides where the components start.
        progress: Shows how much is done.
        least_gain: By how many nats a larger mixture must be better than the best one before it.

    Returns:
        The mixture under which held-out latents have the highest likelihood, and their mean log
        density, in nats, by the number of components.
    """
    found: dict[int, float] = {}
    best: GaussianMixture | None = None
    worse = 0
    for fitted in _mixtures(latents, images, sizes, seed, progress):
        found[fitted.components] = density = fitted.log_density(held_out)
        if best is None or density >= found[best.components] + least_gain:
            best, worse = fitted, 0
        else:
            worse += 1
            if worse == PATIENCE:
                break
    assert best is not None
    return best, found


def largest_mixture(
    latents: np.ndarray,
    held_out: np.ndarray,
    images: int,
    sizes: Sequence[int],
    enough: float,
    seed: int,
    progress: Progress = silent,
) -> GaussianMixture | None:
    """The largest mixture of Gaussians under which held-out latents are probable enough.

    Args:
        latents: The latents that mixtures are fitted to, `[count, latent]`.
        held_out: Latents of validation images, `[other count, latent]`.
        images: How many images the former are of; `count` is a multiple of it or less.
        sizes: The numbers of components to try, increasing. Those for which there are too few
            images are left out, if others are left.
        enough: The mean log density of held-out latents that is enough, in nats.
        seed: Decides where the components start.
        progress: Shows how much is done.

    Returns:
        None if no mixture is good enough.
    """
    largest, before = None, -math.inf
    for fitted in _mixtures(latents, images, sizes, seed, progress):
        density = fitted.log_density(held_out)
        if density >= enough:
            largest = fitted
        elif density < before:
            break
        before = density
    return largest


def _mixtures(
    latents: np.ndarray,
    images: int,
    sizes: Sequence[int],
    seed: int,
    progress: Progress,
) -> Iterator[GaussianMixture]:
    sizes = [size for size in sizes if size <= images] or sizes
    # The latents of one image say much the same.
    each = max(1.0, len(latents) / images)
    shrinkage = SHRINKAGE * latents.shape[1] * each
    for size in progress(sizes, len(sizes), "mixtures"):
        yield fit_mixture(latents, size, shrinkage, seed)


def latents_of(model: Any, split: Split, most: int, seed: int) -> np.ndarray:
    """Samples of z from q(z|x), equally many for each image: `[count, latent]`, in random order.

    Args:
        model: A trained VAE.
        split: The images.
        most: The largest number of samples.
        seed: Decides the samples and their order.
    """
    each, found = max(1, most // len(split)), []
    chunk = rows_at_once(model.config, CHUNK)
    for start in range(0, len(split), chunk):
        chunk_seed = tf.random.experimental.stateless_fold_in([seed, 0], start)
        images = model.inputs(split.images[start : start + chunk], chunk_seed)
        found.append(model.encode(images).sample(each, seed=chunk_seed).numpy())
    latents = np.concatenate(found, axis=1)
    order = np.random.RandomState(seed).permutation(latents.shape[0] * latents.shape[1])
    return latents.reshape(-1, latents.shape[-1])[order][:most]
