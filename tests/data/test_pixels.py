"""From stored pixels to what a model sees."""

import numpy as np
import pytest
import tensorflow as tf

from kvae.data.pixels import to_float

LEVELS = np.arange(256, dtype=np.uint8)


def test_grey_is_the_level_by_255():
    grey = to_float(LEVELS, "none", [0, 0])
    assert grey.dtype == tf.float32
    np.testing.assert_array_equal(grey, LEVELS.astype(np.float32) / 255)


def test_threshold_is_at_one_half():
    np.testing.assert_array_equal(to_float(LEVELS, "threshold", [0, 0]), LEVELS >= 128)


@pytest.mark.parametrize("jit", [True, False])
def test_dynamic_draws_each_level_with_its_own_probability(jit):
    draw = tf.function(lambda images, seed: to_float(images, "dynamic", seed, jit), jit_compile=jit)
    images = np.repeat(LEVELS[:, None], 4000, axis=1)
    drawn = draw(images, tf.constant([1, 2])).numpy()
    assert set(np.unique(drawn)) == {0, 1}
    # Black and white are certain; the rest within five standard errors.
    assert drawn[0].max() == 0
    assert drawn[255].min() == 1
    p = LEVELS / 255
    assert np.all(np.abs(drawn.mean(axis=1) - p) <= 5 * np.sqrt(p * (1 - p) / 4000))
    np.testing.assert_array_equal(drawn, draw(images, tf.constant([1, 2])))
    assert not np.array_equal(drawn, draw(images, tf.constant([1, 3])))
