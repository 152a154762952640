"""Animations of how the images decoded from fixed latents change during training."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kvae.figures.grids import tile
from kvae.io.files import atomic_file

if TYPE_CHECKING:
    from PIL import Image

FRAME_MILLISECONDS = 120
LAST_MILLISECONDS = 2500
_STRIP = 18


def animation(frames: np.ndarray, epochs: np.ndarray) -> "list[Image.Image]":
    """One picture for each epoch: a grid of images, with the number of the epoch above it.

    Args:
        frames: The images of each epoch, uint8 `[epochs, count, height, width, channels]`.
        epochs: The number of each epoch, `[epochs]`.

    Returns:
        The pictures, in the order of the epochs.
    """
    from PIL import Image, ImageDraw

    pictures = []
    for images, epoch in zip(frames, epochs, strict=True):
        grid = tile(images / 255)
        height, width, channels = grid.shape
        mode = "L" if channels == 1 else "RGB"
        picture = Image.new(mode, (width, height + _STRIP), "white")
        picture.paste(Image.fromarray(grid[..., 0] if channels == 1 else grid), (0, _STRIP))
        ImageDraw.Draw(picture).text((6, 3), f"epoch {epoch}", fill="black")
        pictures.append(picture)
    return pictures


def save_gif(pictures: "list[Image.Image]", path: Path) -> None:
    """Write pictures as an animated GIF that repeats for ever. The write is atomic.

    Args:
        pictures: The frames, in order. The last one is shown for longer than the others.
        path: The file to write.
    """
    durations = [FRAME_MILLISECONDS] * (len(pictures) - 1) + [LAST_MILLISECONDS]
    with atomic_file(path) as scratch:
        pictures[0].save(
            scratch, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0
        )
