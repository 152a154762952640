"""Datasets that are damaged, or made to do harm: one clear line, and nothing touched."""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kvae import data

from ..corruptions import (
    NO_DATA,
    NO_FILE,
    NO_OBJECT,
    PICKLE,
    Runs,
    bomb,
    damage,
    each,
    npy,
    npz,
    patched,
    pixels,
    refuses,
    saved,
    sparse,
)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder to work in, and no network."""
    monkeypatch.chdir(tmp_path)
    for name in "http_proxy", "https_proxy":
        monkeypatch.setenv(name, "http://127.0.0.1:9")


# Files of arrays --------------------------------------------------------------------------------

X, Y = pixels(), np.arange(20)
WHOLE, ONE = saved(X), npz(images=X)
# Made when it is tried.
BOMB, SMALL_BOMB = (
    lambda path, shape=shape: path.write_bytes(bomb(shape))
    for shape in ((2**14, 2**7, 2**7), (20, 8, 8))
)
OBJECTS, TERABYTE = npy("|O", (20,), PICKLE), npy(shape=(10**6, 1000, 1000))
HEADERS = (
    b"[1, 2]\n", b"__import__('os').mkdir('ran')\n", b"[" * 9000, b"-" * 9000 + b"1\n",
    bytes(range(256)), b"{'descr': '|u1'}\n",
    b"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 8, 8), 'more': 1}\n",
    b"{'descr': '|u1', 'fortran_order': 3, 'shape': (20, 8, 8)}\n",
)  # fmt: skip
SHAPES = (
    (10**6, 1000, 1000), (2**40, 2**40, 8), (2**32, 2**32, 1), (10**1000, 8, 8), (-20, 8, 8),
    (2.5, 8, 8), ("20", "8", "8"), (True, 8, 8),
)  # fmt: skip
LEVELS = (np.int32(2**16), np.uint64(2**64 - 1), np.int8(-1), np.int64(-(2**63)))
NO_NUMBERS = ("c8", "U1", "S3", "V2", "M8[s]", "m8[s]", [("a", "u1"), ("b", "f4")])
FLAT = [(), (20,), (20, 8), (10, 2, 2, 2, 2), (1,) * 30, (20, 8, 8, 8), (20, 8, 0)]
NPY = {
    "is not a whole .npy or .npz file": NO_DATA
    | {f"cut after {size} bytes": WHOLE[:size] for size in (3, 6, 8, 40, 128, 700, 1407)}
    | {f"version {n}": npy(version=n, data=bytes(1280)) for n in (0, 9)}
    | {f"shape {shape!s:.40}": npy(shape=shape, data=bytes(1280)) for shape in SHAPES}
    | {f"header {head!r:.40}": npy(header=head, data=bytes(1280)) for head in HEADERS}
    | {f"type {kind}": npy(kind, data=bytes(1280)) for kind in ("|q9", 7)}
    | {"a header of gigabytes": b"\x93NUMPY\2\0\xff\xff\xff\x7f{"},
    "pickle": {
        "objects": saved(np.array([Runs()] * 20, object), allow_pickle=True),
        "a pickle behind a header": OBJECTS,
        "a pickle in a field": npy([("a", "|u1"), ("b", "|O")], (20,), PICKLE),
    },
    "must hold numbers": {f"no {kind}": npy(kind) for kind in ("|V0", "|S0", f"|V{2**30}")}
    | {f"zeros of {kind}": saved(np.zeros((20, 8, 8), kind)) for kind in NO_NUMBERS}
    | {"a type within a type": npy([("a", [("b", "|u1")])], data=bytes(1280))},
    # Floats of two axes would be a table.
    "but is ": {f"shape {shape}": saved(np.zeros(shape, np.uint8)) for shape in FLAT},
    "has no images": [saved(X[:0])],
    "at least 10": [saved(X[:9])],
    "not finite": [saved(X * np.nan), saved(np.float16(X) + np.float16("inf"))],
    "within 0 and 1": [saved(X / 1), saved(X / 255 - 0.5)],
    "within 0 and 255": [saved(np.full_like(X, n, type(n))) for n in LEVELS],
    "cannot read": {name: NO_FILE[name] for name in NO_FILE if name != "a folder"},
    "there are no images": [NO_FILE["a folder"]],
    "memory": [sparse(TERABYTE, 10**12), sparse(TERABYTE, 2 * 10**12)],
}  # fmt: skip


@each(NPY)
def test_npy(says, bad):
    damage(Path("bad.npy"), bad)
    refuses(says, data.load, "bad.npy")


INSIDE = NO_DATA | {"half": WHOLE[:700], "a terabyte": TERABYTE, "an archive": ONE}
LABELS = {
    "too few": Y[:3], "floats": Y / 2, "words": Y.astype(str), "below zero": Y - 5,
    "two columns": np.zeros((20, 2), int), "beyond counting": Y + 2**62,
}  # fmt: skip
NPZ = {
    "is not a whole .npy or .npz file": NO_DATA
    | {f"less {size} bytes": ONE[:-size] for size in (1, 60, len(ONE) // 2)}
    | {f"{name} inside": npz(images=inside) for name, inside in INSIDE.items()}
    | {
        "a flipped byte": ONE[:200] + bytes([ONE[200] ^ 255]) + ONE[201:],
        "a wrong checksum": patched(ONE, 16, b"\1\2\3\4"),
        "encrypted": patched(ONE, 8, b"\1"),
        "an unknown compression": patched(ONE, 10, b"\x63"),
        "a declared size of gigabytes": patched(ONE, 20, struct.pack("<II", 10**6, 2**31)),
        "a declared size of nothing": patched(ONE, 24, bytes(4)),
        "a member before the file": patched(ONE, 42, b"\xff\xff\xff\x7f"),
        "two names for one member": patched(ONE, 46, b"IMAGES"),
    },
    "zip bomb": [BOMB, SMALL_BOMB],
    "pickle": [npz(images=OBJECTS), npz(x_train=X, y_train=OBJECTS)],
    "must have one array": {
        "an empty archive": npz(), "two arrays": npz(a=X, b=X),
        "a thousand arrays": npz(**{f"a{index}": Y for index in range(1000)}),
        "names that climb": npz(**{"../../a": X, "/etc/b": X}),
        "test images alone": npz(x_test=X, y_test=Y),
    },
    "but is 20": [npz(y_train=Y)],
    "y_train": {name: npz(x_train=X, y_train=labels, x_test=X) for name, labels in LABELS.items()},
    "x_test": {
        "another size": npz(x_train=X, x_test=pixels(9, 7)),
        "colour": npz(x_train=X, x_test=np.zeros((9, 8, 8, 3))),
    },
    "x_validation": [npz(x_train=X, x_validation=pixels(5, 9), x_test=X)],
    "no images": [npz(x_train=X, x_test=X[:0])],
    "x_train": [npz(x_train=X[:1], x_test=X)],
    "not finite": [npz(x_train=X * np.nan, x_test=X), npz(x_train=X, x_test=X * np.nan)],
    "cannot read": {name: NO_FILE[name] for name in ("nothing", "a pipe", "a link to itself")},
}  # fmt: skip


@each(NPZ)
def test_npz(says, bad):
    damage(Path("bad.npz"), bad)
    refuses(says, data.load, "bad.npz")


# Folders of images ------------------------------------------------------------------------------


def picture(kind="PNG", image=X[0], **options):
    """An image file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def other(field, *values):
    """An image file that says something else of itself than is so."""
    place, form = FIELDS[field]
    found = bytearray(picture(field.split()[0]))
    struct.pack_into(form, found, place, *values)
    if field.startswith("PNG"):
        struct.pack_into(">I", found, 29, zlib.crc32(found[12:29]))
    return bytes(found)


def folder(count=12, at="faces", **others):
    """Make a folder of images that could be trained on, and files beside them."""
    for name, inside in ({f"{index:03}.png": GREY for index in range(count)} | others).items():
        damage(Path(at, name), inside)


GREY = picture()
TEXT = PngInfo()
TEXT.add_text("a", "\0" * 2**26, zip=True)
FIELDS = {
    "PNG size": (16, ">II"), "PNG depth and kind": (24, "BB"), "BMP size": (18, "<ii"),
    "GIF size": (6, "<HH"), "TIFF size": (18, "<I8xI"),
}  # fmt: skip
"""Where in a file they are."""
OTHERS = (
    ("PNG size", 0, 8), ("PNG size", 65000, 65000), ("PNG size", 2**31 - 1, 2**31 - 1),
    ("PNG size", 2**31 - 1, 1), ("PNG size", 9000, 9000), ("PNG depth and kind", 8, 9),
    ("GIF size", 65535, 65535), ("BMP size", 0, 0), ("BMP size", -8, 8),
    ("BMP size", 2**30, 2**30), ("TIFF size", 0, 8), ("TIFF size", 2**31 - 1, 2**31 - 1),
)  # fmt: skip
LARGE = {kind: picture(kind, pixels(1, 200, 200)[0]) for kind in (
    "PNG", "GIF", "BMP", "TIFF", "JPEG", "PPM", "WEBP"
)}  # fmt: skip
PICTURES = {
    "a.png": NO_DATA
    | {f"half a {kind}": found[: len(found) // 2] for kind, found in LARGE.items()}
    | {f"head of a {kind}": found[:12] for kind, found in LARGE.items()}
    | {f"{size} PGM": f"P5 {size} 255\n" for size in ("9999999999 9999999999", "-8 8", "a 8")}
    | {
        "flipped byte": GREY[:50] + b"\xff" + GREY[51:],
        "80 megapixels, black": picture("PNG", np.zeros((9000, 9000), bool)),
        "bomb of text": picture("PNG", pnginfo=TEXT),
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(ran) (w) file\n",
        "TIFF that points at itself": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "GIF of no size": picture("GIF")[:6] + bytes(7),
        "icon": b"\0\0\1\0\1\0\0\0\0\0\1\0\x20\0\xff\xff\xff\x7f\x16\0\0\0",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    },
    "z.jpg": {" ".join(map(str, said)): other(*said) for said in OTHERS},
}  # fmt: skip


@each(PICTURES, "file, bad")
def test_images(file, bad):
    folder(**{file: bad})
    refuses(f"{file} is not a whole image", data.load, "faces")


FOLDERS = {
    "is 9 x 8 pixels": [lambda _: folder(**{"z.png": picture(image=pixels(1, 9)[0])})],
    "at least 10": {"nine": lambda _: folder(9), "nine of a label": lambda _: folder(9, "faces/a")},
    "both beside and inside": {
        "images in two storeys": lambda path: (folder(), folder(at=path / "a")),
        "a link to the folder itself": lambda path: (folder(), (path / "a").symlink_to("../faces")),
    },
    "there are no images": {
        f"{name} for an image": lambda path, make=make: damage(path / "a.png", make)
        for name, make in NO_FILE.items()
    } | {
        "no files": Path.mkdir,
        "hidden files alone": lambda path: damage(path / ".a.png", GREY),
        "text files alone": lambda path: damage(path / "a.txt", GREY),
        "images in the second storey": lambda path: folder(at=path / "a/b"),
        "many labels": lambda path: [(path / f"{i}").mkdir(parents=True) for i in range(1000)],
        "a link to itself": lambda path: damage(path / "a", NO_FILE["a link to itself"]),
    },
}  # fmt: skip


@each(FOLDERS)
def test_folders_of_images(says, bad):
    bad(Path("faces"))
    refuses(says, data.load, "faces")


def test_images_that_are_enlarged_beyond_all_memory():
    folder(100)
    refuses("memory", data.load, "faces", None, 0, (5000, 5000))


# What TFDS keeps, or is given -------------------------------------------------------------------

VERSION = Path("data/mnist/3.0.1")
INFO = '{"splits": %s, "labels": %s}'
KEPT = {
    "info.json": NO_FILE | NO_OBJECT | {
        f"{splits} {labels}": INFO % (splits, labels)
        for splits, labels in (
            ("[1, 2]", "[]"), ("[]", "[]"), ('["../../../../x"]', "[]"), ('"train"', "[]"),
            ('["train"]', "[3]"), ('["train"]', "3"),
        )
    },
    "train/images.npy": NO_FILE | NO_DATA | {
        "half": saved(X[..., None])[:500],
        "a terabyte": npy(shape=(10**6, 1000, 1000, 1)),
        "objects": OBJECTS,
        "floats": saved(X[..., None] / 255),
        "two dimensions": saved(X[:, 0]),
        "no images": saved(X[:0, ..., None]),
        "an archive": ONE,
    },
    "train/labels.npy": {
        "without a name": saved(Y + 1), "too few": saved(Y[:3]), "floats": saved(Y / 1),
        "objects": OBJECTS,
    },
}  # fmt: skip


@each(KEPT, "file, bad")
def test_decoded_images(file, bad):
    for part in "train", "test":
        damage(VERSION / "decoded" / part / "images.npy", saved(X[..., None]))
        damage(VERSION / "decoded" / part / "labels.npy", saved(Y))
    damage(VERSION / "decoded/info.json", INFO % ('["train", "test"]', json.dumps(["a"] * 20)))
    damage(VERSION / "dataset_info.json", "{}")
    damage(VERSION / "decoded" / file, bad)
    refuses("delete that folder", data.load, "mnist", "data")


@each({"mnist": NO_OBJECT | {"of another dataset": '{"name": "other", "version": "3.0.1"}'}})
def test_dataset_info_without_decoded_images(says, bad):
    damage(VERSION / "dataset_info.json", bad)
    refuses(says, data.load, "mnist", "data", may=("data",))


@each({"frey_rawface.mat": NO_FILE | NO_DATA})
def test_frey_faces(says, bad):
    damage(Path("data/downloads/manual", says), bad)
    refuses(says, data.load, "frey", "data", may=("data",))
