"""Image files, read as an image viewer shows them."""

import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps

from kvae.data.levels import BITS, white_level
from kvae.errors import KvaeError, first_line

SUFFIXES = {
    ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm",
    ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
}  # fmt: skip
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Formats by content. Pillow knows more, such as EPS, a program that it lets Ghostscript run."""
OTHER_SUFFIXES = {
    ".cr2", ".dcm", ".dng", ".exr", ".hdr", ".heic", ".heif", ".ico", ".jxl", ".nef", ".pdf",
    ".psd", ".raw", ".svg", ".tga",
}  # fmt: skip
"""Suffixes of images that are not read."""
MAX_PIXELS = 2**26
"""The largest number of pixels of an image."""
TRANSPARENT = "transparent pixels are shown on white"
NO_PROFILE = "colours for print (CMYK) are converted without a profile"
PREVIEWS = "only the first image of files with previews is used"
GAMMA = "the gamma that PNG files state is applied"

# Tags of TIFF.
_SUBFILE, _BITS, _PHOTOMETRIC, _MAX_VALUE = 254, 258, 262, 281


class DamagedError(KvaeError):
    """A file is not a whole image."""


@dataclass
class Picture:
    """A picture from a file, or from one of its pages.

    Attributes:
        pixels: `[height, width, channels]` with 1 or 3 channels: uint8; or, from files with deeper
            pixels, float32 with one channel whose range is not known until all files are read.
        file: The name of the file, and the number of the page if there are several.
        notes: What was assumed, in words.
        low: The lowest pixel.
        high: The highest pixel.
        white: The number that the file says is white; None if it says nothing.
        is_float: Whether the file has floating-point pixels.
        is_whole: Whether all pixels are whole numbers.
        is_inverted: Whether 0 is white.
        gamma: The exponent that remains to be applied to pixels between 0 and 1.
        is_cut: Whether the file has 16 bits a channel, of which the upper 8 were read.
    """

    pixels: np.ndarray
    file: str
    notes: set[str]
    low: float = 0
    high: float = 255
    white: float | None = 255
    is_float: bool = False
    is_whole: bool = True
    is_inverted: bool = False
    gamma: float = 1.0
    is_cut: bool = False

    @property
    def is_deep(self) -> bool:
        """Whether the pixels are not uint8 yet."""
        return self.pixels.dtype != np.uint8


def read(path: Path, name: str, size: tuple[int, int] | None = None) -> Iterator[Picture]:
    """Read the pictures of an image file: one, or one for each page or frame.

    Args:
        path: The file.
        name: What the file is called in `Picture.file`.
        size: Height and width to resize to; None keeps the pictures as they are.

    Raises:
        DamagedError: the file is not a whole image.
    """
    try:
        # Pillow warns about flaws of files that it can read.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(path, formats=FORMATS) as opened,
        ):
            frames = getattr(opened, "n_frames", 1)
            # The further images of a MPO, as phones write them, are previews or depths.
            pages = range(1 if opened.format == "MPO" else frames)
            for page in pages:
                opened.seek(page)
                if opened.width * opened.height > MAX_PIXELS:
                    raise ValueError(
                        f"its {opened.width:,} x {opened.height:,} pixels are more than "
                        f"{MAX_PIXELS:,}"
                    )
                if page and _tags(opened).get(_SUBFILE, 0) & 1:
                    continue  # A thumbnail of another page.
                picture = _picture(opened, size)
                picture.file = f"{name}, page {page + 1}" if len(pages) > 1 else name
                if len(pages) < frames:
                    picture.notes.add(PREVIEWS)
                yield picture
    # Damaged files lead Pillow's decoders to errors of nearly every kind.
    except Exception as error:
        raise DamagedError(f"{path} is not a whole image: {first_line(error)}") from error


def _tags(opened: Any) -> Any:
    """The tags of a TIFF by number; empty for other formats."""
    return opened.tag_v2 if opened.format == "TIFF" else {}


def _picture(opened: Any, size: tuple[int, int] | None) -> Picture:
    notes: set[str] = set()
    tags = _tags(opened)
    mode = str(opened.tile[0][3]) if opened.tile and opened.format == "PNG" else ""
    info: dict[str, Any] = dict(opened.info)
    gamma = 1.0
    if opened.format == "PNG" and "gamma" in info and not {"srgb", "icc_profile"} & info.keys():
        # Screens have a gamma of 2.2. Files for them state 1 / 2.2, nearly.
        gamma = 1 / (2.2 * info["gamma"]) if info["gamma"] > 0 else 1.0
        gamma = 1.0 if abs(gamma - 1) < 0.05 else gamma
    image = ImageOps.exif_transpose(opened)
    if image.mode[0] in "IF":
        return _deep(image, opened.format, tags, gamma, size)
    image = _coloured(image, info, notes)
    if gamma != 1:
        notes.add(GAMMA)
        levels = np.round(255 * (np.arange(256) / 255) ** gamma).astype(int).tolist()
        image = image.point(levels * len(image.getbands()))
    if size and (image.height, image.width) != size:
        image = image.resize((size[1], size[0]), Image.Resampling.LANCZOS)
    pixels = np.asarray(image).reshape(image.height, image.width, -1)
    if pixels.shape[2] == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    bits = int(np.max(tags.get(_BITS, 8)))
    is_cut = image.mode == "RGB" and (";16" in mode or bits > 8)
    return Picture(pixels, "", notes, int(pixels.min()), int(pixels.max()), is_cut=is_cut)


def _coloured(image: Image.Image, info: dict[str, Any], notes: set[str]) -> Image.Image:
    """The image in mode L or RGB."""
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in info:
        with_alpha = image.convert("RGBA")
        if np.asarray(with_alpha)[..., 3].min() < 255:
            notes.add(TRANSPARENT)
            white = Image.new("RGBA", image.size, "white")
            with_alpha = Image.alpha_composite(white, with_alpha)
        image = with_alpha.convert("RGB")
    profile = info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK"):
        image = _managed(image, profile)
    if image.mode == "CMYK":
        notes.add(NO_PROFILE)
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _managed(image: Image.Image, profile: bytes) -> Image.Image:
    """The image in sRGB, if its colours are by another profile that can be read."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "RGB" and "srgb" in ImageCms.getProfileDescription(source).lower():
            return image
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, target, outputMode="RGB") or image
    # Viewers ignore a profile that is damaged, too.
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


def _deep(
    image: Image.Image, form: str, tags: Any, gamma: float, size: tuple[int, int] | None
) -> Picture:
    """A picture of one channel whose pixels have more than 8 bits."""
    pixels = np.asarray(image).astype(np.float32)
    low, high = float(pixels.min()), float(pixels.max())
    is_whole = bool((pixels == np.round(pixels)).all())
    if not np.isfinite([low, high]).all():
        raise ValueError("it has pixels that are not finite (NaN or infinity)")
    bits = int(np.ravel(tags.get(_BITS, (16,)))[0])
    white: float | None = None
    if image.mode != "F":
        if form == "PPM":
            white = 65535  # Pillow scales them to that.
        elif bits in (10, 12, 14):
            white = 2**bits - 1
        elif tags.get(_MAX_VALUE):
            white = float(np.ravel(tags[_MAX_VALUE])[0])
    if size and (image.height, image.width) != size:
        resized = Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.LANCZOS)
        pixels = np.clip(np.asarray(resized), low, high)
    return Picture(
        pixels[..., None], "", set(), low, high, white, image.mode == "F", is_whole,
        tags.get(_PHOTOMETRIC) == 0, gamma,
    )  # fmt: skip


def levels_together(pictures: Sequence[Picture], where: str) -> list[str]:
    """Convert the deep pixels of pictures that belong together to uint8, all by one rule.

    White is what a file says. Where it says nothing, it is found from the pixels of all such files,
    as `kvae.data.levels` does; pixels of other ranges are black at 0, or at the lowest if that is
    below 0, and white at the highest.

    Args:
        pictures: The pictures, whose pixels are replaced.
        where: Where they are from, for error messages.

    Returns:
        What was assumed, in words.

    Raises:
        KvaeError: Files have 16 bits a channel, and none of them uses the upper bits.
    """
    cut = [picture for picture in pictures if picture.is_cut]
    if cut and max(picture.high for picture in cut) < 64:
        raise KvaeError(
            f"{cut[0].file} in {where} has 16 bits a channel, of which the upper 8 are read, and "
            "these are next to black in all such files: save them with 8 bits a channel"
        )
    notes = set().union(*(picture.notes for picture in pictures))
    masks = [picture for picture in pictures if not picture.is_deep]
    if masks and max(picture.high for picture in masks) == 1:
        notes.add("pixels are 0 and 1, read as black and white")
        for picture in masks:
            picture.pixels = picture.pixels * np.uint8(255)
    for is_float in False, True:
        said = [p for p in pictures if p.is_deep and p.is_float == is_float]
        unsaid = [picture for picture in said if picture.white is None]
        black, white = 0.0, 1.0
        if unsaid:
            black, white, note = _range(unsaid, is_float)
            notes |= {note} if note else set()
        for picture in said:
            ends = (black, white) if picture.white is None else (0.0, picture.white)
            shares = (picture.pixels - ends[0]) / (ends[1] - ends[0])
            shares = np.clip(1 - shares if picture.is_inverted else shares, 0, 1)
            if picture.gamma != 1:
                notes.add(GAMMA)
                shares **= picture.gamma
            picture.pixels = np.round(255 * shares).astype(np.uint8)
    return sorted(notes)


def _range(pictures: Sequence[Picture], is_float: bool) -> tuple[float, float, str]:
    """The numbers that are black and white, and what was assumed, in words."""
    low, high = min(p.low for p in pictures), max(p.high for p in pictures)
    kind = "floating-point" if is_float else "deep"
    if is_float and 0 <= low <= high <= 1:
        return 0, 1, ""
    # Fractions up to 4, say, are brightnesses, and no grey levels next to black.
    if 0 <= low <= high < 2 ** BITS[-1] and (all(p.is_whole for p in pictures) or high >= 128):
        white, _ = white_level(low, high, np.dtype(int), "the files")
        bits = 1 if white == 1 else int(white + 1).bit_length() - 1
        note = "" if bits == 16 else f"{kind} pixels are up to {high:g}, read as {bits}-bit"
        return 0, white, note
    low = min(0, low)
    note = f"{kind} pixels are from {low:g} (shown black) to {high:g} (shown white)"
    return low, high if high > low else low + 1, note


def resize(image: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Resize an image.

    Args:
        image: uint8 `[height, width, channels]`.
        size: Height and width to resize to; None keeps the image as it is.
    """
    if size is None or image.shape[:2] == size:
        return image
    height, width = size
    if image.shape[2] == 3:
        picture = Image.fromarray(image)
        return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
    channels = [Image.fromarray(image[..., channel]) for channel in range(image.shape[2])]
    resized = [each.resize((width, height), Image.Resampling.LANCZOS) for each in channels]
    return np.stack([np.asarray(each) for each in resized], axis=2)


def resize_all(images: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Resize images of one size.

    Args:
        images: uint8 `[count, height, width, channels]`.
        size: Height and width to resize to; None keeps the images as they are.
    """
    if size is None or images.shape[1:3] == size:
        return images
    return np.stack([resize(image, size) for image in images])
