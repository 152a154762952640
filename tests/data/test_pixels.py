"""From stored pixels to the numbers that a model sees."""

import numpy as np
import pytest
import tensorflow as tf

from kvae.data.pixels import shifted, to_float

LEVELS = np.arange(256, dtype=np.uint8)


def test_grey_is_the_level_by_255():
    grey = to_float(LEVELS, "none", [0, 0])
    assert grey.dtype == tf.float32
    np.testing.assert_array_equal(grey, LEVELS.astype(np.float32) / 255)


def test_threshold_is_at_one_half():
    np.testing.assert_array_equal(to_float(LEVELS, "threshold", [0, 0]), LEVELS >= 128)


@pytest.mark.parametrize("jit", [True, False])
def test_dynamic_makes_a_pixel_white_with_the_probability_of_its_level(jit):
    binarize = tf.function(
        lambda images, seed: to_float(images, "dynamic", seed, jit), jit_compile=jit
    )
    images = np.repeat(LEVELS[:, None], 4000, axis=1)
    binary = binarize(images, tf.constant([1, 2])).numpy()
    assert set(np.unique(binary)) == {0, 1}
    # Black and white are certain; the rest within five standard errors.
    assert binary[0].max() == 0
    assert binary[255].min() == 1
    p = LEVELS / 255
    assert np.all(np.abs(binary.mean(axis=1) - p) <= 5 * np.sqrt(p * (1 - p) / 4000))
    np.testing.assert_array_equal(binary, binarize(images, tf.constant([1, 2])))
    assert not np.array_equal(binary, binarize(images, tf.constant([1, 3])))


@pytest.mark.parametrize("jit", [True, False])
def test_images_are_shifted_by_every_number_of_pixels_and_mirrored_at_the_edges(jit):
    rng = np.random.default_rng(0)
    images = np.repeat(rng.random((1, 5, 7, 2), np.float32), 3000, axis=0)
    shift = tf.function(lambda x, seed: shifted(x, 2, seed, jit), jit_compile=jit)
    found = shift(tf.constant(images), tf.constant([1, 2])).numpy()
    padded = np.pad(images[0], [(2, 2), (2, 2), (0, 0)], mode="reflect")
    counts = []
    for row in range(5):
        for column in range(5):
            expected = padded[row : row + 5, column : column + 7]
            counts.append(int(np.sum((found == expected).all(axis=(1, 2, 3)))))
    # Each image is one of the 25 shifted ones, and all are as frequent, within five deviations.
    assert sum(counts) == 3000
    assert np.all(np.abs(np.array(counts) - 120) < 5 * np.sqrt(120))
    np.testing.assert_array_equal(found, shift(tf.constant(images), tf.constant([1, 2])))
    assert not np.array_equal(found, shift(tf.constant(images), tf.constant([1, 3])))
