"""Annealing for a generator without a likelihood: with noise that is fitted to validation images.

Wu et al. (2017), "On the quantitative analysis of decoder-based generative models".
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kvae.evaluation.likelihood import ANNEALED_BATCH, Annealed, Annealing
from kvae.evaluation.samples import nearest
from kvae.models.base import Noiseless
from kvae.models.chunks import sampled
from kvae.models.likelihoods import MIN_LOG_VARIANCE
from kvae.progress import Progress, silent

CHAINS = 16
FITTING_CHAINS = 8
"""The number of chains for each image while the noise is fitted."""
SMALLEST = math.exp(0.5 * MIN_LOG_VARIANCE)
"""The smallest standard deviation that is tried: one of 256 grey levels."""
SAMPLES = 1000
"""The number of samples whose distance from images decides where the search starts."""


class Noisy(NamedTuple):
    """The result of annealing with fitted noise.

    Attributes:
        annealed: The bounds on log p(x) of the images.
        stddev: The standard deviation of the noise; white is 1.
    """

    annealed: Annealed
    stddev: float


def annealed_with_noise(
    model: Noiseless,
    validation: np.ndarray,
    images: np.ndarray,
    steps: int = 200,
    seed: int = 0,
    progress: Progress = silent,
) -> Noisy:
    """A lower bound on log p(x) of each image, where p(x|z) = N(image of z, stddev^2 I).

    The standard deviation maximises the mean bound of the validation images. The chains start from
    the prior.

    Args:
        model: A model of images without noise.
        validation: The images that the standard deviation is fitted to, uint8
            `[count, height, width, channels]`.
        images: The images whose bounds are wanted, uint8 `[other count, height, width, channels]`.
        steps: The number of temperatures; half as many on validation images.
        seed: Decides all random numbers.
        progress: Shows how much is done.
    """
    stddev = tf.Variable(1.0, trainable=False)
    noisy = model.with_noise(stddev)
    fitting = Annealing(noisy, min(len(validation), ANNEALED_BATCH), FITTING_CHAINS, True)

    def mean_bound(tried: float) -> float:
        stddev.assign(tried)
        return float(fitting(validation, max(1, steps // 2), seed, progress).bound.mean())

    # The best of some samples is not as near as the images of the posterior are.
    made = sampled(model, SAMPLES, seed)
    distances, _ = nearest(validation / np.float32(255), made)
    first = max(float(np.sqrt(np.mean(distances**2))), SMALLEST)
    stddev.assign(best_stddev(mean_bound, first))
    annealing = Annealing(noisy, min(len(images), ANNEALED_BATCH), CHAINS, True)
    return Noisy(annealing(images, steps, seed, progress), float(stddev))


def best_stddev(value: Callable[[float], float], first: float) -> float:
    """The standard deviation that maximises the log-likelihood of Gaussian noise.

    Others are tried, each with half or twice the variance of the one before, while the
    log-likelihood rises. A function a + b log(s) + c / s^2 of the standard deviation s, which is
    what the log-likelihood of noise is whose squares do not depend on s, passes through the best
    and its two neighbours. Its maximum is returned.

    Args:
        value: The log-likelihood, a function of the standard deviation.
        first: Where the search starts.

    Returns:
        The standard deviation, not below `SMALLEST`.
    """

    def stddev(step: float) -> float:
        return first * 2 ** (-0.5 * step)

    @functools.cache
    def at(step: int) -> float:
        return value(stddev(step)) if stddev(step) >= SMALLEST else -math.inf

    step = 0
    for move in 1, -1:
        while at(step + move) > at(step):
            step += move
    if at(step + 1) == -math.inf:
        return stddev(step)
    gain, loss = at(step) - at(step - 1), at(step) - at(step + 1)
    # 1 / s^2 is u, 2 u and 4 u from step - 1 to step + 1, and log(s) falls by log(2) / 2 each time.
    c_u = -loss - gain
    b = 2 * (c_u - gain) / math.log(2)
    # The derivative is zero where s^2 is 2 c / b. The middle one is 1 / (2 u).
    return stddev(step) * math.sqrt(4 * c_u / b)
