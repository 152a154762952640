"""Grids of images, as arrays in which no pixel is blurred."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from kvae.io.files import atomic_file

TILE = 56
GAP = 2
LARGEST = 112
CAPTION = 16
BETWEEN = 190
BACKGROUND = 255


def tile(
    images: np.ndarray, columns: int | None = None, background: int = BACKGROUND
) -> np.ndarray:
    """Arrange images in a grid, row by row.

    Each image is enlarged so that its longer side has about 56 pixels.

    Args:
        images: Floats in [0, 1], `[count, height, width, channels]`.
        columns: How many images a row has; by default as many as make the grid square.
        background: The grey level between the images, by default white.

    Returns:
        The grid as uint8, `[height, width, 1]` of grey images and else `[height, width, 3]`.
    """
    images = visible(images)
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    scale = max(1, round(TILE / max(height, width)))
    # The scale is a whole number, so that no pixel is blurred.
    enlarged = to_uint8(images).repeat(scale, axis=1).repeat(scale, axis=2)
    high, wide = height * scale + GAP, width * scale + GAP
    grid = np.full((rows * high + GAP, columns * wide + GAP, channels), background, np.uint8)
    for index, image in enumerate(enlarged):
        top, left = index // columns * high + GAP, index % columns * wide + GAP
        grid[top : top + height * scale, left : left + width * scale] = image
    return grid


def visible(images: np.ndarray) -> np.ndarray:
    """The channels of images that can be drawn, in grey or in red, green and blue.

    Args:
        images: `[count, height, width, channels]`. Of more than three channels, the first three
            are red, green and blue; two are red and green.

    Returns:
        `[count, height, width, 1]` or `[count, height, width, 3]`.
    """
    channels = images.shape[3]
    if channels == 2:
        return np.concatenate([images, np.zeros_like(images[..., :1])], axis=3)
    return images if channels in (1, 3) else images[..., :3]


def pairs(above: np.ndarray, below: np.ndarray, columns: int = 10) -> np.ndarray:
    """Arrange pairs of images in a grid, such as inputs with their reconstructions below them.

    Args:
        above: The upper image of each pair, floats in [0, 1], `[count, height, width, channels]`.
        below: The lower image of each pair, in the same shape.
        columns: How many pairs stand side by side.

    Returns:
        The grid as uint8, `[height, width, 1]` of grey images and else `[height, width, 3]`.
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


def colours(count: int) -> np.ndarray:
    """A colour for each of some things that have no order, float32 `[count, 3]` in [0, 1].

    Neighbouring numbers have very different hues.

    Args:
        count: How many colours there are.
    """
    numbers = np.arange(count)
    # Multiples of the golden ratio fall evenly into [0, 1).
    hues = numbers * (np.sqrt(5) - 1) / 2 % 1
    value, saturation = 0.55 + 0.45 * (numbers % 3) / 2, 0.5 + 0.5 * (numbers % 2)
    distances = np.abs((6 * hues[:, None] + np.array([0, 4, 2])) % 6 - 3) - 1
    pure = np.clip(distances, 0, 1)
    return (value[:, None] * (1 - saturation[:, None] * (1 - pure))).astype(np.float32)


def sheet(groups: Mapping[str, np.ndarray], columns: int = 12, rows: int = 3) -> np.ndarray:
    """Arrange some images of each of several groups below a line with the group's name.

    Args:
        groups: uint8 `[count, height, width, channels]` by name. The images of all groups have one
            shape. Of a group of more images than fit, those at even distances are shown.
        columns: How many images a row has.
        rows: How many rows a group has at most.

    Returns:
        The sheet as uint8, `[height, width, 1]` of grey images and else `[height, width, 3]`.
    """
    parts = []
    for name, images in groups.items():
        images = visible(images)
        count = min(columns * rows, len(images))
        some = images[np.linspace(0, len(images) - 1, count).round().astype(int)]
        longer = max(some.shape[1:3])
        if longer > LARGEST:
            # Large photographs are shrunk, for the whole sheet to fit on a screen.
            height, width = (max(1, round(side * LARGEST / longer)) for side in some.shape[1:3])
            some = np.stack([_shrunk(image, height, width) for image in some])
        # Neither black nor white, on which the edges of some pictures could not be seen.
        grid = tile(some / np.float32(255), columns, background=BETWEEN)
        line = Image.new("L", (grid.shape[1], CAPTION), BETWEEN)
        ImageDraw.Draw(line).text((GAP, GAP), name, fill=0)
        caption = np.repeat(np.asarray(line)[..., None], grid.shape[2], axis=2)
        parts += [caption, grid]
    return np.concatenate(parts)


def _shrunk(image: np.ndarray, height: int, width: int) -> np.ndarray:
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    small = picture.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(small).reshape(height, width, -1)


def sprite(images: np.ndarray) -> np.ndarray:
    """Arrange images in a square without gaps, the format of thumbnails in TensorBoard's Projector.

    Args:
        images: Floats in [0, 1], `[count, height, width, channels]`.

    Returns:
        The square as uint8, `[height, width, 1]` of grey images and else `[height, width, 3]`;
        places without an image are black.
    """
    images = visible(images)
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
