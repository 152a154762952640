"""The images that nobody tuned a recipe for are what they are said to be."""

import numpy as np
import pytest

from benchmarks import own


def test_crops_are_windows_of_the_pictures():
    picture = np.arange(20 * 30, dtype=np.uint32).reshape(20, 30).astype(np.uint8)
    found = own.crops([picture, picture[::-1].copy()], 50, 8, 8)
    assert found.shape == (100, 8, 8)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (8, 8))
    assert all((windows == crop).all(axis=(2, 3)).any() for crop in found[:50])
    np.testing.assert_array_equal(found, own.crops([picture, picture[::-1].copy()], 50, 8, 8))
    assert len(np.unique(found[:50], axis=0)) > 30


def test_the_photographs_are_crops_of_both_in_colour():
    images = own.DATASETS["crops"]()
    assert images.shape == (2000, 64, 64, 3)
    assert abs(images[:1000].mean() - images[1000:].mean()) > 10
    assert own.DATASETS["digits"]().shape == (1797, 16, 16)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("plaids", (300, 36, 48, 3)),
        ("rings", (300, 40, 56)),
        ("discs", (300, 48, 64, 3)),
        ("letters", (300, 24, 24)),
        ("icons", (500, 32, 32, 3)),
        ("dials", (320, 24, 32)),
        ("bottles", (260, 48, 30, 3)),
        ("fields", (600, 40, 40)),
    ],
)
def test_made_up_pictures_all_differ(name, shape):
    images = own.DATASETS[name]()
    assert (images.shape, images.dtype) == (shape, np.uint8)
    # There are some thousand letters at places.
    assert len(np.unique(images.reshape(shape[0], -1), axis=0)) > 0.8 * shape[0]
    assert images.std() > 30


@pytest.mark.parametrize(
    ("elbo", "drop"),
    [
        ([-100.0, -50.0, -10.0], 0.0),
        ([1.0] + [100.0] * 10 + [90.0, 200.0], 0.1),
        ([-100.0] * 10 + [-110.0, -90.0], 0.1),
        # The first tenth of the epochs does not count.
        ([100.0, 50.0, *[100.0] * 18], 0.0),
    ],
)
def test_the_worst_drop_is_below_the_best_so_far(elbo, drop):
    assert own.worst_drop(elbo) == pytest.approx(drop)


def test_the_table_shows_what_was_measured():
    figures = {
        "images": 2000, "shape": [64, 64, 3], "latent": 32, "shift": 4, "epochs": 80, "drop": 0.011,
        "elbo": 1234.56, "error": 0.006, "pca": 0.008, "error of factor analysis": 0.01,
        "factor analysis": "the model is better", "coverage": 0.951, "seconds": 61.4,
    }  # fmt: skip
    assert own.table({"crops": figures, "faces": {"missing": "no skimage"}}).splitlines()[2:] == [
        "| crops | 2,000 of 64 x 64 x 3 | 4 | 80 | 1.1 % | 1234.6 | 0.00600 | 0.75 "
        "| 1.25 | the model is better | 0.95 | 61 |",
        "| faces | not run: no skimage | | | | | | | | | | |",
    ]
