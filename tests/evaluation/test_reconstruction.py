"""Reconstruction figures of images for which they are known."""

import numpy as np
import pytest

from kvae.evaluation import compare_images, sharpness


@pytest.mark.parametrize("side", [5, 28])
def test_the_same_images(side):
    images = np.random.default_rng(0).uniform(size=(4, side, side, 1)).astype(np.float32)
    found = compare_images(images, images)
    assert found.mean_squared_error == 0
    assert found.ssim == pytest.approx(1)
    assert found.sharpness == found.data_sharpness > 0


def test_a_constant_difference():
    images = np.full((3, 16, 16, 3), 0.5, np.float32)
    found = compare_images(images, images + np.float32(0.1))
    assert found.mean_squared_error == pytest.approx(0.01, rel=1e-5)
    assert found.psnr == pytest.approx(20, rel=1e-4)
    # Wang et al. (2004), Equation 6, where only the means differ.
    expected = (2 * 0.5 * 0.6 + 0.01**2) / (0.5**2 + 0.6**2 + 0.01**2)
    assert found.ssim == pytest.approx(expected, rel=1e-3)


def test_sharpness():
    rows, columns = np.mgrid[:8, :8]
    checkerboard = ((rows + columns) % 2).astype(float)
    images = np.stack([0.1 * columns, checkerboard, np.ones((8, 8))])[..., None]
    # A ramp has no second derivative; a checkerboard's Laplacian is 4 or -4.
    np.testing.assert_allclose(sharpness(images), [0, 16, 0], atol=1e-12)


def test_blurring_makes_less_sharp(digits):
    images = digits.test.images / 255
    blurred = (images + np.roll(images, 1, axis=1) + np.roll(images, 1, axis=2)) / 3
    found = compare_images(images, blurred)
    assert found.sharpness < 0.6 * found.data_sharpness
    assert 0 < found.ssim < 1
