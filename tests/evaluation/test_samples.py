"""Precision, recall, density and coverage where they are known."""

import numpy as np
import pytest
import sklearn

from kvae.evaluation import fidelity, nearest, rare_modes


def cloud(count, centre=0.0, seed=0):
    return centre + np.random.default_rng(seed).standard_normal((count, 4, 4, 1))


@pytest.mark.parametrize("k", [1, 5])
def test_identical_sets(k):
    images = cloud(60)
    found = fidelity(images, images, k)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    # Each image reaches its k neighbours and itself.
    assert found.density == pytest.approx((k + 1) / k)


def test_disjoint_sets():
    assert fidelity(cloud(50), cloud(50, centre=100)) == (0, 0, 0, 0)


def test_a_mode_dropped():
    first, second = cloud(40), cloud(60, centre=100, seed=1)
    found = fidelity(np.concatenate([first, second]), first)
    assert found.precision == 1
    assert found.recall == found.coverage == 0.4
    # Each image is reached by its own and k others of the mode that is there.
    assert found.density == pytest.approx(6 / 5)


def test_a_mode_made_up():
    first, second = cloud(40), cloud(60, centre=100, seed=1)
    found = fidelity(first, np.concatenate([first, second]))
    assert found.precision == 0.4
    assert found.recall == found.coverage == 1


def test_memory_does_not_matter():
    real, images = cloud(300), cloud(200, seed=1)
    expected = fidelity(real, images)
    with sklearn.config_context(working_memory=0.01):
        assert fidelity(real, images) == expected
    assert 0 < expected.coverage < 1


def mixture(counts, seed=0):
    """Images around one point for each count, far from each other; the last is the origin."""
    noise = np.random.default_rng(seed).standard_normal((sum(counts), 2, 2, 1))
    centres = 1000 * np.eye(len(counts), 4).reshape(len(counts), 2, 2, 1)
    return noise + np.repeat(centres, counts, axis=0)


def test_rare_modes_of_a_mixture():
    # Fifty images make five clusters, of which the smallest is rare; so do five points.
    counts = [12, 12, 12, 8, 6]
    train = mixture(counts)
    exact = rare_modes(train, train, train)
    assert exact == (5, 1, 0.12, 0.12, 0.12, 5)
    without = rare_modes(train, train, train[:-6])
    assert (without.of_samples, without.reached) == (0, 4)
    often = rare_modes(train, train[:-6], np.concatenate([train[:6], train[-6:]]))
    assert (often.of_training, often.of_held_out, often.of_samples) == (0.12, 0, 0.5)
    assert often.reached == 2


def test_what_no_training_image_reaches_is_no_rare_mode():
    train = mixture([12, 12, 12, 8, 6])
    # The last six are nearest to the rarest cluster, whose images are around the origin.
    made = np.concatenate([train[:6], train[-6:] + 100])
    assert rare_modes(train, train, made)[4:] == (0, 1)


def test_rare_modes_follow_the_shares():
    train = mixture([400, 300, 200, 60, 40])
    made = mixture([4000, 3000, 2000, 600, 400], seed=1)
    found = rare_modes(train, train, made)
    assert (found.clusters, found.rare) == (50, 10)
    # k-means splits the large points; the same shares of a large sample are within their reach.
    assert found.of_samples == pytest.approx(found.of_training, abs=0.02)


def test_too_few_images_have_no_rare_modes():
    assert rare_modes(cloud(49), cloud(10), cloud(10)) is None


def test_nearest_images_and_their_distance():
    references = np.zeros((3, 2, 2, 1))
    references[1], references[2] = 0.5, 1.0
    distances, index = nearest(
        np.array([0.1, 0.9, 0.45])[:, None, None, None] + references[:1], references
    )
    np.testing.assert_array_equal(index, [0, 2, 1])
    np.testing.assert_allclose(distances, [0.1, 0.1, 0.05], rtol=1e-5)
