"""Grids of images, pixel for pixel."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from kvae.io.files import whole_file

TILE = 56
GAP = 2
BACKGROUND = 255


def tile(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Images side by side, row by row, each enlarged to about 56 pixels, on white.

    Args:
        images: Floats in [0, 1], `[count, height, width, channels]` with 1 or 3 channels.
        columns: Images a row; by default as many as make the grid square.

    Returns:
        uint8 `[height, width, channels]`.
    """
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    scale = max(1, round(TILE / max(height, width)))
    # Whole multiples, so that no pixel is blurred.
    enlarged = to_uint8(images).repeat(scale, axis=1).repeat(scale, axis=2)
    high, wide = height * scale + GAP, width * scale + GAP
    grid = np.full((rows * high + GAP, columns * wide + GAP, channels), BACKGROUND, np.uint8)
    for index, image in enumerate(enlarged):
        top, left = index // columns * high + GAP, index % columns * wide + GAP
        grid[top : top + height * scale, left : left + width * scale] = image
    return grid


def pairs(above: np.ndarray, below: np.ndarray, columns: int = 10) -> np.ndarray:
    """Images with others below them, such as inputs and their reconstructions.

    Args:
        above: Floats in [0, 1], `[count, height, width, channels]`.
        below: Likewise.
        columns: Pairs a row.
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
    """A square sheet of images without gaps, as TensorBoard's Projector wants its thumbnails.

    Args:
        images: Floats in [0, 1], `[count, height, width, channels]`.
    """
    count, height, width, channels = images.shape
    side = math.ceil(math.sqrt(count))
    sheet = np.zeros((side * side, height, width, channels), np.uint8)
    sheet[:count] = to_uint8(images)
    rows = sheet.reshape(side, side, height, width, channels).swapaxes(1, 2)
    return rows.reshape(side * height, side * width, channels)


def manifold_latents(side: int) -> np.ndarray:
    """Two-dimensional latents on a grid that holds equal shares of N(0, I) between its lines.

    Kingma & Welling (2014), Figure 4: the inverse normal CDF of an even grid in the unit square.

    Returns:
        float32 `[side * side, 2]`, row by row: the first dimension grows to the right, the second
        upwards.
    """
    from scipy.special import ndtri

    even = ndtri((np.arange(side) + 0.5) / side)
    first, second = np.meshgrid(even, even[::-1])
    return np.stack([first.ravel(), second.ravel()], axis=1).astype(np.float32)


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Floats in [0, 1] as uint8, rounded to the nearest grey level."""
    return np.round(np.clip(images, 0, 1) * 255).astype(np.uint8)


def save_png(image: np.ndarray, path: Path) -> None:
    """Write uint8 `[height, width, 1 or 3]` as PNG, whole or not at all."""
    with whole_file(path) as scratch:
        Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(scratch, "PNG")
