"""Whether images are aligned, on images that are known to be or not to be."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from kvae.data.alignment import linearity, possible_shifts


@pytest.mark.parametrize(
    ("shape", "shifts"),
    [
        ((64, 64, 3), [4, 2, 1]),
        ((28, 20, 1), [1]),
        ((200, 33, 1), [2, 1]),
        ((8, 8, 1), [1]),
        ((96, 300, 3), [6, 3, 1]),
    ],
)
def test_the_largest_shift_is_a_sixteenth_of_the_shorter_side(shape, shifts):
    assert possible_shifts(shape) == shifts


def test_crops_of_a_photograph_can_be_shifted_and_digits_cannot(digits):
    photograph = load_sample_image("china.jpg")
    rng = np.random.default_rng(0)
    corners = zip(rng.integers(0, 380, 400), rng.integers(0, 590, 400), strict=True)
    crops = np.stack([photograph[r : r + 32, c : c + 32] for r, c in corners])
    assert all(cost < 1.1 for cost in linearity(crops, [2, 1]).shift_costs.values())
    assert linearity(digits.train.images, [1]).shift_costs[1] > 3


def test_the_cost_is_pcas_error_on_shifted_images_by_that_on_the_images():
    # Images of one pattern, brighter or darker, with a little noise: PCA leaves the noise.
    rng = np.random.default_rng(0)
    pattern = rng.random((1, 12, 12, 1))
    noise = 0.02 * rng.standard_normal((400, 12, 12, 1))
    images = np.round(255 * (rng.uniform(0.3, 0.8, (400, 1, 1, 1)) * pattern + noise))
    images = images.clip(0, 255).astype(np.uint8)
    found = linearity(images, [2, 1])
    # The shifted pattern has little in common with the pattern.
    assert list(found.shift_costs) == [2, 1]
    assert all(20 < cost < 400 for cost in found.shift_costs.values())
    # The pattern has a mean square of 1/3, and the contrast a variance of 0.25 / 12.
    # Components keep their share of the noise in 144 pixels.
    assert found.unexplained[0] == 1
    for components in 1, 32, 64:
        noise_left = 0.02**2 * (1 - components / 144)
        left = noise_left / (0.25 / 12 / 3 + 0.02**2)
        assert found.unexplained[components] == pytest.approx(left, rel=0.2)
    # If every image is the same everywhere, shifting changes nothing.
    flat = np.broadcast_to(images[:, :1, :1], images.shape)
    assert linearity(flat, [1]).shift_costs[1] in (1, np.inf)


def test_few_images_say_nothing():
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), np.uint8)
    assert linearity(images, [2, 1]) == ((np.inf,), {2: np.inf, 1: np.inf})


def test_images_that_are_nearly_aligned_can_be_shifted_a_little():
    # A soft edge that is at one of three columns: moved further, it is where it never is.
    columns = np.arange(32)
    rng = np.random.default_rng(0)
    places = rng.integers(15, 18, (300, 1, 1, 1))
    edges = 1 / (1 + np.exp(places - columns[None, None, :, None]))
    images = np.broadcast_to(edges, (300, 32, 32, 1)) + 0.02 * rng.standard_normal((300, 32, 32, 1))
    costs = linearity(np.round(255 * images.clip(0, 1)).astype(np.uint8), [4, 1]).shift_costs
    assert costs[1] < 0.5 * costs[4]
