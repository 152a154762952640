"""Image files of every kind are read as a viewer shows them."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

import kvae
from kvae.errors import KvaeError

COUNT, HEIGHT, WIDTH = 12, 6, 5
GREY = np.random.default_rng(0).integers(0, 256, (COUNT, HEIGHT, WIDTH), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (COUNT, HEIGHT, WIDTH, 3), np.uint8)


def everything(path, **options):
    """All images of a dataset in the order of its files, and the dataset."""
    dataset = kvae.data.load(path, **options)
    splits = [dataset.train, dataset.validation, dataset.test]
    images = np.concatenate([split.images for split in splits])
    files = np.concatenate([split.files for split in splits])
    return images[np.argsort(files)], dataset


def folder_of(path, pictures, suffix="png", **options):
    path.mkdir(exist_ok=True)
    for index, picture in enumerate(pictures):
        picture.save(path / f"{index:02}.{suffix}", **options)
    return path


def with_alpha(mode):
    """Black ink whose shape is in the alpha channel."""
    channels = 2 if mode == "LA" else 4
    images = np.zeros((COUNT, HEIGHT, WIDTH, channels), np.uint8)
    images[..., -1] = GREY
    return [Image.fromarray(image, mode) for image in images]


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_shown_on_white(mode, suffix, tmp_path):
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    if suffix == "webp" and mode == "LA":
        mode = "RGBA"
    images, dataset = everything(folder_of(tmp_path, with_alpha(mode), suffix, **options))
    np.testing.assert_array_equal(images[..., 0], 255 - GREY)
    assert dataset.image_shape == (HEIGHT, WIDTH, 1)
    assert dataset.notes == ("transparent pixels are shown on white",)


def test_an_alpha_channel_that_hides_nothing_is_not_mentioned(tmp_path):
    opaque = np.dstack([COLOUR[0], np.full((HEIGHT, WIDTH), 255, np.uint8)])
    images, dataset = everything(folder_of(tmp_path, [Image.fromarray(opaque)] * 2 + [
        Image.fromarray(image) for image in COLOUR
    ]))  # fmt: skip
    np.testing.assert_array_equal(images[0], COLOUR[0])
    assert dataset.notes == ()


def test_transparency_of_palettes_and_of_one_grey_level(tmp_path):
    for name, mode in ("palette", "P"), ("grey", "L"):
        pictures = [Image.fromarray(image).convert(mode) for image in GREY]
        if mode == "P":
            for picture in pictures:
                picture.putpalette([level for level in range(256) for _ in range(3)])
        path = folder_of(tmp_path / name, pictures, transparency=int(GREY[0, 0, 0]))
        images, dataset = everything(path)
        expected = np.where(GREY[0, 0, 0] == GREY, 255, GREY)
        np.testing.assert_array_equal(images[..., 0], expected)
        assert dataset.notes == ("transparent pixels are shown on white",)


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA"])
def test_grey_is_one_channel_however_it_is_stored(mode, tmp_path):
    pictures = [Image.fromarray(image).convert("RGB").convert(mode) for image in GREY]
    if mode == "P":
        pictures = [Image.fromarray(image) for image in GREY]
        for picture in pictures:
            picture.putpalette([level for level in range(256) for _ in range(3)])
    images, dataset = everything(folder_of(tmp_path, pictures))
    assert dataset.image_shape == (HEIGHT, WIDTH, 1)
    np.testing.assert_array_equal(images[..., 0], GREY)


def test_one_colour_picture_makes_all_of_a_folder_colour(tmp_path):
    pictures = [Image.fromarray(image).convert("RGB") for image in GREY[:-1]]
    images, _ = everything(folder_of(tmp_path, [*pictures, Image.fromarray(COLOUR[0])]))
    np.testing.assert_array_equal(images[-1], COLOUR[0])
    np.testing.assert_array_equal(images[0], np.repeat(GREY[0, ..., None], 3, axis=2))


def test_palettes_of_colours(tmp_path):
    levels = np.random.default_rng(2).integers(0, 256, (256, 3), np.uint8)
    pictures = [Image.fromarray(image) for image in GREY]
    for picture in pictures:
        picture.putpalette(levels.tobytes())
    images, _ = everything(folder_of(tmp_path, pictures))
    np.testing.assert_array_equal(images, levels[GREY])


@pytest.mark.parametrize(
    ("bits", "note"),
    [
        (10, "deep pixels are up to 1023, read as 10-bit"),
        (12, "deep pixels are up to 4095, read as 12-bit"),
        (14, "deep pixels are up to 16383, read as 14-bit"),
        (16, None),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_of_more_than_eight_bits(bits, note, suffix, tmp_path):
    white = 2**bits - 1
    deep = np.random.default_rng(3).integers(0, white + 1, GREY.shape).astype(np.uint16)
    # One rule for all files: most of them do not reach white.
    deep[0, 0, 0], deep[1:] = white, deep[1:] // 3
    images, dataset = everything(folder_of(tmp_path, map(Image.fromarray, deep), suffix))
    np.testing.assert_array_equal(images[..., 0], np.round(deep / white * 255))
    assert dataset.notes == (() if note is None else (note,))


def test_big_endian_tiff_and_pgm_say_where_white_is(tmp_path):
    deep = np.random.default_rng(3).integers(0, 1000, GREY.shape).astype(np.uint16)
    (tmp_path / "pgm").mkdir()
    for index, image in enumerate(deep):
        content = f"P5 {WIDTH} {HEIGHT} 1000\n".encode() + image.astype(">u2").tobytes()
        (tmp_path / "pgm" / f"{index:02}.pgm").write_bytes(content)
    images, dataset = everything(tmp_path / "pgm")
    np.testing.assert_allclose(images[..., 0], deep / 1000 * 255, atol=0.51)
    assert dataset.notes == ()


@pytest.mark.parametrize(
    ("floats", "expected", "note"),
    [
        (GREY / np.float32(255), GREY, None),
        (GREY.astype(np.float32), GREY, "floating-point pixels are up to 255, read as 8-bit"),
        (
            GREY * np.float32(4 / 255),
            GREY,
            "floating-point pixels are from 0 (shown black) to 4 (shown white)",
        ),
        (
            GREY * np.float32(2) - 100,
            GREY,
            "floating-point pixels are from -100 (shown black) to 410 (shown white)",
        ),
    ],
)
def test_floating_point_tiff(floats, expected, note, tmp_path):
    floats = np.concatenate([floats[:1], floats])
    floats[0, 0, :2] = floats.min(), floats[1:].max()
    assert (GREY.min(), GREY.max()) == (0, 255)
    images, dataset = everything(folder_of(tmp_path, map(Image.fromarray, floats), "tif"))
    np.testing.assert_array_equal(images[1:, ..., 0], expected)
    assert dataset.notes == (() if note is None else (note,))


def test_32_bit_tiff(tmp_path):
    deep = GREY.astype(np.int32) * 100_000
    images, dataset = everything(folder_of(tmp_path, map(Image.fromarray, deep), "tif"))
    np.testing.assert_array_equal(images[..., 0], GREY)
    assert dataset.notes == (
        "deep pixels are from 0 (shown black) to 2.55e+07 (shown white)",
    )  # fmt: skip


def test_floating_point_pixels_that_are_not_finite(tmp_path):
    broken = GREY.astype(np.float32)
    broken[3, 2, 2] = np.nan
    folder_of(tmp_path, map(Image.fromarray, broken), "tif")
    with pytest.raises(KvaeError, match=r"03\.tif is not a whole image: .*not finite"):
        kvae.data.load(tmp_path)


def test_a_tiff_in_which_zero_is_white(tmp_path):
    folder_of(tmp_path, [Image.fromarray(image) for image in GREY], "tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "00.tif") as opened:
        shown = np.asarray(opened.convert("L"))
    images, _ = everything(tmp_path)
    np.testing.assert_array_equal(images[0, ..., 0], shown)


def test_masks(tmp_path):
    bits = GREY > 100
    for name, pictures, note in [
        ("bits", [Image.fromarray(image) for image in bits], ()),
        (
            "levels",
            [Image.fromarray(image.astype(np.uint8)) for image in bits],
            ("pixels are 0 and 1, read as black and white",),
        ),
    ]:
        images, dataset = everything(folder_of(tmp_path / name, pictures))
        np.testing.assert_array_equal(images[..., 0], 255 * bits)
        assert dataset.notes == note


@pytest.mark.parametrize("suffix", ["tif", "gif", "webp", "png"])
def test_every_page_and_frame_is_an_image(suffix, tmp_path):
    first, *others = [Image.fromarray(image) for image in GREY]
    options = {"lossless": True} if suffix == "webp" else {}
    first.save(tmp_path / f"all.{suffix}", save_all=True, append_images=others, **options)
    dataset = kvae.data.load(tmp_path)
    found = {
        file: image
        for split in (dataset.train, dataset.validation, dataset.test)
        for file, image in zip(split.files, split.images[..., 0], strict=True)
    }
    for index, image in enumerate(GREY):
        np.testing.assert_array_equal(found[f"all.{suffix}, page {index + 1}"], image)
    assert dataset.notes == ("12 images are pages or frames of 1 files",)


def test_the_previews_of_a_telephone_are_left_out(tmp_path):
    large = [np.kron(image, np.ones((8, 8), np.uint8)) for image in GREY]
    for index, image in enumerate(large):
        Image.fromarray(image).save(
            tmp_path / f"{index:02}.jpg",
            "MPO",
            save_all=True,
            append_images=[Image.fromarray(image[:8, :8])],
            quality=95,
        )
    images, dataset = everything(tmp_path)
    np.testing.assert_allclose(images[..., 0], large, atol=12)
    assert dataset.notes == ("only the first image of files with previews is used",)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotations_of_exif(orientation, tmp_path):
    pictures = [Image.fromarray(np.kron(image, np.ones((8, 8), np.uint8))) for image in GREY]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder_of(tmp_path, pictures, "png", exif=exif)
    turns = {
        1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud,
        5: lambda x: x.T, 6: lambda x: np.rot90(x, -1), 7: lambda x: np.rot90(x, 2).T,
        8: lambda x: np.rot90(x, 1),
    }  # fmt: skip
    images, _ = everything(path)
    for image, picture in zip(images, pictures, strict=True):
        np.testing.assert_array_equal(image[..., 0], turns[orientation](np.asarray(picture)))


def test_cmyk(tmp_path):
    inks = np.zeros((COUNT, HEIGHT, WIDTH, 4), np.uint8)
    inks[..., 3] = 255 - GREY
    pictures = [Image.fromarray(image, "CMYK") for image in inks]
    images, dataset = everything(folder_of(tmp_path, pictures, "tif"))
    np.testing.assert_array_equal(images[..., 0], GREY)
    assert dataset.notes == ("colours for print (CMYK) are converted without a profile",)


def test_colour_profiles_are_converted(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pictures = [Image.fromarray(image) for image in COLOUR]
    for profile in srgb, b"no profile":
        images, _ = everything(folder_of(tmp_path / "same", pictures, icc_profile=profile))
        np.testing.assert_array_equal(images, COLOUR)
    # A profile like sRGB, but for the names of red and blue.
    swapped = srgb.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    images, _ = everything(folder_of(tmp_path / "other", pictures, icc_profile=swapped))
    np.testing.assert_allclose(images, COLOUR[..., ::-1], atol=2)


@pytest.mark.parametrize("suffix", ["avif", "jp2", "webp", "gif", "bmp", "tif", "ppm"])
def test_what_is_in_a_file_counts_and_not_its_suffix(suffix, tmp_path):
    buffer = io.BytesIO()
    picture = Image.fromarray(np.kron(GREY[0], np.ones((8, 8), np.uint8)))
    kind = {"tif": "TIFF", "jp2": "JPEG2000"}.get(suffix, suffix.upper())
    options = {"lossless": True} if suffix == "webp" else {}
    picture.save(buffer, kind, **options)
    for index in range(COUNT):
        turned = np.kron(GREY[index], np.ones((8, 8), np.uint8))
        buffer = io.BytesIO()
        Image.fromarray(turned).save(buffer, kind, **options)
        (tmp_path / f"{index:02}.png").write_bytes(buffer.getvalue())
    images, dataset = everything(tmp_path)
    assert dataset.image_shape[:2] == (8 * HEIGHT, 8 * WIDTH)
    wanted = np.kron(GREY, np.ones((8, 8), np.uint8))
    close = np.abs(images.mean(axis=-1) - wanted).mean()
    assert close < (8 if suffix == "avif" else 0.5)


def png_with_gamma(image: np.ndarray, gamma: float) -> bytes:
    """A PNG whose numbers are to be shown after they are raised to 1 / (2.2 gamma)."""
    buffer = io.BytesIO()
    info = PngInfo()
    info.add(b"gAMA", struct.pack(">I", round(100_000 * gamma)))
    Image.fromarray(image).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def test_the_gamma_of_a_png(tmp_path):
    for index, image in enumerate(GREY):
        (tmp_path / f"{index:02}.png").write_bytes(png_with_gamma(image, 1.0))
    images, dataset = everything(tmp_path)
    expected = np.round(255 * (GREY / 255) ** (1 / 2.2))
    np.testing.assert_array_equal(images[..., 0], expected)
    assert dataset.notes == ("the gamma that PNG files state is applied",)
    for index, image in enumerate(GREY):
        (tmp_path / f"{index:02}.png").write_bytes(png_with_gamma(image, 0.45455))
    images, dataset = everything(tmp_path)
    np.testing.assert_array_equal(images[..., 0], GREY)
    assert dataset.notes == ()


def png_16(image: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel, which Pillow cannot write."""
    height, width, channels = image.shape

    def chunk(name: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + crc

    head = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 2: 4, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_colours_of_sixteen_bits(tmp_path):
    for index, image in enumerate(COLOUR):
        (tmp_path / f"{index:02}.png").write_bytes(png_16(image.astype(np.uint16) * 257))
    images, _ = everything(tmp_path)
    np.testing.assert_array_equal(images, COLOUR)
    for index, image in enumerate(COLOUR):
        (tmp_path / f"{index:02}.png").write_bytes(png_16(image.astype(np.uint16) * 16))
    with pytest.raises(KvaeError, match="16 bits a channel.*save them with 8 bits a channel"):
        kvae.data.load(tmp_path)


def test_alpha_of_sixteen_bits(tmp_path):
    for index, image in enumerate(GREY):
        deep = np.zeros((HEIGHT, WIDTH, 2), np.uint16)
        deep[..., 1] = image.astype(np.uint16) * 257
        (tmp_path / f"{index:02}.png").write_bytes(png_16(deep))
    images, dataset = everything(tmp_path)
    np.testing.assert_array_equal(images[..., 0], 255 - GREY)
    assert dataset.notes == ("transparent pixels are shown on white",)


def test_files_that_are_not_read_are_counted(tmp_path):
    folder_of(tmp_path, [Image.fromarray(image) for image in GREY])
    for name in "a.heic", "b.heic", "c.svg", "d.txt":
        (tmp_path / name).write_text("something")
    _, dataset = everything(tmp_path)
    assert dataset.notes == (
        f"2 files in {tmp_path.name}/ are not read: .heic",
        f"1 files in {tmp_path.name}/ are not read: .svg",
    )


def test_resizing_keeps_deep_pixels_deep(tmp_path):
    deep = np.kron(GREY, np.ones((4, 4), np.uint16)).astype(np.uint16) * 16
    path = folder_of(tmp_path, map(Image.fromarray, deep))
    images, _ = everything(path, image_size=(HEIGHT, WIDTH))
    small = [Image.fromarray(i.astype(np.float32)).resize((WIDTH, HEIGHT), 1) for i in deep]
    white = 4095
    expected = [np.round(np.clip(np.asarray(i), 0, 4080) / white * 255) for i in small]
    np.testing.assert_allclose(images[..., 0], expected, atol=1)
