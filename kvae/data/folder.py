"""Folders of image files."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from kvae.data.dataset import Dataset, Split, partitioned
from kvae.data.request import Request, absolute
from kvae.errors import KvaeError, first_line
from kvae.io import machine

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats by content. Pillow knows more, such as EPS, a program that it lets Ghostscript run."""
MAX_PIXELS = 2**26
"""The largest number of pixels of an image."""
_GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B"}


def load(request: Request) -> Dataset:
    """Load all images in a folder, or in its sub-folders, whose names are then the labels.

    If all images are grey, so is the dataset; otherwise all become RGB. Hidden files, and files
    without the suffix of an image, are skipped.

    Args:
        request: Its `name` is the path of the folder, its `seed` decides the splits.

    Raises:
        KvaeError: there are no images, one is damaged, or they have different sizes and the
            request has no `image_size`.
    """
    folder = absolute(request.name)
    paths, labels, label_names = _find(folder)
    size = request.image_size
    images: list[np.ndarray] = []
    grey = True
    for path in request.progress(paths, len(paths), f"reading {folder.name}"):
        image = read(path, size)
        if images and image.shape[:2] != images[0].shape[:2]:
            raise KvaeError(
                f"{path} is {_size(image)}, but {paths[0].name} is {_size(images[0])}: give "
                "`image_size=HEIGHTxWIDTH` to resize all of them"
            )
        if not images:
            machine.require_memory(
                2 * len(paths) * image.size,
                f"{len(paths):,} images of {_size(image)}",
                "give a smaller `image_size`",
            )
        grey = grey and image.shape[2] == 1
        images.append(image)
    if not grey:
        images = [np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image for image in images]
    return partitioned(
        str(folder),
        Split(np.stack(images), labels),
        request.seed,
        f"{len(images):,} images in the folder {folder.name}",
        label_names=label_names,
        image_size=size,
    )


def read(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read an image file.

    Args:
        path: The file.
        size: Height and width to resize to; None keeps the image as it is.

    Returns:
        uint8 `[height, width, channels]` with 1 or 3 channels.

    Raises:
        KvaeError: the file is not a whole image.
    """
    try:
        # Pillow warns about flaws of files that it can read.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(path, formats=FORMATS) as opened,
        ):
            if opened.width * opened.height > MAX_PIXELS:
                raise ValueError(
                    f"its {opened.width:,} x {opened.height:,} pixels are more than {MAX_PIXELS:,}"
                )
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):
                # A pixel has 16 bits; Pillow's own conversion would clip most of them to white.
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            image = image.convert("L" if image.mode in _GREY_MODES else "RGB")
    # Damaged files lead Pillow's decoders to errors of nearly every kind.
    except Exception as error:
        raise KvaeError(f"{path} is not a whole image: {first_line(error)}") from error
    return resize(np.asarray(image).reshape(image.height, image.width, -1), size)


def resize(image: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Resize an image.

    Args:
        image: uint8 `[height, width, channels]`.
        size: Height and width to resize to; None keeps the image as it is.
    """
    if size is None or image.shape[:2] == size:
        return image
    height, width = size
    squeezed = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    resized = squeezed.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized).reshape(height, width, -1)


def _find(folder: Path) -> tuple[list[Path], np.ndarray | None, Sequence[str]]:
    """The image files of a folder, their labels if they are in sub-folders, and the label names."""
    here = _images_in(folder)
    inside = {
        child.name: _images_in(child)
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".")
    }
    inside = {name: paths for name, paths in inside.items() if paths}
    if here and inside:
        raise KvaeError(
            f"{folder} has images both beside and inside its sub-folders ({', '.join(inside)}): "
            "put either all of them into sub-folders, whose names are labels, or none"
        )
    if here:
        return here, None, ()
    if not inside:
        raise KvaeError(
            f"there are no images in {folder} or in its sub-folders "
            f"(looked for {', '.join(sorted(SUFFIXES))})"
        )
    paths = [path for group in inside.values() for path in group]
    labels = np.repeat(np.arange(len(inside)), [len(group) for group in inside.values()])
    return paths, labels, tuple(inside)


def _images_in(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} x {image.shape[1]} pixels (height x width)"
