"""Files that are damaged, or made to do harm, are errors of one line."""

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kvae.errors import KvaeError
from kvae.io import machine, reading
from kvae.io.reading import open_regular, read_arrays, read_json, read_text

IMAGES = np.arange(12 * 3 * 4, dtype=np.uint8).reshape(12, 3, 4)
NOT_WHOLE = "is not a whole .npy or .npz file of numbers"


class Harm:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("harm",)


def npy(descr="|u1", shape=(12, 3, 4), data=b"", version=(1, 0), length=None) -> bytes:
    """A `.npy` file whose header says what it is told to say."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    length = struct.pack("<H" if version[0] == 1 else "<I", length or len(header))
    return b"\x93NUMPY" + bytes(version) + length + header + data


def saved(save, *arrays, **named) -> bytes:
    """The file that NumPy writes."""
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


def archive(**parts: bytes) -> bytes:
    """A `.npz` file with these bytes for its arrays."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(f"{name}.npy", content)
    return file.getvalue()


def patched(content: bytes, offset: int, new: bytes) -> bytes:
    """A `.npz` file with other bytes in the directory entry of its first array."""
    start = content.index(b"PK\1\2") + offset
    return content[:start] + new + content[start + len(new) :]


@pytest.mark.parametrize("dtype", ["u1", "?", "<f4", ">i8", "f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back(tmp_path, dtype, order):
    images = np.asarray(IMAGES.astype(dtype), order=order)
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "b.npz", a=images, b=images[0])
    np.savez_compressed(tmp_path / "c.npz", a=images, b=images[0])
    assert [*read_arrays(tmp_path / "a.npy")] == ["a"]
    assert [*read_arrays(tmp_path / "b.npz")] == ["a", "b"]
    for name in "a.npy", "b.npz", "c.npz":
        array = read_arrays(tmp_path / name, lambda names: names[:1])["a"]
        assert array.dtype == images.dtype
        np.testing.assert_array_equal(array, images)


def test_only_the_arrays_that_are_chosen_are_read(tmp_path):
    (tmp_path / "a.npz").write_bytes(archive(good=saved(np.save, IMAGES), bad=b"hello"))
    assert [*read_arrays(tmp_path / "a.npz", lambda names: ["good"])] == ["good"]
    np.save(tmp_path / "a.npy", IMAGES)
    assert read_arrays(tmp_path / "a.npy", lambda names: []) == {}


WHOLE = saved(np.save, IMAGES)
PACKED = saved(np.savez_compressed, IMAGES)
DAMAGED = {
    "empty": b"",
    "text": b"hello, world",
    "half a header": WHOLE[:40],
    "one byte missing": WHOLE[:-1],
    "unknown version": npy(version=(9, 0), data=bytes(144)),
    "a thousand gigabytes declared": npy(shape=(10**6, 10**3, 10**3)),
    "more than a 64-bit size": npy(shape=(2**40, 2**40, 8)),
    "a size that wraps to nothing": npy(shape=(2**32, 2**32, 1)),
    "a size of a thousand digits": npy(shape=(10**1000, 3, 4)),
    "a negative size": npy(shape=(-12, 3, 4), data=bytes(144)),
    "one size that is -1": npy(shape=(-1,), data=bytes(144)),
    "words for a size": npy(shape=("12", "3", "4"), data=bytes(144)),
    "no type": npy("|q9", data=bytes(144)),
    "a header that is long": npy(shape=(1,) * 5000, data=bytes(1)),
    "half an archive": PACKED[: len(PACKED) // 2],
    "a flipped byte": PACKED[:200] + bytes([PACKED[200] ^ 255]) + PACKED[201:],
    "encrypted": patched(PACKED, 8, b"\1"),
    "an unknown compression": patched(PACKED, 10, b"\x63"),
    "no array inside": archive(a=b"hello"),
    "half an array inside": archive(a=WHOLE[:-1]),
    "more than an array inside": archive(a=WHOLE + b"more"),
    "an archive inside": archive(a=PACKED),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_arrays(tmp_path, name):
    (tmp_path / "a.npz").write_bytes(DAMAGED[name])
    with pytest.raises(KvaeError, match=f"a.npz {NOT_WHOLE}: ") as error:
        read_arrays(tmp_path / "a.npz")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "content",
    [
        saved(np.save, np.array([Harm()], object), allow_pickle=True),
        npy("|O", (1,), pickle.dumps([Harm()])),
        npy([("a", "|u1"), ("b", "|O")], (1,), pickle.dumps([Harm()])),
        archive(a=npy("|O", (1,), pickle.dumps([Harm()]))),
    ],
)
def test_nothing_is_unpickled(tmp_path, content, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.npy").write_bytes(content)
    with pytest.raises(KvaeError, match="a in a.npy must hold numbers, but holds pickled objects"):
        read_arrays(Path("a.npy"))
    Path("a.npy").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(KvaeError, match=NOT_WHOLE):
        read_arrays(Path("a.npy"))
    assert not Path("harm").exists()


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a"]),
        np.zeros(3, complex),
        np.zeros(3, "M8[s]"),
        np.zeros(3, "V2"),
        np.zeros(3, [("a", "u1"), ("b", "f4")]),
    ],
)
def test_arrays_that_are_not_of_numbers(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(KvaeError, match="a in .*a.npy must hold numbers, but holds values of type"):
        read_arrays(tmp_path / "a.npy")


def test_no_memory_is_taken_for_what_a_header_claims(tmp_path):
    for name, content in {
        "header": npy(version=(2, 0), length=2**31),
        "type": npy(f"|V{2**30}"),
    }.items():
        path = tmp_path / f"{name}.npy"
        path.write_bytes(content)
        os.truncate(path, 2**31 + 1000)  # Without content, the file takes no space on the disk.
        tracemalloc.start()
        with pytest.raises(KvaeError):
            read_arrays(path)
        assert tracemalloc.get_traced_memory()[1] < 2**21
        tracemalloc.stop()


def test_files_that_do_not_fit_into_memory(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", IMAGES)
    np.savez_compressed(tmp_path / "a.npz", np.zeros(1000))
    monkeypatch.setattr(machine, "available_memory", lambda: 200)
    for name in "a.npy", "a.npz":
        with pytest.raises(KvaeError, match=f"{name} would take .* KiB of memory.*take fewer"):
            read_arrays(tmp_path / name)


def test_zip_bomb(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", np.zeros(10**6, np.uint8))
    read_arrays(tmp_path / "a.npz")
    monkeypatch.setattr(reading, "BOMB_BYTES", 1000)
    with pytest.raises(KvaeError, match="bytes would grow to 1,000,128 as in a zip bomb"):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("read", [open_regular, read_text, read_json, read_arrays])
def test_what_is_not_a_regular_file_is_refused(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in "pipe", "device", ".":
        with pytest.raises(KvaeError, match="cannot read .*: it is not a regular file"):
            read(tmp_path / name)
    with pytest.raises(KvaeError, match="cannot read .*missing: No such file"):
        read(tmp_path / "missing")


def test_text_and_json(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text('{"ä": [1, 2.5, null]}', encoding="utf-8")
    assert read_json(path) == {"ä": [1, 2.5, None]}
    for content, message in {
        b'{"a": \xff': "a.json is damaged: 'utf-8'",
        b'{"a": ': "a.json is not a JSON file: Expecting value",
        b"[" * 100_000: "a.json is not a JSON file: it is nested too deeply",
        b"9" * 5000: "a.json is not a JSON file: Exceeds the limit",
    }.items():
        path.write_bytes(content)
        with pytest.raises(KvaeError, match=message):
            read_json(path)
    monkeypatch.setattr(reading, "TEXT_BYTES", 4)
    path.write_text("1234")
    assert read_text(path) == "1234"
    path.write_text("12345")
    with pytest.raises(KvaeError, match="a.json is damaged: it has more than 4 bytes"):
        read_text(path)
