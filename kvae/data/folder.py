"""A folder of image files."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from kvae.data.dataset import Dataset, Split, partitioned
from kvae.data.request import Request, absolute
from kvae.errors import KvaeError
from kvae.io import machine

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""By content; Pillow knows others, among them programs that it has other programs run."""
MAX_PIXELS = 2**26
_GREY = {"1", "L", "LA", "I", "I;16", "I;16B"}


def load(request: Request) -> Dataset:
    """Every image in a folder, or in its sub-folders, whose names are then the labels.

    Images are grey if all of them are, otherwise all are read as RGB. Hidden files and files that
    are no images by their suffix are passed over.

    Raises:
        KvaeError: no images, a damaged one, or one of another size than the first.
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
                "--image-size HEIGHTxWIDTH to resize all of them"
            )
        if not images:
            machine.require_memory(
                2 * len(paths) * image.size,
                f"{len(paths):,} images of {_size(image)}",
                "give a smaller --image-size",
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
    """One image as uint8 `[height, width, 1 or 3]`, resized to `size` (height, width) if given.

    Raises:
        KvaeError: the file is not a whole image.
    """
    try:
        # Pillow warns of what it then reads anyway.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(path, formats=FORMATS) as opened,
        ):
            if opened.width * opened.height > MAX_PIXELS:
                raise ValueError(
                    f"it says that it has {opened.width:,} x {opened.height:,} pixels, which is "
                    f"more than {MAX_PIXELS:,}"
                )
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):
                # 16 bits a pixel; Pillow's own conversion would clip them all to white.
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            image = image.convert("L" if image.mode in _GREY else "RGB")
    # Damaged files lead Pillow's decoders to errors of nearly every kind.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise KvaeError(f"{path} is not a whole image: {reason}") from error
    return resize(np.asarray(image).reshape(image.height, image.width, -1), size)


def resize(image: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """uint8 `[height, width, channels]` resized to `size` (height, width); None leaves it."""
    if size is None or image.shape[:2] == size:
        return image
    height, width = size
    squeezed = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    resized = squeezed.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized).reshape(height, width, -1)


def _find(folder: Path) -> tuple[list[Path], np.ndarray | None, Sequence[str]]:
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
            "put all of them in sub-folders, which are labels, or none"
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
