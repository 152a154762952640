"""Images as a page shows them: in URIs that hold the image itself, enlarged without blur."""

import base64
import html
import io
import math

import numpy as np
from PIL import Image

from kvae.figures.grids import visible

SMALL = 1024
"""Images of more pixels than this are JPEG where thousands of them are in a page."""
LONGEST = 64
"""The longer side of such an image, in pixels, at most."""


def uri(image: np.ndarray) -> str:
    """The URI of an image, which holds it as a PNG.

    Args:
        image: uint8 `[height, width, channels]`.
    """
    return _uri(_picture(image), "PNG", compress_level=1)


def thumbnails(images: np.ndarray) -> list[str]:
    """The URIs of many images.

    Small images are PNG. Larger ones are JPEG with a longer side of at most 64 pixels, so that
    thousands of them are a few megabytes.

    Args:
        images: uint8 `[count, height, width, channels]`.
    """
    if math.prod(images.shape[1:3]) <= SMALL:
        return [_uri(_picture(image), "PNG") for image in images]
    found = []
    for image in images:
        picture = _picture(image)
        picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
        found.append(_uri(picture, "JPEG", quality=90, subsampling=0))
    return found


def tag(source: str, shape: tuple[int, ...], side: int, about: str = "") -> str:
    """The HTML of an image, enlarged by a whole number so that no pixel is blurred.

    Args:
        source: Its URI.
        shape: Its height and width, and whatever follows them.
        side: The longer side on the page, in pixels, at most.
        about: What the image shows.
    """
    height, width = displayed(shape, side)
    return (
        f'<img src="{source}" width="{width}" height="{height}" alt="{html.escape(about)}" '
        'style="image-rendering: pixelated; display: block" draggable="false">'
    )


def displayed(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """The height and the width on the page of an image.

    Args:
        shape: Its height and width, and whatever follows them.
        side: The longer side on the page, in pixels, at most.
    """
    longer = max(shape[:2])
    scale = side // longer if longer <= side else side / longer
    return max(1, round(scale * shape[0])), max(1, round(scale * shape[1]))


def _picture(image: np.ndarray) -> Image.Image:
    pixels = visible(image[None])[0]
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _uri(picture: Image.Image, form: str, **options: int) -> str:
    content = io.BytesIO()
    picture.save(content, form, **options)
    data = base64.b64encode(content.getvalue()).decode("ascii")
    return f"data:image/{form.lower()};base64,{data}"
