"""Which numbers are black and white: pixels of any type become 256 grey levels, by one rule."""

from collections.abc import Sequence

import numpy as np

from kvae.errors import KvaeError

BITS = (8, 10, 12, 14, 16)
"""The numbers of bits that cameras and scanners give a pixel."""


def white_level(low: float, high: float, dtype: np.dtype, where: str) -> tuple[float, str]:
    """The number that stands for white, where 0 stands for black.

    Booleans and integers of 0 and 1 are masks: 1 is white. Other integers are white at the largest
    number of the fewest bits, of 8, 10, 12, 14 or 16, that have room for all of them. Floats are
    white at 1.

    Args:
        low: The lowest pixel of all images that are read together.
        high: The highest.
        dtype: The type of the pixels.
        where: What the pixels are, for error messages.

    Returns:
        The number, and what was assumed, in words; empty where nothing is doubtful.

    Raises:
        KvaeError: There are other pixels than such.
    """
    if dtype.kind == "b":
        return 1, ""
    if dtype.kind == "f":
        if not np.isfinite([low, high]).all():
            raise KvaeError(f"{where} has pixels that are not finite (NaN or infinity)")
        if low < 0 or high > 1:
            raise KvaeError(
                f"{where} has pixels from {low:g} to {high:g}; {dtype} pixels must be within 0 and "
                f"1{_advice(low, high)}"
            )
        return 1, ""
    if low < 0 or high >= 2 ** BITS[-1]:
        raise KvaeError(
            f"{where} has pixels from {low} to {high}; {dtype} pixels must be within 0 and 255, "
            "or 65535 where they have 16 bits"
        )
    if high <= 1:
        return 1, "pixels are 0 and 1, read as black and white" if high else ""
    bits = next(bits for bits in BITS if high < 2**bits)
    return 2**bits - 1, "" if bits == 8 else f"pixels are up to {high:,}, read as {bits}-bit"


def _advice(low: float, high: float) -> str:
    if low >= 0 and 127 < high <= 255:
        return ": divide them by 255"
    if low >= 0 and high <= 65535:
        return ": divide them by the number that is white"
    if low >= -1 and high <= 1:
        return ": add 1 and divide by 2, if black is -1"
    return ""


def to_levels(images: np.ndarray, white: float) -> np.ndarray:
    """Convert pixels to uint8, from 0 (black) to 255 (white).

    Args:
        images: Numbers from 0 to `white`, of any shape.
        white: What `white_level` returned.
    """
    if images.dtype == np.uint8 and white == 255:
        return images
    if images.dtype.kind != "f" and white in (1, 255):
        return images.astype(np.uint8) * np.uint8(255 // white)
    # Some images at a time: floats of all of them would take eight times the memory.
    levels = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), 1000):
        some = slice(start, start + 1000)
        levels[some] = np.round(images[some] * (255 / white))
    return levels


def as_pixels(images: np.ndarray) -> np.ndarray:
    """Convert an array to the pixels that `kvae.data.Split` takes.

    Args:
        images: Booleans, floats from 0 to 1, or whole numbers that are 0 and 1, or of 8 to 16 bits,
            of shape `[count, height, width]` or `[count, height, width, channels]` with 1 or 3
            channels, or with fewer channels than pixels on either side.

    Returns:
        uint8 `[count, height, width, channels]`, from 0 (black) to 255 (white).

    Raises:
        KvaeError: The array has another shape, type or range, or pixels that are not finite.
    """
    (found,), _ = together({"the array": images})
    return found


def together(arrays: dict[str, np.ndarray]) -> tuple[list[np.ndarray], Sequence[str]]:
    """Convert arrays that belong together, such as the splits of a dataset, by the same rule.

    Args:
        arrays: What `as_pixels` takes, by what each is, for error messages.

    Returns:
        uint8 `[count, height, width, channels]` of each array, and what was assumed, in words.

    Raises:
        KvaeError: An array has another shape, type or range, or pixels that are not finite.
    """
    shaped = {where: shape_of_images(images, where) for where, images in arrays.items()}
    first = next(iter(shaped.values())).dtype
    for where, images in shaped.items():
        # Each by itself first, so that an error says which.
        white_level(images.min(), images.max(), images.dtype, where)
        if _sort(images.dtype) != _sort(first):
            raise KvaeError(f"{where} is of {images.dtype}, but {next(iter(shaped))} of {first}")
    low = min(images.min() for images in shaped.values())
    high = max(images.max() for images in shaped.values())
    white, note = white_level(low, high, first, "the dataset")
    return [to_levels(images, white) for images in shaped.values()], [note] if note else []


def _sort(dtype: np.dtype) -> str:
    return "i" if dtype.kind == "u" else dtype.kind


def _has_channels_last(shape: tuple[int, ...]) -> bool:
    if len(shape) != 4 or 0 in shape[1:]:
        return False
    # Any number of channels would be right for an array whose channels are not on the last axis.
    return shape[3] in (1, 3) or shape[3] < min(shape[1:3])


def shape_of_images(images: np.ndarray, where: str) -> np.ndarray:
    """Give an array of images an axis of channels, if it has none.

    Args:
        images: `[count, height, width]` or `[count, height, width, channels]`.
        where: What the array is, for error messages.

    Raises:
        KvaeError: The array has another shape, is empty, or holds other things than numbers.
    """
    if images.ndim == 3:
        images = images[..., None]
    if not _has_channels_last(images.shape):
        shape = " x ".join(map(str, images.shape)) or "a single number"
        is_first = images.ndim == 4 and images.shape[1] < min(images.shape[2:])
        hint = ": move the channels to the last axis" if is_first else ""
        if images.ndim == 2:
            hint = ": a table of numbers is a .csv file, or a .npy file of floats"
        raise KvaeError(
            f"{where} must be [count, height, width] or [count, height, width, channels], with 1 "
            "or 3 channels or with fewer channels than pixels on either side, but is "
            f"{shape}{hint}"
        )
    if len(images) == 0:
        raise KvaeError(f"{where} has no images")
    if images.dtype.kind not in "biuf":
        raise KvaeError(f"{where} must hold numbers, but its type is {images.dtype}")
    return images
