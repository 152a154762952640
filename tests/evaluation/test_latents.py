"""How latents are used, where the answer is known."""

import numpy as np
import pytest
from tensorflow_probability import distributions as tfd

from kvae.evaluation import Evaluation, active_units, kl_per_dimension, mutual_information, verdict


def normal(means, stddev):
    means = np.asarray(means, np.float32)
    return tfd.Independent(tfd.Normal(means, np.full_like(means, stddev)), 1)


def said(kl, means):
    """What a model would say that has this KL of each dimension, and these latent means."""
    return Evaluation(embeddings=means, per_dimension={"kl_per_dimension": kl})


def test_active_units_counts_means_that_move():
    means = np.zeros((1000, 3))
    means[::2, 0], means[1::2, 0] = 0.2, -0.2  # variance 0.04
    means[::2, 1], means[1::2, 1] = 0.05, -0.05  # variance 0.0025
    means[:, 2] = 7
    assert active_units(means) == 1


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        ([0.0, 0.001], "collapsed"),
        ([3.0] + [0.0] * 9, "collapsed"),
        ([3.0, 3.0] + [0.0] * 8, "partly collapsed"),
        ([0.0, 3.0], "partly collapsed"),
        ([0.5, 3.0], "healthy"),
    ],
)
def test_verdict(kl, expected):
    moving = np.random.default_rng(0).standard_normal((100, len(kl)))
    assert verdict(said(np.array(kl), moving)) == expected


def test_a_dimension_that_does_not_move_is_not_in_use():
    # Its KL is high all the same: it is far from the prior, but the same for every image.
    means = np.random.default_rng(0).standard_normal((100, 2)) * [1, 0] + [0, 5]
    assert verdict(said(np.array([1.0, 12.0]), means)) == "partly collapsed"


def test_kl_per_dimension_sums_to_the_kl():
    posterior = tfd.Independent(tfd.Normal([[0.5, -2.0]], [[0.1, 3.0]]), 1)
    prior = tfd.Independent(tfd.Normal([0.0, 0.0], [1.0, 1.0]), 1)
    parts = kl_per_dimension(posterior, prior).numpy()
    np.testing.assert_allclose(parts.sum(axis=1), tfd.kl_divergence(posterior, prior), rtol=1e-6)
    np.testing.assert_allclose(parts[0, 0], 0.5 * (0.01 + 0.25 - 1 - np.log(0.01)), rtol=1e-5)


@pytest.mark.parametrize("count", [1, 64, 150])
def test_latents_that_tell_every_image_have_the_log_of_their_number(count):
    information, error = mutual_information(normal(100 * np.arange(count)[:, None], 1.0))
    assert information == pytest.approx(np.log(count), abs=1e-4)
    assert error < 1e-4


def test_latents_that_are_alike_tell_nothing():
    information, _ = mutual_information(normal(np.full((100, 3), 7.0), 2.0))
    assert information == pytest.approx(0, abs=1e-4)


def test_mutual_information_of_a_gaussian_channel():
    # Means from N(0, 4), noise of 1 in each of two dimensions: log(1 + 4) / 2 nats each.
    means = 2 * np.random.default_rng(0).standard_normal((4000, 2))
    information, error = mutual_information(normal(means, 1.0))
    assert error < 0.03
    assert information == pytest.approx(np.log(5), abs=4 * error + 0.01)


def test_kl_is_mutual_information_and_the_distance_of_the_aggregated_posterior():
    # Means from N(0, 3/4) and variances of 1/4 aggregate to the prior: nothing but information.
    means = np.sqrt(0.75) * np.random.default_rng(0).standard_normal((4000, 1))
    posterior = normal(means, 0.5)
    prior = tfd.Independent(tfd.Normal([0.0], [1.0]), 1)
    information, error = mutual_information(posterior)
    kl = tfd.kl_divergence(posterior, prior).numpy()
    spread = np.hypot(error, kl.std() / np.sqrt(len(kl)))
    assert kl.mean() - information == pytest.approx(0, abs=4 * spread)
