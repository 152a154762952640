"""Bad input for every command and every reader: what files to make, what to type, what to expect.

`python -m tests.faults.bad_inputs` lists them.
"""

import functools
import io
import itertools
import json
import os
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

USAGE, FAILED, LISTED = 2, 1, 0
"""Exit codes; the last is that of `kvae list`, which shows what is damaged in its table."""

EARLIER = "earlier"
"""Name of the run and of the saved model that are there before."""

_NEED_TENSORFLOW = ("Frey", "dataset_info", "weights", "frames", "history", "interrupted")

Make = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A bad input.

    Attributes:
        name: Says what is wrong with it.
        arguments: What is typed after `kvae`.
        code: The exit code.
        says: Part of the one line on standard error, or of the table of `kvae list`.
        make: Makes the files that it takes, in the folder where the command runs.
        environment: Variables that are set.
        may: Folders that the arguments name and that may come to be; nothing else is written.
    """

    name: str
    arguments: tuple[str, ...]
    code: int
    says: str
    make: Make = lambda folder: None
    environment: Mapping[str, str] = field(default_factory=dict)
    may: tuple[str, ...] = ()

    @property
    def needs_tensorflow(self) -> bool:
        """Whether the command gets as far as importing TensorFlow or TFDS, which takes long."""
        return (
            bool(self.environment)
            or self.arguments[:1] in (("compare",), ("export",), ("fit-prior",), ("reproduce",))
            or self.name.startswith(_NEED_TENSORFLOW)
            or any(word.startswith(("tfds:", "--start-from")) for word in self.arguments)
            or self.says in ("cannot hold", "components", "t-SNE", "two test images")
        )


# Files ------------------------------------------------------------------------------------------


def pixels(count: int = 20, height: int = 8, width: int = 8) -> np.ndarray:
    """Images that could be trained on, of the size that the earlier model is for."""
    return np.random.default_rng(0).integers(0, 256, (count, height, width), np.uint8)


def npy(
    descr: Any = "|u1",
    shape: Any = (20, 8, 8),
    data: bytes = b"",
    header: bytes | None = None,
    version: bytes = b"\1\0",
) -> bytes:
    """A `.npy` whose header says what it is told to say."""
    if header is None:
        fields = {"descr": descr, "fortran_order": False, "shape": shape}
        header = repr(fields).encode("latin1") + b"\n"
    length = struct.pack("<H" if version[0] == 1 else "<I", len(header))
    return b"\x93NUMPY" + version + length + header + data


def whole_npy(array: np.ndarray, **options: Any) -> bytes:
    """A `.npy` as NumPy writes it."""
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(**members: np.ndarray | bytes) -> bytes:
    """A compressed `.npz` of arrays, or of members given byte by byte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            content = value if isinstance(value, bytes) else whole_npy(np.asarray(value))
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


@functools.cache
def _zeros(size: int) -> bytes:
    """Compressed zeros; whole blocks of compressed data can be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(bytes(size)) + packer.flush(zlib.Z_FULL_FLUSH)


def bomb(header: bytes) -> bytes:
    """A `.npz` of a few megabytes whose one member has four gigabytes, all but its header zeros."""
    block = 2**24
    first = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # b"\3\0" is the last block, which is empty.
    packed = first.compress(header) + first.flush(zlib.Z_FULL_FLUSH) + 255 * _zeros(block) + b"\3\0"
    name, size = b"images.npy", len(header) + 255 * block
    fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(packed), size, len(name), 0)
    local = b"PK\3\4" + fields + name + packed
    central = b"PK\1\2\x14\0" + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + b"PK\5\6" + end


def patched_zip(offset_in_central: int, value: bytes, content: bytes) -> bytes:
    """A zip file with some bytes of its central directory exchanged, and of its local header."""
    central = content.rindex(b"PK\1\2")
    data = bytearray(content)
    data[central + offset_in_central : central + offset_in_central + len(value)] = value
    # The local header has the same fields two bytes earlier.
    local = offset_in_central - 2
    if local < 26:
        data[local : local + len(value)] = value
    return bytes(data)


class Runs:
    """Pickles to something that leaves a trace when it is unpacked."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpacked",)


def png(width: int, height: int, depth: int = 8, kind: int = 0, data: bytes = b"") -> bytes:
    """A PNG that says it is of this size, with what there is of data."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def whole_png(array: np.ndarray) -> bytes:
    """A PNG of an image."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def bmp(width: int, height: int) -> bytes:
    """A BMP that says it is of this size, without data."""
    return (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    )


def gif(width: int, height: int) -> bytes:
    """A GIF that says it is of this size, with one pixel of data."""
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", width, height, 0x80, 0, 0)
        + b"\0\0\0\xff\xff\xff"
        + b","
        + struct.pack("<HHHHB", 0, 0, width, height, 0)
        + b"\2\2\x44\1\0;"
    )


def tiff(width: int, height: int) -> bytes:
    """A TIFF that says it is of this size, with one byte of data."""
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 10**6),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, 1),
    ]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 10) + b"\0\0" + directory


EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
    b"(ran) (w) file closefile showpage\n%%EOF\n"
)
"""An image that is a program, for another program to run."""


def write(name: str, content: bytes | str) -> Make:
    """Makes a file, and its folder."""

    def make(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return make


def sparse(name: str, content: bytes, size: int) -> Make:
    """Makes a file that seems to be of `size` bytes, and takes hardly any."""

    def make(folder: Path) -> None:
        (folder / name).write_bytes(content)
        os.truncate(folder / name, size)

    return make


def link(name: str, target: str) -> Make:
    """Makes a symbolic link."""

    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return make


def pipe(name: str) -> Make:
    """Makes a named pipe, which nobody writes to."""

    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return make


def folder_of(name: str) -> Make:
    """Makes a folder, in place of a file if there is one."""

    def make(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir(parents=True, exist_ok=True)

    return make


def remove(name: str) -> Make:
    """Removes a file or a folder."""

    def make(folder: Path) -> None:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    return make


def both(*makes: Make) -> Make:
    """Does one after the other."""

    def make(folder: Path) -> None:
        for each in makes:
            each(folder)

    return make


def pictures(name: str, count: int = 12, **others: bytes) -> Make:
    """Makes a folder of images that could be trained on, and files beside them."""

    def make(folder: Path) -> None:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index, image in enumerate(pixels(count)):
            (folder / name / f"{index:03}.png").write_bytes(whole_png(image))
        for file, content in others.items():
            stem, suffix = file.rsplit("_", 1)
            (folder / name / f"{stem}.{suffix}").write_bytes(content)

    return make


MODEL, RUN = "saved_models/bad", "runs/bad"


def copied(*makes: Make, run: bool = False, model: bool = True) -> Make:
    """Copies the earlier saved model, or run, to `bad`, and damages that."""

    def make(folder: Path) -> None:
        if model:
            shutil.copytree(folder / "saved_models" / EARLIER, folder / MODEL)
        if run:
            shutil.copytree(folder / "runs" / EARLIER, folder / RUN)
        both(*makes)(folder)

    return make


def unfinished(*makes: Make) -> Make:
    """Copies the earlier run to `bad` as one that was interrupted, and damages it."""
    return copied(remove(f"{RUN}/results.json"), *makes, run=True, model=False)


def edit(name: str, change: Callable[[Any], Any]) -> Make:
    """Changes what a JSON file holds."""

    def make(folder: Path) -> None:
        value = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(change(value)))

    return make


def put(*keys: str, value: Any) -> Callable[[Any], Any]:
    """A change of one value in nested dictionaries."""

    def change(root: Any) -> Any:
        inner = root
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        return root

    return change


def without(*keys: str) -> Callable[[Any], Any]:
    """A change that leaves out one value in nested dictionaries."""

    def change(root: Any) -> Any:
        inner = root
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]
        return root

    return change


def cut(name: str, keep: float) -> Make:
    """Keeps the first part of a file."""

    def make(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])

    return make


def flip(name: str, *where: float) -> Make:
    """Inverts bytes of a file."""

    def make(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        for place in where:
            content[int((len(content) - 1) * place)] ^= 0xFF
        (folder / name).write_bytes(bytes(content))

    return make


# Commands that take images, in turn, so that each of them meets some of what is wrong with images.
_TAKE_IMAGES = (
    ("data", "prepare"),
    ("train", "--dataset"),
    ("sweep", "--latent", "2,3", "--dataset"),
    ("evaluate", EARLIER, "--dataset"),
    ("reconstruct", EARLIER, "--dataset"),
    ("figures", EARLIER, "--output", "pictures", "--dataset"),
)


def _of_images(
    title: str, found: Sequence[tuple[str, str, Make, str]], code: int = FAILED
) -> Iterator[Case]:
    """Cases of a name, the dataset that is typed, what makes it, and what is said."""
    for (name, typed, make, says), words in zip(found, itertools.cycle(_TAKE_IMAGES), strict=False):
        command = " ".join(words[:2]) if words[0] == "data" else words[0]
        yield Case(
            f"{title}, {name}: {command}", (*words, typed), code, says, make, may=("pictures",)
        )


_NOT_WHOLE = "is not a whole .npy or .npz file"


def arrays() -> Iterator[Case]:
    """`.npy` files."""
    whole = whole_npy(pixels())
    one = pixels() / 255
    files: list[tuple[str, bytes, str]] = [
        ("empty", b"", _NOT_WHOLE),
        ("magic alone", b"\x93NUMPY", _NOT_WHOLE),
        ("half a magic", b"\x93NU", _NOT_WHOLE),
        ("no length of the header", whole[:8], _NOT_WHOLE),
        ("half a header", whole[:40], _NOT_WHOLE),
        ("no data", npy(), _NOT_WHOLE),
        ("one byte missing", whole[:-1], _NOT_WHOLE),
        ("half the data", whole[: len(whole) // 2], _NOT_WHOLE),
        ("version 9", npy(version=b"\x09\0", data=bytes(1280)), _NOT_WHOLE),
        ("version 0", npy(version=b"\0\0", data=bytes(1280)), _NOT_WHOLE),
        ("terabytes declared", npy(shape=(10**6, 1000, 1000)), _NOT_WHOLE),
        ("more than a 64-bit size", npy(shape=(2**40, 2**40, 8)), _NOT_WHOLE),
        ("a size that wraps to nothing", npy(shape=(2**32, 2**32, 1)), _NOT_WHOLE),
        ("a size of a thousand digits", npy(shape=(10**1000, 8, 8)), _NOT_WHOLE),
        ("a header of gigabytes", b"\x93NUMPY\2\0\xff\xff\xff\x7f{", _NOT_WHOLE),
        ("a negative size", npy(shape=(-20, 8, 8), data=bytes(1280)), _NOT_WHOLE),
        ("sizes that are no integers", npy(shape=(2.5, 8, 8), data=bytes(160)), _NOT_WHOLE),
        ("sizes that are words", npy(shape=("20", "8", "8"), data=bytes(160)), _NOT_WHOLE),
        ("true for a size", npy(shape=(True, 8, 8), data=bytes(64)), _NOT_WHOLE),
        ("a header that is no dictionary", npy(header=b"[1, 2]\n"), _NOT_WHOLE),
        ("a header that is code", npy(header=b"__import__('os').mkdir('ran')\n"), _NOT_WHOLE),
        ("a header of brackets", npy(header=b"[" * 9000 + b"\n"), _NOT_WHOLE),
        ("a header of minus signs", npy(header=b"-" * 9000 + b"1\n"), _NOT_WHOLE),
        ("a header that is binary", npy(header=bytes(range(256))), _NOT_WHOLE),
        ("a header without a shape", npy(header=b"{'descr': '|u1'}\n"), _NOT_WHOLE),
        (
            "a header that says too much",
            npy(header=b"{'descr':'|u1','fortran_order':False,'shape':(1,8,8),'more':1}\n"),
            _NOT_WHOLE,
        ),
        (
            "an order that is none",
            npy(header=b"{'descr':'|u1','fortran_order':3,'shape':(20,8,8)}\n", data=bytes(1280)),
            _NOT_WHOLE,
        ),
        ("a type that is none", npy("|q9", data=bytes(1280)), _NOT_WHOLE),
        ("a type that is a number", npy(7, data=bytes(1280)), _NOT_WHOLE),
        ("a type of no bytes", npy("|V0"), "must hold numbers"),
        ("letters of no bytes", npy("|S0"), "must hold numbers"),
        ("a type of a gigabyte each", npy(f"|V{2**30}"), "must hold numbers"),
        ("a type within a type", npy([("a", [("b", "|u1")])], data=bytes(1280)), "must hold"),
        ("a pickle", whole_npy(np.array([Runs()] * 20, object), allow_pickle=True), "pickle"),
        ("a pickle alone", pickle.dumps(Runs()), _NOT_WHOLE),
        ("a pickle behind a header", npy("|O", (20,), pickle.dumps(Runs())), "pickle"),
        (
            "a pickle in a field",
            npy([("a", "|u1"), ("b", "|O")], (20,), pickle.dumps([Runs()])),
            "pickle",
        ),
        ("a single number", whole_npy(np.array(3.0)), "a single number"),
        ("one dimension", whole_npy(np.zeros(20)), "20"),
        ("two dimensions", whole_npy(pixels()[:, 0]), "but is 20 x 8"),
        ("five dimensions", whole_npy(np.zeros((10, 2, 2, 2, 2))), "10 x 2 x 2 x 2 x 2"),
        ("thirty dimensions", whole_npy(np.zeros((1,) * 30)), "1 x 1"),
        ("two channels", whole_npy(np.zeros((20, 8, 8, 2))), "1 or 3 channels"),
        ("no images", whole_npy(np.zeros((0, 8, 8))), "has no images"),
        ("images of no width", whole_npy(np.zeros((20, 8, 0))), "20 x 8 x 0"),
        ("nine images", whole_npy(pixels(9)), "at least 10"),
        ("NaN", whole_npy(np.full((20, 8, 8), np.nan)), "not finite"),
        ("infinity", whole_npy(np.full((20, 8, 8), np.inf, np.float16)), "not finite"),
        ("grey levels as floats", whole_npy(pixels().astype(float)), "within 0 and 1"),
        ("negative floats", whole_npy(one - 0.5), "within 0 and 1"),
        ("brighter than white", whole_npy(pixels().astype(np.int32) + 1), "within 0 and 255"),
        ("the largest 64-bit number", whole_npy(np.full((20, 8, 8), 2**64 - 1)), "0 and 255"),
        ("the smallest 64-bit number", whole_npy(np.full((20, 8, 8), -(2**63))), "0 and 255"),
        ("complex numbers", whole_npy(np.zeros((20, 8, 8), complex)), "must hold numbers"),
        ("words", whole_npy(pixels().astype(str)), "must hold numbers"),
        ("bytes", whole_npy(np.zeros((20, 8, 8), "S3")), "must hold numbers"),
        ("dates", whole_npy(np.zeros((20, 8, 8), "M8[s]")), "must hold numbers"),
        ("lengths of time", whole_npy(np.zeros((20, 8, 8), "m8[s]")), "must hold numbers"),
        ("nameless bytes", whole_npy(np.zeros((20, 8, 8), "V2")), "must hold numbers"),
        ("records", whole_npy(np.zeros(20, [("a", "u1"), ("b", "f4")])), "must hold"),
        ("text", b"0.1, 0.2, 0.3\n" * 100, _NOT_WHOLE),
        ("zeros", bytes(5000), _NOT_WHOLE),
        ("a PNG", whole_png(pixels()[0]), _NOT_WHOLE),
        ("HTML", b"<!doctype html><title>404</title>", _NOT_WHOLE),
    ]
    made = [(name, "bad.npy", write("bad.npy", content), says) for name, content, says in files]
    made += [
        ("a terabyte of nothing", "bad.npy",
         sparse("bad.npy", npy(shape=(10**6, 1000, 1000)), 10**12 + 1000), "memory"),
        ("a terabyte of nothing, less a bit", "bad.npy",
         sparse("bad.npy", npy(shape=(10**6, 1000, 1000)), 10**12), _NOT_WHOLE),
        ("a link to itself", "bad.npy", link("bad.npy", "bad.npy"), "bad.npy"),
        ("a link to nowhere", "bad.npy", link("bad.npy", "nowhere"), "No such file"),
        ("a link to a device", "bad.npy", link("bad.npy", "/dev/zero"), "not a regular file"),
        ("a link to a random device", "bad.npy", link("bad.npy", "/dev/urandom"), "not a regular"),
        ("a pipe", "bad.npy", pipe("bad.npy"), "not a regular file"),
        ("a folder without images", "bad.npy", folder_of("bad.npy"), "there are no images"),
        ("not there", "missing.npy", write("other.npy", whole), "No such file"),
    ]  # fmt: skip
    yield from _of_images(".npy", made)


def archives() -> Iterator[Case]:
    """`.npz` files."""
    x, y = pixels(), np.arange(20)
    whole = npz(images=x)
    header = npy(shape=(255 * 2**4, 2**10, 2**10))
    sizes = struct.pack("<II", 10**6, 2**31)
    files: list[tuple[str, bytes, str]] = [
        ("empty", b"", _NOT_WHOLE),
        ("text", b"hello, world", _NOT_WHOLE),
        ("half", whole[: len(whole) // 2], _NOT_WHOLE),
        ("no directory", whole[:-60], _NOT_WHOLE),
        ("an empty archive", npz(), "has nothing"),
        ("a flipped byte", whole[:200] + bytes([whole[200] ^ 255]) + whole[201:], _NOT_WHOLE),
        ("a wrong checksum", patched_zip(16, b"\1\2\3\4", whole), _NOT_WHOLE),
        ("a member that is encrypted", patched_zip(8, b"\1", whole), _NOT_WHOLE),
        ("an unknown compression", patched_zip(10, b"\x63", whole), _NOT_WHOLE),
        ("a declared size of gigabytes", patched_zip(20, sizes, whole), _NOT_WHOLE),
        ("a declared size of nothing", patched_zip(24, bytes(4), whole), _NOT_WHOLE),
        ("a member before the file", patched_zip(42, b"\xff\xff\xff\x7f", whole), _NOT_WHOLE),
        ("two names for one member", patched_zip(46, b"IMAGES", whole), _NOT_WHOLE),
        ("a bomb of four gigabytes", bomb(header), "zip bomb"),
        ("a small header before a bomb", bomb(npy(data=bytes(1280))), "zip bomb"),
        ("a pickle", npz(images=whole_npy(np.array([Runs()], object))), "pickle"),
        ("a pickle beside images", npz(x_train=x, y_train=npy("|O", (20,))), "pickle"),
        ("terabytes declared inside", npz(images=npy(shape=(10**6, 1000, 1000))), _NOT_WHOLE),
        ("half an array inside", npz(images=whole_npy(x)[:700]), _NOT_WHOLE),
        ("no array inside", npz(images=b"hello"), _NOT_WHOLE),
        ("nothing inside", npz(images=b""), _NOT_WHOLE),
        ("an archive inside", npz(images=whole), _NOT_WHOLE),
        ("two arrays", npz(a=x, b=x), "must have one array"),
        ("a thousand arrays", npz(**{f"a{index}": y for index in range(1000)}), "must have one"),
        ("names with control characters", npz(**{"a\n\x1b[31m": x, "b": x}), "must have one array"),
        ("names that climb", npz(**{"../../a": x, "/etc/b": x}), "must have one array"),
        ("test images alone", npz(x_test=x, y_test=y), "must have one array"),
        ("labels alone", npz(y_train=y), "but is 20"),
        ("too few labels", npz(x_train=x, y_train=y[:3], x_test=x), "y_train"),
        ("labels that are floats", npz(x_train=x, y_train=y / 2, x_test=x), "y_train"),
        ("labels that are words", npz(x_train=x, y_train=y.astype(str), x_test=x), "y_train"),
        ("labels of two columns", npz(x_train=x, y_train=np.zeros((20, 2), int)), "y_train"),
        ("labels below zero", npz(x_train=x, y_train=y - 5, x_test=x, y_test=y), "y_train"),
        ("labels beyond counting", npz(x_train=x, y_train=y + 2**62, x_test=x), "y_train"),
        ("test images of another size", npz(x_train=x, x_test=pixels(9, 7)), "x_test"),
        ("test images in colour", npz(x_train=x, x_test=np.zeros((9, 8, 8, 3))), "x_test"),
        ("no test images", npz(x_train=x, x_test=x[:0]), "no images"),
        ("one training image", npz(x_train=x[:1], x_test=x), "x_train"),
        ("validation images of another size",
         npz(x_train=x, x_validation=pixels(5, 9), x_test=x), "x_validation"),
        ("training images that are NaN",
         npz(x_train=np.full((20, 8, 8), np.nan), x_test=x), "not finite"),
        ("test images that are NaN",
         npz(x_train=x, x_test=np.full((20, 8, 8), np.nan)), "not finite"),
    ]  # fmt: skip
    made = [(name, "bad.npz", write("bad.npz", content), says) for name, content, says in files]
    made += [
        ("a pipe", "bad.npz", pipe("bad.npz"), "not a regular file"),
        ("not there", "missing.npz", write("other.npz", whole), "No such file"),
    ]
    yield from _of_images(".npz", made)


def images() -> Iterator[Case]:
    """Folders of image files."""
    image = whole_png(pixels()[0])
    large = pixels(1, 200, 200)[0]
    two_sizes = whole_png(pixels(1, 9, 8)[0])
    jpeg = io.BytesIO()
    Image.fromarray(large).save(jpeg, "JPEG")
    text = b"\x89PNG\r\n\x1a\n" + image[8:33]
    compressed = zlib.compress(bytes(2**26), 9)
    content = b"a\0\0" + compressed
    text += struct.pack(">I", len(content)) + b"zTXt" + content
    text += struct.pack(">I", zlib.crc32(b"zTXt" + content)) + image[33:]
    files: list[tuple[str, str, bytes, str]] = [
        ("an empty file", "000_png", b"", "000.png is not a whole image"),
        ("text", "000_png", b"hello", "000.png is not a whole image"),
        ("HTML", "a_jpg", b"<!doctype html>", "a.jpg is not a whole image"),
        ("half a PNG", "005_png", whole_png(large)[:9000], "005.png is not a whole image"),
        ("half a JPEG", "a_jpg", jpeg.getvalue()[:5000], "a.jpg is not a whole image"),
        ("a PNG with a flipped byte", "003_png", image[:50] + b"\xff" + image[51:], "003.png"),
        ("a PNG of four gigapixels", "000_png", png(65000, 65000), "000.png is"),
        ("a PNG of 2^31 by 2^31", "000_png", png(2**31 - 1, 2**31 - 1), "000.png is"),
        ("a PNG of no width", "000_png", png(0, 8), "000.png is"),
        ("a PNG that is one line", "000_png", png(2**31 - 1, 1), "000.png is"),
        ("a PNG of 80 megapixels", "000_png", png(9000, 9000), "000.png"),
        ("a PNG of 80 megapixels, black", "zzz_png",
         png(9000, 9000, 1, 0, bytes(1126 * 9000)), "zzz.png"),
        ("a PNG with a bomb of text", "000_png", text, "000.png"),
        ("a PNG of an unknown kind", "000_png", png(8, 8, 8, 9), "000.png is not a whole image"),
        ("a PNG without data", "000_png", png(8, 8), "000.png is not a whole image"),
        ("a GIF of four gigapixels", "a_gif", gif(65535, 65535), "a.gif is"),
        ("a GIF of no size", "a_gif", gif(0, 0), "a.gif is not a whole image"),
        ("a GIF's header alone", "a_gif", b"GIF89a", "a.gif is not a whole image"),
        ("a BMP of gigapixels", "a_bmp", bmp(2**30, 2**30), "a.bmp is"),
        ("a BMP of a negative width", "a_bmp", bmp(-8, 8), "a.bmp is"),
        ("a BMP without data", "a_bmp", bmp(8, 8), "a.bmp is not a whole image"),
        ("a TIFF of gigapixels", "a_tif", tiff(2**31 - 1, 2**31 - 1), "a.tif is"),
        ("a TIFF without data", "a_tif", tiff(8, 8), "a.tif is not a whole image"),
        ("a TIFF that points at itself", "a_tif", b"II*\0\x08\0\0\0\0\0\x08\0\0\0", "a.tif"),
        ("a PGM of gigapixels", "a_pgm", b"P5 2000000000 2000000000 255\n", "a.pgm is"),
        ("a PGM of a negative size", "a_pgm", b"P5 -8 8 255\n" + bytes(64), "a.pgm is"),
        ("a PGM with words", "a_pgm", b"P5 eight 8 255\n" + bytes(64), "a.pgm is"),
        ("a WebP's header alone", "a_webp", b"RIFF\x10\0\0\0WEBPVP8 ", "a.webp is"),
        ("a program under an image's name", "a_png", EPS, "a.png is not a whole image"),
        ("a program of another kind", "a_jpg", b"#!/bin/sh\nmkdir ran\n", "a.jpg is not a whole"),
        ("a pickle", "a_png", pickle.dumps(Runs()), "a.png is not a whole image"),
        ("an icon under another name", "a_png",
         b"\0\0\1\0\1\0\0\0\0\0\1\0\x20\0\xff\xff\xff\x7f\x16\0\0\0", "a.png is"),
        ("an SVG", "a_png", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a.png is"),
        ("another size", "005_png", two_sizes, "005.png is 9 x 8 pixels"),
    ]  # fmt: skip
    made = [
        (name, "faces", pictures("faces", **{file: content}), says)
        for name, file, content, says in files
    ]
    inside = both(pictures("faces"), link("faces/again", "../faces"))
    made += [
        ("no files", "faces", folder_of("faces"), "there are no images"),
        ("hidden files alone", "faces", write("faces/.a.png", image), "there are no images"),
        ("text files alone", "faces", write("faces/a.txt", b"no"), "there are no images"),
        ("nine images", "faces", pictures("faces", 9), "at least 10"),
        ("images in the second storey", "faces", pictures("faces/a/b"), "there are no images"),
        ("beside and inside sub-folders", "faces",
         both(pictures("faces"), pictures("faces/a")), "both beside and inside"),
        ("a link to the folder itself", "faces", inside, "both beside and inside"),
        ("links in a circle", "faces",
         both(link("faces/a", "b"), link("faces/b", "a")), "there are no images"),
        ("an image that is a link to itself", "faces",
         link("faces/a.png", "a.png"), "there are no images"),
        ("an image that is a link to nowhere", "faces",
         link("faces/a.png", "nowhere"), "there are no images"),
        ("an image that is a device", "faces",
         link("faces/a.png", "/dev/zero"), "there are no images"),
        ("an image that is a pipe", "faces", pipe("faces/a.png"), "there are no images"),
        ("an image that is a folder", "faces", folder_of("faces/a.png"), "there are no images"),
        ("a sub-folder of nine images", "faces", pictures("faces/a", 9), "at least 10"),
        ("a name with a line break", "fa\nces",
         pictures("fa\nces", **{"a\nb_png": b"no"}), "is not a whole image"),
        ("a name with an escape sequence", "faces",
         pictures("faces", **{"\x1b[31mred_png": b"no"}), "is not a whole image"),
        ("a name with quotes", "faces",
         pictures("faces", **{"a'\"b_png": b"no"}), "is not a whole image"),
        ("a name in other letters", "faces",
         pictures("faces", **{"лица 顔_png": b"no"}), "is not a whole image"),
        ("a name that is not UTF-8", "faces",
         pictures("faces", **{"\udcff\udcfe_png": b"no"}), "is not a whole image"),
        ("a name that begins with a dash", "faces",
         pictures("faces", **{"-rf_png": b"no"}), "is not a whole image"),
        ("a folder of a thousand labels", "faces",
         both(*(folder_of(f"faces/{index}") for index in range(1000))), "there are no images"),
    ]  # fmt: skip
    yield from _of_images("images", made)
    for name, size in ("zero", "0x8"), ("words", "bigxsmall"), ("five digits", "10000x10000"):
        yield Case(
            f"images, size of {name}",
            ("train", "--dataset", "faces", "--image-size", size),
            USAGE,
            "is not HEIGHTxWIDTH",
            pictures("faces"),
        )
    yield Case(
        "images, enlarged beyond all memory",
        ("train", "--dataset", "faces", "--image-size", "9999x9999"),
        FAILED,
        "memory",
        pictures("faces", 60),
    )


def names() -> Iterator[Case]:
    """What a dataset can be called."""
    unknown = "unknown dataset"
    for name, typed, code, says in (
        ("nothing", "", USAGE, "empty"),
        ("a typo", "minst", USAGE, "did you mean 'mnist'?"),
        ("a space", " ", USAGE, unknown),
        ("a line break", "dig\nits", USAGE, unknown),
        ("an escape sequence", "\x1b[2Jdigits", USAGE, unknown),
        ("a carriage return", "digits\rfaces", USAGE, unknown),
        ("quotes", "'\"`$(mkdir ran)", USAGE, unknown),
        ("other letters", "цифры", USAGE, unknown),
        ("letters from right to left", "\u202edigits", USAGE, unknown),
        ("bytes that are not UTF-8", "\udcff\udcfe", USAGE, unknown),
        ("ten thousand letters", "a" * 10_000, FAILED, "name too long"),
        ("ten thousand letters with a slash", "./" + "a" * 10_000, FAILED, "name too long"),
        ("nobody's home", "~nobody-of-that-name/faces", FAILED, "~nobody-of-that-name"),
        ("a path that climbs", "../../../nowhere", FAILED, "there is no folder or file"),
        ("a path that is not there", "./nothing", FAILED, "there is no folder or file"),
        ("a device", "/dev/zero", FAILED, "/dev/zero"),
        ("a terminal", "/dev/tty", FAILED, "/dev/tty"),
        ("a file of the kernel", "/proc/self/mem", FAILED, "/mem is not"),
        ("a file that is no array", "/etc/passwd", FAILED, _NOT_WHOLE),
        ("a file below a file", "/etc/passwd/a.npy", FAILED, "Not a directory"),
        ("TFDS without a name", "tfds:", USAGE, "is not tfds:NAME"),
        ("TFDS with a space", "tfds:a b", USAGE, "is not tfds:NAME"),
        ("TFDS that climbs", "tfds:../../x", USAGE, "is not tfds:NAME"),
        ("TFDS that climbs later", "tfds:mnist/..", USAGE, "is not tfds:NAME"),
        ("TFDS with a line break", "tfds:mnist\n", USAGE, "is not tfds:NAME"),
        ("TFDS with a typo", "tfds:fashon_mnist", USAGE, "did you mean 'fashion_mnist'?"),
        ("TFDS of an unknown kind", "tfds:mnist/nothing", USAGE, "tfds:mnist/nothing"),
    ):
        arguments = ("data", "prepare", typed) if len(name) % 2 else ("train", "--dataset", typed)
        yield Case(f"dataset, {name}: {arguments[0]}", arguments, code, says)
    yield Case(
        "dataset, a link to itself", ("train", "--dataset", "loop"), USAGE, unknown,
        link("loop", "loop"),
    )  # fmt: skip
    yield Case(
        "dataset, digits with a size", ("train", "--image-size", "4x4"), FAILED, "its own size"
    )


def prepared() -> Iterator[Case]:
    """What TFDS keeps, or is given."""
    manual = "data/downloads/manual/frey_rawface.mat"
    published = "is not the published file"
    for name, make, says in (
        ("empty", write(manual, b""), published),
        ("text", write(manual, b"MATLAB 5.0 MAT-file, but not that one"), published),
        ("zeros", write(manual, bytes(10**6)), published),
        ("a pickle", write(manual, pickle.dumps(Runs())), published),
        ("a PNG", write(manual, whole_png(pixels()[0])), published),
        ("a link to itself", link(manual, "frey_rawface.mat"), "frey_rawface.mat"),
        ("a folder", folder_of(manual), "frey_rawface.mat"),
        ("a pipe", pipe(manual), "frey_rawface.mat"),
        ("a device", link(manual, "/dev/zero"), "frey_rawface.mat"),
    ):
        yield Case(
            f"Frey Faces, {name}",
            ("data", "prepare", "frey", "--data-dir", "data"),
            FAILED,
            says,
            make,
            may=("data",),
        )
    version = "data/mnist/3.0.1"
    decoded = f"{version}/decoded"
    whole = {
        **{
            f"{decoded}/{split}/{part}.npy": whole_npy(array)
            for split in ("train", "test")
            for part, array in (("images", pixels()[..., None]), ("labels", np.arange(20)))
        },
        f"{decoded}/info.json": json.dumps({"splits": ["train", "test"], "labels": ["a"] * 20}),
        f"{version}/dataset_info.json": b"{}",
    }

    def kept(name: str, content: bytes | str | None) -> Make:
        files = {**whole, f"{decoded}/{name}": content}
        return both(*(write(path, data) for path, data in files.items() if data is not None))

    info = "info.json"
    train, labels = "train/images.npy", "train/labels.npy"
    for name, make in (
        ("no list", kept(info, None)),
        ("an empty list", kept(info, b"")),
        ("a list that is none", kept(info, b"[]")),
        ("a list of numbers", kept(info, b'{"splits": [1, 2], "labels": []}')),
        ("a list of nothing", kept(info, b'{"splits": [], "labels": []}')),
        ("a list that climbs", kept(info, b'{"splits": ["../../../../x"], "labels": []}')),
        ("a word for a list", kept(info, b'{"splits": "train", "labels": []}')),
        ("labels that are numbers", kept(info, b'{"splits": ["train"], "labels": [3]}')),
        ("labels that are a number", kept(info, b'{"splits": ["train"], "labels": 3}')),
        ("labels without a name", kept(labels, whole_npy(np.arange(20) + 1))),
        ("a list of brackets", kept(info, b"[" * 100_000)),
        ("no images", kept(train, None)),
        ("empty images", kept(train, b"")),
        ("half the images", kept(train, whole_npy(pixels()[..., None])[:500])),
        ("terabytes of images", kept(train, npy(shape=(10**6, 1000, 1000, 1)))),
        ("images that are a pickle", kept(train, npy("|O", (20,), pickle.dumps([Runs()])))),
        ("images that are floats", kept(train, whole_npy(np.zeros((20, 8, 8, 1))))),
        ("images of two dimensions", kept(train, whole_npy(pixels()[:, 0]))),
        ("images that are an archive", kept(train, npz(a=pixels()))),
        ("images that are none", kept(train, whole_npy(pixels(0)[..., None]))),
        ("too few labels", kept(labels, whole_npy(np.arange(3)))),
        ("labels that are floats", kept(labels, whole_npy(np.zeros(20)))),
        ("labels that are a pickle", kept(labels, npy("|O", (20,), pickle.dumps([Runs()])))),
        ("a pipe for images", both(kept(train, None), pipe(f"{decoded}/{train}"))),
        ("a pipe for a list", both(kept(info, None), pipe(f"{decoded}/{info}"))),
        ("a device for images", both(kept(train, None), link(f"{decoded}/{train}", "/dev/zero"))),
    ):
        yield Case(
            f"decoded images, {name}",
            ("data", "prepare", "mnist", "--data-dir", "data"),
            FAILED,
            "delete that folder",
            make,
        )
    # Without decoded images TFDS itself reads what lies there.
    for name, content in (
        ("empty", b""),
        ("no JSON", b"hello"),
        ("a list", b"[]"),
        ("nothing", b"{}"),
        ("of another dataset", b'{"name": "other", "version": "3.0.1"}'),
        ("binary", bytes(range(256))),
        ("brackets", b"[" * 100_000),
    ):
        yield Case(
            f"dataset_info.json, {name}",
            ("data", "prepare", "mnist", "--data-dir", "data"),
            FAILED,
            "mnist",
            write(f"{version}/dataset_info.json", content),
            may=("data",),
        )
    for name, folder, code, says in (
        ("a file", "file", USAGE, "is a file"),
        ("nothing", "", USAGE, "empty"),
        ("below a file", "file/data", FAILED, "file/data"),
        ("of the kernel", "/proc/none", FAILED, "/proc/none"),
        ("nobody's home", "~nobody-of-that-name", FAILED, "~nobody-of-that-name"),
    ):
        yield Case(
            f"folder of datasets, {name}",
            ("data", "prepare", "frey", "--data-dir", folder),
            code,
            says,
            write("file", b""),
        )
    yield Case(
        "folder of datasets, a file by the environment", ("data", "list"), USAGE, "is a file",
        write("file", b""), {"TFDS_DATA_DIR": "file"},
    )  # fmt: skip


_NOT_OURS = "is not a run or saved model of kvae"

# What is done with a saved model, in turn.
_TAKE_MODELS = (
    ("sample", "bad"),
    ("evaluate", "bad"),
    ("reconstruct", "bad"),
    ("figures", "bad", "--output", "pictures"),
    ("compare", EARLIER, "bad"),
    ("fit-prior", "bad"),
    ("export", "bad", "--models", "others"),
    ("train", "--resume", "bad"),
    ("train", "--start-from", "bad"),
    ("list",),
)


_MODEL = {
    "image_shape": [8, 8, 1],
    "latent": 2,
    "hidden": [8],
    "likelihood": "normal",
    "prior": "mixture",
}


def configurations() -> Iterator[Case]:
    """`config.json` of runs and saved models."""
    contents: list[tuple[str, bytes]] = [
        ("empty", b""),
        ("text", b"hello"),
        ("binary", bytes(range(256))),
        ("UTF-16", '{"recipe": "best"}'.encode("utf-16")),
        ("a list", b"[]"),
        ("a number", b"3"),
        ("null", b"null"),
        ("a string", b'"recipe"'),
        ("NaN", b"NaN"),
        ("an empty object", b"{}"),
        ("of another program", b'{"model_type": "bert", "hidden_size": 768}'),
        ("a bomb of brackets", b"[" * 200_000),
        ("a bomb of objects", b'{"a":' * 200_000),
        ("a bomb of closed brackets", b"[" * 50_000 + b"]" * 50_000),
        ("a number of a million digits", b"1" * 10**6),
        ("a pickle", pickle.dumps(Runs())),
        ("YAML with code", b"!!python/object/apply:os.mkdir ['unpacked']"),
        ("twenty megabytes of spaces", b" " * 20_000_000),
    ]
    changes: list[tuple[str, Callable[[Any], Any]]] = [
        ("no recipe", without("recipe")),
        ("no model", without("model")),
        ("no training", without("training")),
        ("no latent", without("model", "latent")),
        ("a model that is a list", put("model", value=[])),
        ("a model that is a number", put("model", value=3)),
        ("data that are null", put("data", value=None)),
        ("something more", put("model", "more", value=1)),
        ("a recipe that is a number", put("recipe", value=3)),
        ("a recipe that is none", put("recipe", value="worst")),
        ("latent, a word", put("model", "latent", value="2")),
        ("latent, half a number", put("model", "latent", value=2.5)),
        ("latent, true", put("model", "latent", value=True)),
        ("latent, null", put("model", "latent", value=None)),
        ("latent, a list", put("model", "latent", value=[2])),
        ("latent, negative", put("model", "latent", value=-2)),
        ("latent, four thousand digits", put("model", "latent", value=10**4000)),
        ("latent, NaN", put("model", "latent", value=float("nan"))),
        ("hidden, a word", put("model", "hidden", value="200")),
        ("hidden, a number", put("model", "hidden", value=200)),
        ("hidden, nested", put("model", "hidden", value=[[200]])),
        ("hidden, infinite", put("model", "hidden", value=[float("inf")])),
        ("hidden, a hundred thousand layers", put("model", "hidden", value=[1] * 100_000)),
        ("image shape, two sizes", put("model", "image_shape", value=[8, 8])),
        ("image shape, zero", put("model", "image_shape", value=[0, 8, 1])),
        ("image shape, infinite", put("model", "image_shape", value=[float("inf"), 8, 1])),
        ("image shape, words", put("model", "image_shape", value=["8", "8", "1"])),
        ("image shape, an object", put("model", "image_shape", value={"8": 8})),
        ("likelihood, none", put("model", "likelihood", value="poisson")),
        ("likelihood, a number", put("model", "likelihood", value=3)),
        ("likelihood, null", put("model", "likelihood", value=None)),
        ("likelihood, a list", put("model", "likelihood", value=["normal"])),
        ("prior, a path", put("model", "prior", value="../../x")),
        ("prior, code", put("model", "prior", value="os:mkdir")),
        ("posterior, an object", put("model", "posterior", value={})),
        ("activation, of Keras alone", put("model", "activation", value="softmax")),
        ("dropout, all", put("model", "dropout", value=1.0)),
        ("dropout, a word", put("model", "dropout", value="0.1")),
        ("a flow of a million layers", put("model", value={**_MODEL, "flow_layers": 10**6})),
        ("initial stddev, infinite", put("model", "initial_stddev", value=float("inf"))),
        ("prior fitted, a word", put("model", "prior_fitted", value="yes")),
        ("epochs, none", put("training", "epochs", value=0)),
        ("epochs, infinite", put("training", "epochs", value=float("inf"))),
        ("epochs, a googol", put("training", "epochs", value=10**100)),
        ("batch size, negative", put("training", "batch_size", value=-64)),
        ("learning rate, a word", put("training", "learning_rate", value="fast")),
        ("learning rate, infinite", put("training", "learning_rate", value=float("inf"))),
        ("optimizer, code", put("training", "optimizer", value="os:system")),
        ("bound, a list", put("training", "bound", value=[])),
        ("seed, half a number", put("training", "seed", value=0.5)),
        ("seed, beyond 32 bits", put("training", "seed", value=2**40)),
        ("jit, a word", put("training", "jit", value="no")),
        ("start from, a number", put("training", "start_from", value=5)),
        ("dataset, a number", put("data", "dataset", value=5)),
        ("dataset, null", put("data", "dataset", value=None)),
        ("dataset, a zero byte", put("data", "dataset", value="a\0b")),
        ("binarize, a number", put("data", "binarize", value=1)),
        ("split seed, negative", put("data", "split_seed", value=-1)),
        ("split seed, a word", put("data", "split_seed", value="0")),
        ("image size, three", put("data", "image_size", value=[8, 8, 8])),
        ("image size, a word", put("data", "image_size", value="8x8")),
    ]  # fmt: skip
    damages: list[tuple[str, Callable[[str], Make]]] = [
        (name, lambda path, content=content: write(path, content)) for name, content in contents
    ]
    damages += [(name, lambda path, change=change: edit(path, change)) for name, change in changes]
    damages += [
        ("not there", remove),
        ("a folder", folder_of),
        ("a pipe", pipe),
        ("a link to itself", lambda path: link(path, "config.json")),
        ("a link to a device", lambda path: link(path, "/dev/zero")),
        ("a terabyte of nothing", lambda path: sparse(path, b"{", 10**12)),
    ]
    for (name, damage), words in zip(damages, itertools.cycle(_TAKE_MODELS), strict=False):
        # What is no regular file is not there for a list.
        if words[0] == "list" and name in ("not there", "a folder", "a pipe", "a link to itself"):
            words = ("sample", "bad")
        command, code, says = words[0], FAILED, _NOT_OURS
        make = copied(damage(f"{MODEL}/config.json"))
        if command == "export":
            make = copied(damage(f"{RUN}/config.json"), run=True, model=False)
        elif words[:2] == ("train", "--resume"):
            make = unfinished(damage(f"{RUN}/config.json"))
            command = "resume"
        elif command == "train":
            command = "start from"
        elif command == "list":
            code, says = LISTED, "damaged"
        yield Case(
            f"config.json, {name}: {command}", words, code, says, make, may=("pictures", "others")
        )
    for name, change, says in (
        ("of a dataset that is gone", put("data", "dataset", value="/nowhere/a.npy"), "/nowhere"),
        ("of a dataset that is unknown", put("data", "dataset", value="minst"), "did you mean"),
        ("of a dataset at a device", put("data", "dataset", value="/dev/zero"), "/dev/zero"),
        ("of images of another size", put("model", "image_shape", value=[4, 16, 1]), "8 x 8 x 1"),
        ("of digits with a size", put("data", "image_size", value=[8, 8]), "its own size"),
        ("of a billion latents", put("model", "latent", value=10**9), "cannot hold"),
        ("of a billion units", put("model", "hidden", value=[10**9]), "cannot hold"),
        ("of gigapixels", put("model", "image_shape", value=[10**6, 10**6, 1]), "1000000 x 1"),
        ("of a huge mixture", put("model", value={**_MODEL, "components": 10**9}), "cannot hold"),
    ):
        yield Case(
            f"config.json, {name}",
            ("evaluate", "bad"),
            USAGE if says == "did you mean" else FAILED,
            says,
            copied(edit(f"{MODEL}/config.json", change)),
        )


def weights() -> Iterator[Case]:
    """The variables of saved models, and the checkpoints of runs."""
    inside = f"{MODEL}/variables"
    index = f"{MODEL}/variables/variables.index"
    data = f"{MODEL}/variables/variables.data-00000-of-00001"
    cannot = "cannot load the weights in"
    config = f"{MODEL}/config.json"

    def other(**changes: Any) -> Make:
        return both(*(edit(config, put("model", key, value=v)) for key, v in changes.items()))

    found = (
        ("no folder", remove(inside)),
        ("a file for a folder", both(remove(inside), write(inside, ""))),
        ("no index", remove(index)),
        ("an empty index", write(index, b"")),
        ("half an index", cut(index, 0.5)),
        ("an index that is text", write(index, b"hello " * 100)),
        ("a flipped byte in the index", flip(index, 0.3)),
        ("an index that is a pipe", pipe(index)),
        ("an index that is a folder", folder_of(index)),
        ("no data", remove(data)),
        ("empty data", write(data, b"")),
        ("half the data", cut(data, 0.5)),
        ("flipped bytes in the data", flip(data, 0.2, 0.5, 0.8)),
        ("data that are a pipe", pipe(data)),
        ("data that are a folder", folder_of(data)),
        ("data that are a device", link(data, "/dev/zero")),
        ("of a wider model", other(hidden=[9])),
        ("of a deeper model", other(hidden=[8, 8])),
        ("of a model of more latents", other(latent=3)),
        ("of another posterior", other(posterior="full")),
        ("of another prior", other(prior="mixture")),
        ("of another likelihood", other(likelihood="bernoulli")),
        ("of an enormous model", other(hidden=[10**5, 10**5])),
        ("that are NaN", lambda folder: _spoiled(folder, index, np.nan)),
        ("that are infinite", lambda folder: _spoiled(folder, index, np.inf)),
        ("that are words", lambda folder: _spoiled(folder, index, "word")),
        ("that are wider numbers", lambda folder: _spoiled(folder, index, 1.0)),
    )  # fmt: skip
    commands = ("sample", "evaluate", "reconstruct", "figures", "compare", "fit-prior")
    for (name, make), command in zip(found, itertools.cycle(commands), strict=False):
        words = (command, EARLIER, "bad") if command == "compare" else (command, "bad")
        if command == "figures":
            words = (*words, "--output", "pictures")
        yield Case(
            f"weights, {name}: {command}", words, FAILED, cannot, copied(make), may=("pictures",)
        )
    for name, make in (
        ("of another number of latents", other(latent=3)),
        ("damaged", cut(data, 0.5)),
    ):
        yield Case(
            f"weights to start from, {name}",
            ("train", "--hidden", "8", "--no-jit", "--start-from", "bad"),
            FAILED,
            "cannot",
            copied(make),
        )
    checkpoints = f"{RUN}/checkpoints"
    for name, make, says in (
        ("no folder", remove(checkpoints), "no checkpoint"),
        ("no index", remove(f"{checkpoints}/ckpt-23.index"), "no checkpoint"),
        ("half an index", cut(f"{checkpoints}/ckpt-23.index", 0.5), cannot),
        ("no data", remove(f"{checkpoints}/ckpt-23.data-00000-of-00001"), cannot),
        ("half the data", cut(f"{checkpoints}/ckpt-23.data-00000-of-00001", 0.1), cannot),
        ("of another model",
         edit(f"{RUN}/config.json", put("model", "latent", value=3)), cannot),
        ("best weights that are damaged", write(f"{checkpoints}/best.index", b"x"), cannot),
    ):  # fmt: skip
        yield Case(
            f"checkpoints, {name}: export",
            ("export", "bad", "--models", "others"),
            FAILED,
            says,
            copied(make, run=True, model=False),
            may=("others",),
        )


def _spoiled(folder: Path, index: str, value: Any) -> None:
    """Exchange the weights of a saved model for others of the same shapes."""
    import tensorflow as tf

    path = str(folder / index.removesuffix(".index"))
    reader = tf.train.load_checkpoint(path)
    shapes = {
        int(name.split("/")[1]): shape
        for name, shape in reader.get_variable_to_shape_map().items()
        if name.startswith("weights/")
    }
    kind = tf.string if isinstance(value, str) else tf.float64 if value == 1 else tf.float32
    spoiled = [tf.Variable(tf.fill(shapes[i], tf.constant(value, kind))) for i in sorted(shapes)]
    tf.train.Checkpoint(weights=spoiled).write(path)


def records() -> Iterator[Case]:
    """`history.csv`, `frames.npz` and `results.json` of runs."""
    history, frames, results = (f"{RUN}/{n}" for n in ("history.csv", "frames.npz", "results.json"))
    head = (
        "epoch,seconds,train_elbo,train_reconstruction,train_kl,validation_elbo,"
        "validation_reconstruction,validation_kl,active_units,objective,train_objective"
    )
    row = "1,0.1,-64,-64,0.2,-64,-63.8,0.1,2,elbo,-64"
    damaged = "history.csv is damaged"
    curves = ("figures", "bad", "--only", "curves", "--output", "pictures")
    for name, make, says in (
        ("empty", write(history, b""), damaged),
        ("a head alone", write(history, f"{head}\n"), "there is no such run"),
        ("a row alone", write(history, f"{row}\n"), damaged),
        ("half a row", write(history, f"{head}\n{row[:20]}\n"), damaged),
        ("a row too long", write(history, f"{head}\n{row},7,8\n"), damaged),
        ("words for numbers", write(history, f"{head}\n{row.replace('0.1', 'fast')}\n"), damaged),
        ("other columns", write(history, "a,b\n1,2\n"), damaged),
        ("a column missing", write(history, f"{head[6:]}\n{row[2:]}"), damaged),
        ("a column twice", write(history, f"epoch,{head}\n1,{row}"), damaged),
        ("infinite epochs", write(history, f"{head}\ninf{row[1:]}\n"), damaged),
        ("epochs that are NaN", write(history, f"{head}\nnan{row[1:]}\n"), damaged),
        ("half an epoch", write(history, f"{head}\n1.5{row[1:]}\n"), damaged),
        ("epochs that go back", write(history, f"{head}\n2{row[1:]}\n{row}"), damaged),
        ("zero bytes", write(history, f"{head}\n{row}\0\n"), damaged),
        ("binary", write(history, bytes(range(256)) * 9), damaged),
        ("UTF-16", write(history, f"{head}\n{row}".encode("utf-16")), damaged),
        ("a field of a megabyte", write(history, f"{head}\n{'1' * 10**6}{row[1:]}\n"), damaged),
        ("a quote that does not end", write(history, f'{head}\n"{row}\n' * 999), damaged),
        ("a thousand columns", write(history, ",".join(["a"] * 1000) + "\n"), damaged),
        ("a JSON", write(history, b"{}"), damaged),
        ("a terabyte of nothing", sparse(history, f"{head}\n".encode(), 10**12), "history.csv"),
    ):
        yield Case(
            f"history.csv, {name}: figures", curves, FAILED, says, copied(make, run=True),
            may=("pictures",),
        )  # fmt: skip
    images, epochs = np.zeros((1, 36, 8, 8, 1), np.uint8), np.array([1])
    film = ("figures", "bad", "--only", "animation", "--output", "pictures")
    for name, content in (
        ("empty", b""),
        ("text", b"hello"),
        ("half", npz(epochs=epochs, images=images)[:150]),
        ("a flipped byte", _flipped(npz(epochs=epochs, images=images), 60)),
        ("an array alone", whole_npy(images)),
        ("an empty archive", npz()),
        ("no epochs", npz(images=images)),
        ("no images", npz(epochs=epochs)),
        ("no frames", npz(epochs=epochs[:0], images=images[:0])),
        ("more epochs than images", npz(epochs=np.array([1, 2]), images=images)),
        ("images of two dimensions", npz(epochs=epochs, images=images[..., 0, 0, 0])),
        ("images of two channels", npz(epochs=epochs, images=np.zeros((1, 36, 8, 8, 2), np.uint8))),
        ("images that are floats", npz(epochs=epochs, images=images / 2)),
        ("images that are words", npz(epochs=epochs, images=images.astype(str))),
        ("epochs that are words", npz(epochs=np.array(["one"]), images=images)),
        ("a single epoch", npz(epochs=np.array(1), images=images)),
        ("images without pixels", npz(epochs=epochs, images=images[:, :, :0])),
        ("frames without images", npz(epochs=epochs, images=images[:, :0])),
        ("a pickle", npz(epochs=npy("|O", (1,), pickle.dumps([Runs()])), images=images)),
        ("terabytes declared", npz(epochs=epochs, images=npy(shape=(1, 10**6, 1000, 1000, 1)))),
        ("a bomb", bomb(npy(shape=(255 * 2**4, 1, 2**10, 2**10, 1)))),
        ("an unknown compression", patched_zip(10, b"\x63", npz(epochs=epochs, images=images))),
        ("encrypted", patched_zip(8, b"\1", npz(epochs=epochs, images=images))),
    ):
        yield Case(
            f"frames.npz, {name}: figures", film, FAILED, "frames.npz is damaged",
            copied(write(frames, content), run=True), may=("pictures",),
        )  # fmt: skip
    for name, content in (
        ("empty", b""),
        ("text", b"hello"),
        ("a list", b"[]"),
        ("a number", b"3"),
        ("nothing", b"{}"),
        ("words for numbers", b'{"epochs": "1", "elbo": "high", "kl": "low", "active_units": "2"}'),
        ("a list for a number", b'{"epochs": 1, "elbo": [1], "kl": 0.1, "active_units": 2}'),
        ("null for numbers", b'{"epochs": 1, "elbo": null, "kl": null, "active_units": null}'),
        ("brackets", b"[" * 200_000),
        ("binary", bytes(range(256))),
    ):
        yield Case(
            f"results.json, {name}: list", ("list",), LISTED, "damaged",
            copied(write(results, content), run=True, model=False),
        )  # fmt: skip
        yield Case(
            f"results.json, {name}: export", ("export", "bad", "--models", "others"), FAILED,
            "results.json", copied(write(results, content), run=True, model=False), may=("others",),
        )  # fmt: skip
    for name, make in (
        ("a pipe", pipe(results)),
        ("a device", link(results, "/dev/zero")),
        ("a link to itself", link(results, "results.json")),
        ("a folder", folder_of(results)),
    ):
        yield Case(
            f"results.json, {name}: export", ("export", "bad", "--models", "others"), FAILED,
            "results.json", copied(make, run=True, model=False), may=("others",),
        )  # fmt: skip
    for name, make, says in (
        ("frames that are text", write(frames, b"hello"), "frames.npz"),
        ("frames that are gone", remove(frames), "frames.npz"),
        ("a checkpoint that is cut", cut(f"{RUN}/checkpoints/ckpt-23.index", 0.4), "ckpt-23"),
        ("a checkpoint of another model",
         edit(f"{RUN}/config.json", put("model", "latent", value=3)), "ckpt-23"),
    ):  # fmt: skip
        yield Case(
            f"interrupted run, {name}: resume", ("train", "--resume", "bad"), FAILED, says,
            unfinished(make),
        )  # fmt: skip


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def places() -> Iterator[Case]:
    """Names and folders on the command line."""
    name_rule = "must be letters, digits"
    for name, typed in (
        ("that climbs", "../../x"),
        ("that is a path", "a/b"),
        ("that is absolute", "/tmp/x"),
        ("that is empty", ""),
        ("that is the folder", "."),
        ("that is the folder above", ".."),
        ("that is hidden", ".x"),
        ("that begins with a dash", "-x"),
        ("with a space", "a b"),
        ("with a line break", "a\nb"),
        ("with a line break at its end", "a\n"),
        ("with an escape sequence", "\x1b[31mx"),
        ("with a quote", "a'b"),
        ("with a backslash", "a\\b"),
        ("with a percent sign", "a%sb"),
        ("with a byte that is not UTF-8", "a\udcff"),
        ("of a thousand letters", "a" * 1000),
    ):
        for words in ("train",), ("sweep", "--latent", "2,3"), ("fit-prior", EARLIER):
            # In turn: all of them would be many of the same.
            if len(typed) % 3 == ("train", "sweep", "fit-prior").index(words[0]) or typed == "":
                yield Case(
                    f"name {name}: {words[0]}", (*words, f"--name={typed}"), USAGE, name_rule
                )
    for name, words, says in (
        ("of a run", ("train", "--name", EARLIER), "exists already"),
        ("of a new prior", ("fit-prior", EARLIER, "--name", "other"), "exists already"),
        ("of an export", ("export", EARLIER), "exists already"),
    ):
        yield Case(
            f"name that is taken, {name}", words, FAILED, says, write("saved_models/other/a", "")
        )
    for name, model in ("itself", EARLIER), ("by another path", f"runs/../saved_models/{EARLIER}"):
        yield Case(
            f"name of the model {name}: fit-prior",
            ("fit-prior", model, "--name", EARLIER, "--overwrite"), USAGE, "choose another",
        )  # fmt: skip
    for command in "sample", "evaluate", "reconstruct", "figures", "fit-prior", "export":
        what = "run" if command == "export" else "saved model"
        for name, typed, says in (
            ("a typo", "earlyer", f"did you mean '{EARLIER}'?"),
            ("nothing", "", f"{what}"),
            ("a path that climbs", "../../etc", f"there is no {what}"),
            ("a folder of others", "/etc", _NOT_OURS),
            ("this folder", ".", _NOT_OURS),
            ("the folder above", "..", _NOT_OURS),
            ("a file", "file", f"there is no {what}"),
            ("an escape sequence", "\x1b[2J", f"there is no {what}"),
            ("a line break", "ear\nlier", f"there is no {what}"),
            ("ten thousand letters", "a" * 10_000, f"there is no {what}"),
            ("bytes that are not UTF-8", "\udcff", f"there is no {what}"),
        ):
            # Half of them for each, in turn.
            if (len(typed) + len(command)) % 2 or name == "nothing":
                extra = ("--output", "pictures") if command == "figures" else ()
                yield Case(
                    f"model, {name}: {command}", (command, typed, *extra), FAILED, says,
                    write("file", ""), may=("pictures",),
                )  # fmt: skip
    for name, words, code, says in (
        ("one", (EARLIER,), USAGE, "two models or more"),
        ("none", (), USAGE, "Missing argument"),
        ("one twice", (EARLIER, EARLIER), USAGE, "two models or more"),
        ("one by name and by path", (EARLIER, f"saved_models/{EARLIER}"), USAGE, "two models"),
        ("two of one name", (EARLIER, f"others/{EARLIER}"), USAGE, "same name"),
        ("one that is not there", (EARLIER, "nothing"), FAILED, "there is no saved model"),
        ("one that is empty", (EARLIER, ""), FAILED, "saved model"),
    ):
        yield Case(
            f"models to compare, {name}", ("compare", *words), code, says,
            lambda folder: shutil.copytree(folder / "saved_models", folder / "others"),
        )  # fmt: skip
    yield Case(
        "export of a run by a path that ends in dots, in place of what is above",
        ("export", f"runs/{EARLIER}/figures/..", "--overwrite", "--models", "others/deep"),
        LISTED, f"others/deep/{EARLIER}", may=("others",),
    )  # fmt: skip
    for option, command in (
        ("--runs", ("train",)),
        ("--models", ("train",)),
        ("--models", ("sample",)),
        ("--models", ("evaluate",)),
        ("--models", ("compare", "a", "b")),
        ("--runs", ("figures", EARLIER)),
        ("--output", ("figures", EARLIER)),
        ("--runs", ("list",)),
        ("--models", ("list",)),
        ("--runs", ("export", EARLIER)),
        ("--runs", ("sweep",)),
        ("--sweeps", ("sweep",)),
        ("--output", ("reproduce",)),
        ("--data-dir", ("reproduce",)),
        ("--models", ("fit-prior",)),
    ):
        for name, typed, says in ("a file", "file", "is a file"), ("nothing", "", "empty"):
            yield Case(
                f"{option} that is {name}: {command[0]}", (*command, option, typed), USAGE, says,
                write("file", ""),
            )  # fmt: skip
    for option, command in (
        ("--runs", ("train",)),
        ("--models", ("train",)),
        ("--models", ("export", EARLIER)),
        ("--output", ("figures", EARLIER)),
        ("--output", ("reproduce",)),
        ("--sweeps", ("sweep", "--hidden", "4", "--epochs", "1")),
    ):
        for name, typed, make in (
            ("below a file", "file/x", write("file", "")),
            ("a link to itself", "loop", link("loop", "loop")),
            ("in the kernel's", "/proc/none", write("file", "")),
            ("too long", "a" * 300, write("file", "")),
        ):
            yield Case(
                f"{option} {name}: {command[0]}", (*command, option, typed), FAILED,
                "cannot write to the folder", make,
            )  # fmt: skip
    for command, suffix in ("sample", "npy"), ("reconstruct", "png"), ("compare", "svg"):
        words = (command, EARLIER, "other") if command == "compare" else (command, EARLIER)

        def make(folder: Path, suffix: str = suffix) -> None:
            shutil.copytree(folder / "saved_models" / EARLIER, folder / "saved_models" / "other")
            (folder / "file").touch()
            (folder / f"folder.{suffix}").mkdir()

        for name, typed, code, says in (
            ("nothing", "", USAGE, "must end in"),
            ("no suffix", "picture", USAGE, "must end in"),
            ("another suffix", "a.exe", USAGE, "must end in"),
            ("a suffix alone", f".{suffix}", USAGE, "must end in"),
            ("a folder", f"folder.{suffix}", USAGE, "is a folder"),
            ("below a file", f"file/a.{suffix}", FAILED, "cannot write to the folder"),
            ("in the kernel's folder", f"/proc/none/a.{suffix}", FAILED, "cannot write to"),
            ("a name too long", "a" * 300 + f".{suffix}", FAILED, "name too long"),
        ):
            yield Case(f"output, {name}: {command}", (*words, "--output", typed), code, says, make)


def options() -> Iterator[Case]:
    """Options, values and combinations that cannot be."""
    range_ = "is not in the range"
    number = "is not a valid"
    most = "must be at most"
    for words, says in (
        ("train --latent 0", range_),
        ("train --latent -1", range_),
        ("train --latent 1.5", number),
        ("train --latent two", number),
        ("train --latent " + "9" * 5000, number),
        ("train --hidden 0", "whole numbers"),
        ("train --hidden 10,,10", "whole numbers"),
        ("train --hidden 10,", "whole numbers"),
        ("train --hidden 1e9", "whole numbers"),
        ("train --hidden " + "9" * 5000, "whole numbers"),
        ("train --hidden " + ",".join(["1"] * 5000), "layers"),
        ("train --epochs 0", range_),
        ("train --epochs 1e3", number),
        ("train --epochs " + "9" * 30, most),
        ("train --epochs " + "9" * 400, most),
        ("train --batch-size 0", range_),
        ("train --batch-size 1000000000000000000", most),
        ("train --batch-size -64", range_),
        ("train --learning-rate 0", range_),
        ("train --learning-rate -1", range_),
        ("train --learning-rate inf", range_),
        ("train --learning-rate 1e999", range_),
        ("train --learning-rate nan", "must be greater than 0"),
        ("train --learning-rate fast", number),
        ("train --beta -1", range_),
        ("train --beta inf", range_),
        ("train --beta nan", "beta must be"),
        ("train --kl-warmup -1", range_),
        ("train --kl-warmup " + "9" * 400, most),
        ("train --free-bits nan", "free_bits must be"),
        ("train --free-bits -0.1", range_),
        ("train --patience 0", range_),
        ("train --weight-decay inf", range_),
        ("train --dropout 1", range_),
        ("train --dropout nan", "dropout must be"),
        ("train --input-noise -1", range_),
        ("train --input-noise nan", "input_noise must be"),
        ("train --seed -1", range_),
        ("train --seed 2147483648", range_),
        ("train --seed x", number),
        ("train --components 0", range_),
        ("train --prior mixture --components " + "9" * 30, most),
        ("train --prior flow --flow-layers 1000000000", most),
        ("train --prior flow --flow-units 0", range_),
        ("train --bound iwae --importance-samples 0", range_),
        ("train --bound iwae --importance-samples 1000000000000", most),
        ("train --activation sin", "is not one of"),
        ("train --likelihood poisson", "is not one of"),
        ("train --posterior diag", "is not one of"),
        ("train --prior normal", "is not one of"),
        ("train --optimizer sgdd", "is not one of"),
        ("train --schedule linear", "is not one of"),
        ("train --recipe worst", "is not one of"),
        ("train --estimator reinforce", "is not one of"),
        ("train --bound vr-max", "is not one of"),
        ("train --binarize yes", "is not one of"),
        ("train --mean-activation tanh", "is not one of"),
        ("train --strategy tpu", "is not one of"),
        ("train --importance-samples 5", "need --bound iwae"),
        ("train --doubly-reparameterized", "need --bound iwae"),
        ("train --bound iwae --free-bits 1", "free_bits needs"),
        ("train --bound iwae --posterior iaf --doubly-reparameterized", "Gaussian posterior"),
        ("train --binarize dynamic --likelihood normal", "needs the bernoulli"),
        ("train --likelihood bernoulli --mean-activation linear", "mean_activation"),
        ("train --components 3", "components need"),
        ("train --flow-layers 3", "need --prior flow"),
        ("train --estimator wake-sleep --beta 2", "takes no"),
        ("train --estimator wake-sleep --dropout 0.5", "takes no dropout"),
        ("train --prior vamp --components 100000 --no-jit --hidden 4", "components"),
        ("train --resume earlier --epochs 5", "--epochs (it has 1)"),
        ("train --latent 99999999999999999999", most),
        ("train --batch-size", "requires an argument"),
        ("train --latnet 2", "No such option"),
        ("train digits", "unexpected extra argument"),
        ("train --latent=", number),
        ("train --jit", "No such option"),
        ("sweep --latent 1,0", range_),
        ("sweep --latent 1,", number),
        ("sweep --latent ,", number),
        ("sweep --latent 2,2", "twice"),
        ("sweep --latent 2,02", "twice"),
        ("sweep --beta 1,1.0", "twice"),
        ("sweep --beta 1,nan", "beta must be"),
        ("sweep --hidden 8 --hidden 8", "twice"),
        ("sweep --seed 0,1,2147483648", range_),
        ("sweep --likelihood normal,poisson", "is not one of"),
        ("sweep --prior mixture,standard --components 3", "components need"),
        ("sweep --jobs 0", range_),
        ("sweep --jobs 1000000000", range_),
        ("sweep --backend slurm", "is not one of"),
        ("sweep --resume earlier", "No such option"),
        ("sweep --overwrite", "No such option"),
        ("sweep --dataset digits,minst", "did you mean"),
        ("sweep --seed " + ",".join(map(str, range(200))) + " --latent "
         + ",".join(map(str, range(1, 200))), "runs"),
        ("reproduce --only nothing", "is not one of"),
        ("reproduce --jobs 0", range_),
        ("reproduce --jobs 1000000000", range_),
        ("reproduce --seed 1", "No such option"),
        ("reproduce frey", "unexpected extra argument"),
        ("fit-prior earlier --prior vamp", "is not one of"),
        ("fit-prior earlier --components 0", range_),
        ("fit-prior earlier --components 1000000", "components"),
        ("fit-prior earlier --components " + "9" * 30, range_),
        ("fit-prior earlier --prior flow --components 3", "components are a mixture's"),
        ("fit-prior earlier --importance-samples 0", range_),
        ("fit-prior earlier --importance-samples " + "9" * 30, range_),
        ("fit-prior earlier --seed -1", range_),
        ("sample earlier --count 0", range_),
        ("sample earlier --count -5", range_),
        ("sample earlier --count many", number),
        ("sample earlier --count " + "9" * 30, range_),
        ("sample earlier --seed 99999999999", range_),
        ("sample earlier other", "unexpected extra argument"),
        ("sample earlier --nothing", "No such option"),
        ("evaluate earlier --split tset", "is not one of"),
        ("evaluate earlier --split ''", "is not one of"),
        ("evaluate earlier --importance-samples 0", range_),
        ("evaluate earlier --importance-samples " + "9" * 30, range_),
        ("evaluate earlier --importance-samples 1e3", number),
        ("reconstruct earlier --count 0", range_),
        ("reconstruct earlier --output a.npy", "must end in .png"),
        ("figures earlier --only curve", "is not one of"),
        ("figures earlier --only ''", "is not one of"),
        ("figures earlier --format jpg", "is not one of"),
        ("figures earlier --seed 1.5", number),
        ("compare earlier other --seed -3", range_),
        ("compare earlier other --output a.gif", "must end in"),
        ("list earlier", "unexpected extra argument"),
        ("list --all", "No such option"),
        ("export", "Missing argument"),
        ("export earlier other", "unexpected extra argument"),
        ("export earlier --json", "No such option"),
        ("data delete", "No such command"),
        ("data prepare", "Missing argument"),
        ("data prepare minst", "did you mean 'mnist'?"),
        ("data prepare digits mnist", "unexpected extra argument"),
        ("data list --nothing", "No such option"),
        ("trian", "No such command"),
        ("--trian", "No such option"),
        ("-x train", "No such option"),
        ("''", "No such command"),
    ):  # fmt: skip
        arguments = tuple("" if word == "''" else word for word in words.split())
        shown = words if len(words) < 80 else f"{words[:60]}..."
        yield Case(f"usage: {shown}", arguments, USAGE, says)
    for name, arguments, says in (
        ("a command with a line break", ("tr\nain",), "No such command"),
        ("a command with an escape sequence", ("\x1b[31mtrain\x1b[0m",), "No such command"),
        ("an option with an escape sequence", ("train", "--\x1b[31m"), "No such option"),
        ("an option with a line break", ("train", "--a\nb"), "No such option"),
        ("a value with a line break", ("train", "--latent", "2\n3"), number),
        ("a value with an escape sequence", ("train", "--latent", "\x1b[31m2"), number),
        ("a value with a carriage return", ("train", "--prior", "flow\rx"), "is not one of"),
        ("a value that is not UTF-8", ("train", "--prior", "\udcff"), "is not one of"),
        ("a value from right to left", ("train", "--prior", "\u202eflow"), "is not one of"),
        ("an argument with a line break", ("list", "a\nb"), "unexpected extra argument"),
        ("a value that is a bell", ("train", "--latent", "\a\b"), number),
    ):
        yield Case(f"usage: {name}", arguments, USAGE, says)
    memory = "memory"
    for words, says in (
        ("train --hidden 100000000", memory),
        ("train --hidden 1000000,1000000", memory),
        ("train --latent 1000000000", memory),
        ("train --posterior full --latent 1000000", memory),
        ("train --prior mixture --components 1000000 --latent 1000", memory),
        ("train --prior mixture --components 2000000000", memory),
        ("train --prior flow --flow-units 1000000", memory),
        ("train --posterior iaf --flow-units 1000000", memory),
        ("train --bound iwae --importance-samples 100000000", memory),
        ("sweep --latent 2,1000000000", memory),
        ("sweep --hidden 100000000", memory),
        ("sample earlier --count 900000000", memory),
        ("sample earlier --count 900000000 --output a.npy", memory),
        ("train --resume nothing", "there is no run"),
        ("train --start-from nothing", "there is no saved model"),
        ("train --start-from earlier --latent 3", "cannot start from"),
        ("train --start-from earlier --hidden 9", "cannot start from"),
        ("figures earlier --only tsne --dataset ten.npy", "t-SNE"),
        ("figures earlier --only interpolation --dataset ten.npy", "two test images"),
    ):
        make = write("ten.npy", whole_npy(pixels(10)))
        yield Case(f"too much: {words}", tuple(words.split()), FAILED, says, make, may=("figures",))
    one = '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": %d}}'
    for name, value in (
        ("text", "hello"),
        ("a list", "[]"),
        ("a number", "3"),
        ("nothing in it", "{}"),
        ("a bomb", "[" * 100_000),
        ("no such worker", one % 9),
        ("a negative worker", one % -1),
        ("words for workers", '{"cluster": {"worker": 5}, "task": {"type": "worker", "index": 0}}'),
    ):  # fmt: skip
        yield Case(
            f"TF_CONFIG, {name}", ("train", "--strategy", "multiworker"), USAGE, "TF_CONFIG",
            environment={"TF_CONFIG": value},
        )  # fmt: skip


def cases() -> list[Case]:
    """All of them."""
    groups = (arrays, archives, images, names, prepared, configurations, weights, records, places)
    return [case for group in (*groups, options) for case in group()]


def main() -> None:
    """List them."""
    found = cases()
    for case in found:
        print(f"{case.code}  {case.name.encode('unicode_escape').decode()}")
    print(f"{len(found)} bad inputs")


if __name__ == "__main__":
    main()
