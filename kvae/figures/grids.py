"""Grids of images, as arrays in which no pixel is blurred."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from kvae.io.files import atomic_file

TILE = 56
GAP = 2
BACKGROUND = 255


def tile(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Arrange images in a grid on a white background, row by row.

    Each image is enlarged so that its longer side has about 56 pixels.

    Args:
        images: Floats in [0, 1], `[count, height, width, channels]` with 1 or 3 channels.
        columns: How many images a row has; by default as many as make the grid square.

    Returns:
        The grid as uint8, `[height, width, channels]`.
    """
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    scale = max(1, round(TILE / max(height, width)))
    # The scale is a whole number, so that no pixel is blurred.
    enlarged = to_uint8(images).repeat(scale, axis=1).repeat(scale, axis=2)
    high, wide = height * scale + GAP, width * scale + GAP
    grid = np.full((rows * high + GAP, columns * wide + GAP, channels), BACKGROUND, np.uint8)
    for index, image in enumerate(enlarged):
        top, left = index // columns * high + GAP, index % columns * wide + GAP
        grid[top : top + height * scale, left : left + width * scale] = image
    return grid


def pairs(above: np.ndarray, below: np.ndarray, columns: int = 10) -> np.ndarray:
    """Arrange pairs of images in a grid, such as inputs with their reconstructions below them.

    Args:
        above: The upper image of each pair, floats in [0, 1], `[count, height, width, channels]`.
        below: The lower image of each pair, in the same shape.
        columns: How many pairs stand side by side.

    Returns:
        The grid as uint8, `[height, width, channels]`.
    """
    blank = np.ones((-len(above) % columns, *above.shape[1:]), above.dtype)
    columns = min(columns, len(above))
    if len(above) <= columns:
        return tile(np.concatenate([above, below]), columns)
    rows = [
        np.concatenate([images, blank]).reshape(-1, columns, *images.shape[1:])
        for images in (above, below)
    ]
    return tile(np.concatenate(rows, axis=1).reshape(-1, *above.shape[1:]), columns)


def sprite(images: np.ndarray) -> np.ndarray:
    """Arrange images in a square without gaps, the format of thumbnails in TensorBoard's Projector.

    Args:
        images: Floats in [0, 1], `[count, height, width, channels]`.

    Returns:
        The square as uint8, `[height, width, channels]`; places without an image are black.
    """
    count, height, width, channels = images.shape
    side = math.ceil(math.sqrt(count))
    sheet = np.zeros((side * side, height, width, channels), np.uint8)
    sheet[:count] = to_uint8(images)
    rows = sheet.reshape(side, side, height, width, channels).swapaxes(1, 2)
    return rows.reshape(side * height, side * width, channels)


def manifold_latents(side: int) -> np.ndarray:
    """A grid of two-dimensional latents that covers N(0, I) evenly.

    The grid is even in the unit square, and the inverse normal CDF maps it to latents, as in
    Kingma & Welling (2014), Figure 4.

    Args:
        side: How many latents a row and a column have.

    Returns:
        The latents as float32, `[side * side, 2]`, row by row. The first dimension grows to the
        right, the second upwards.
    """
    from scipy.special import ndtri

    even = ndtri((np.arange(side) + 0.5) / side)
    first, second = np.meshgrid(even, even[::-1])
    return np.stack([first.ravel(), second.ravel()], axis=1).astype(np.float32)


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Convert floats in [0, 1] to uint8, rounded to the nearest grey level.

    Args:
        images: An array of any shape; values outside [0, 1] are clipped.
    """
    return np.round(np.clip(images, 0, 1) * 255).astype(np.uint8)


def save_png(image: np.ndarray, path: Path) -> None:
    """Write an image as a PNG file. The write is atomic.

    Args:
        image: uint8, `[height, width, channels]` with 1 or 3 channels.
        path: The file to write.
    """
    with atomic_file(path) as scratch:
        Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(scratch, "PNG")
