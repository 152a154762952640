"""The search for the noise of a generator finds the best standard deviation."""

import numpy as np
import pytest

from kvae.evaluation.noise import SMALLEST, best_stddev


def likelihood(pixels, squares):
    """The log-likelihood of errors with a sum of squares, a function of the standard deviation."""
    return lambda stddev: -pixels * np.log(stddev) - squares / (2 * stddev**2)


@pytest.mark.parametrize("first", [0.02, 0.29, 0.31, 7.0])
def test_the_best_noise_is_as_large_as_the_errors(first):
    assert best_stddev(likelihood(40, 40 * 0.3**2), first) == pytest.approx(0.3, rel=1e-6)


@pytest.mark.parametrize("first", [SMALLEST, 1.3 * SMALLEST, 0.1])
def test_noise_is_not_below_a_grey_level(first):
    found = best_stddev(likelihood(40, 0), first)
    assert SMALLEST <= found < 1.42 * SMALLEST
