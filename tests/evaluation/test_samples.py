"""Precision, recall, density and coverage where they are known."""

import numpy as np
import pytest
import sklearn

from kvae.evaluation import fidelity, nearest


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


def test_nearest_images_and_their_distance():
    references = np.zeros((3, 2, 2, 1))
    references[1], references[2] = 0.5, 1.0
    distances, index = nearest(
        np.array([0.1, 0.9, 0.45])[:, None, None, None] + references[:1], references
    )
    np.testing.assert_array_equal(index, [0, 2, 1])
    np.testing.assert_allclose(distances, [0.1, 0.1, 0.05], rtol=1e-5)
