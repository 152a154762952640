"""Pictures show what they are given."""

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm

from kvae import figures
from kvae.training import COLUMNS


def images_of(count, height=8, width=6, channels=1):
    return np.random.default_rng(0).uniform(size=(count, height, width, channels))


@pytest.mark.parametrize("channels", [1, 3])
def test_tile_holds_every_image_in_order(channels):
    images = images_of(7, channels=channels)
    grid = figures.tile(images, columns=3)
    scale = 7  # 56 / 8
    assert grid.shape == (3 * (8 * scale + 2) + 2, 3 * (6 * scale + 2) + 2, channels)
    for index, image in enumerate(images):
        top, left = index // 3 * (8 * scale + 2) + 2, index % 3 * (6 * scale + 2) + 2
        shown = grid[top : top + 8 * scale : scale, left : left + 6 * scale : scale]
        np.testing.assert_array_equal(shown, np.round(image * 255))
    assert np.all(grid[-8 * scale :, -6 * scale :] == 255)


def test_tile_is_square_by_default():
    assert figures.tile(images_of(64, 28, 28)).shape == (8 * 58 + 2, 8 * 58 + 2, 1)


@pytest.mark.parametrize(("count", "rows"), [(4, 2), (10, 2), (13, 4), (20, 4)])
def test_pairs_are_above_each_other(count, rows):
    above, below = np.zeros((count, 28, 28, 1)), np.full((count, 28, 28, 1), 0.5)
    grid = figures.pairs(above, below)
    columns = min(count, 10)
    assert grid.shape == (rows * 58 + 2, columns * 58 + 2, 1)
    middles = grid[30::58, 30::58, 0]
    assert middles.shape == (rows, columns)
    assert (middles[0] == 0).all()
    assert (middles[1] == 128).all()
    assert (middles == 0).sum() == (middles == 128).sum() == count


def test_sprite_is_a_square_of_squares():
    images = images_of(5, 4, 3)
    sheet = figures.sprite(images)
    assert sheet.shape == (3 * 4, 3 * 3, 1)
    np.testing.assert_array_equal(sheet[4:8, 3:6], np.round(images[4] * 255))
    assert (sheet[8:] == 0).all()


def test_manifold_latents_split_the_prior_evenly():
    latents = figures.manifold_latents(5).reshape(5, 5, 2)
    shares = norm.cdf(latents)
    np.testing.assert_allclose(shares[0, :, 0], [0.1, 0.3, 0.5, 0.7, 0.9], atol=1e-6)
    np.testing.assert_allclose(shares[:, 0, 1], [0.9, 0.7, 0.5, 0.3, 0.1], atol=1e-6)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_png_round_trip(tmp_path, channels, mode):
    image = np.random.default_rng(0).integers(0, 256, (9, 7, channels), np.uint8)
    figures.save_png(image, tmp_path / "a.png")
    opened = Image.open(tmp_path / "a.png")
    assert opened.mode == mode
    np.testing.assert_array_equal(np.asarray(opened).reshape(image.shape), image)


@pytest.mark.parametrize("epochs", [1, 2, 50])
def test_history_draws_every_epoch(epochs):
    rng = np.random.default_rng(0)
    columns = {name: rng.standard_normal(epochs).tolist() for name in COLUMNS}
    columns["epoch"] = list(range(1, epochs + 1))
    figure = figures.history(columns, "digits")
    for axes, term in zip(figure.axes, ("elbo", "reconstruction", "kl"), strict=True):
        train, validation = axes.lines
        np.testing.assert_array_equal(train.get_ydata(), columns[f"train_{term}"])
        np.testing.assert_array_equal(validation.get_ydata(), columns[f"validation_{term}"])
        assert axes.get_xlabel() == "epoch"
    assert figure.axes[0].get_ylabel() == "nats an image"
