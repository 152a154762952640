"""Annealing for a generator without a likelihood: with noise that is fitted on validation images.

Wu et al. (2017), "On the quantitative analysis of decoder-based generative models".
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kvae.evaluation import likelihood, samples
from kvae.evaluation.likelihood import Annealed, Annealing
from kvae.models.base import Generates, Noiseless
from kvae.models.likelihoods import MIN_LOG_VARIANCE
from kvae.progress import Progress, silent

CHAINS = 16
RATIO = 2**-0.5
"""From one standard deviation that is tried to the next."""
SMALLEST = float(np.exp(0.5 * MIN_LOG_VARIANCE))
"""The smallest standard deviation that is tried: one of 256 grey levels."""
NEIGHBOURS = 1000
"""The number of samples near whose nearest ones the first standard deviation is."""


class Noisy(NamedTuple):
    """The result of annealing with fitted noise.

    Attributes:
        annealed: The bounds on log p(x) of the images.
        stddev: The standard deviation of the noise, in units of white.
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

    The standard deviation maximises the mean bound on validation images. The chains start from the
    prior.

    Args:
        model: A model that generates, without a likelihood.
        validation: The images that the standard deviation is fitted on, uint8
            `[count, height, width, channels]`.
        images: The images that are evaluated, uint8 `[other count, height, width, channels]`.
        steps: The number of temperatures; half as many on validation images.
        seed: Decides all random numbers.
        progress: Shows how much is done.
    """
    assert isinstance(model, Generates)
    stddev = tf.Variable(1.0)
    batch = min(len(images), likelihood.ANNEALED_BATCH)
    annealing = Annealing(model.with_noise(stddev), batch, CHAINS, from_prior=True)

    def mean_bound(tried: float) -> float:
        stddev.assign(tried)
        return float(annealing(validation, max(1, steps // 2), seed).bound.mean())

    # The posterior's images are nearer than the best of some samples.
    made = model.sample(NEIGHBOURS, seed).numpy()
    first = float(np.sqrt(np.mean(samples.nearest(validation / np.float32(255), made)[0] ** 2)))
    stddev.assign(_best(mean_bound, max(first, SMALLEST)))
    found = annealing(images, steps, seed, progress)
    return Noisy(found, float(stddev))


def _best(value: Callable[[float], float], first: float) -> float:
    """Where a function of a positive number is largest, from a start above that place.

    Args:
        value: The function; of the logarithm of its argument it is nearly a parabola at the top.
        first: Where the search starts.
    """
    places, values = [first], [value(first)]
    while places[-1] * RATIO >= SMALLEST and (len(values) < 2 or values[-1] > values[-2]):
        places.append(places[-1] * RATIO)
        values.append(value(places[-1]))
    if len(values) < 3 or values[-1] > values[-2]:
        return places[int(np.argmax(values))]
    # The top of the parabola through the last three.
    before, middle, after = values[-3:]
    step = 0.5 * (before - after) / (before - 2 * middle + after)
    return float(places[-2] * RATIO**step)
