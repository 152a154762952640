"""Every source of images, and what can be wrong with it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import kvae
from kvae.data import tfds
from kvae.data.dataset import partition
from kvae.data.levels import as_pixels
from kvae.errors import KvaeError, UsageError


def test_digits_are_scikit_learns(digits):
    bunch = load_digits()
    splits = [digits.train, digits.validation, digits.test]
    assert [len(split) for split in splits] == [1439, 179, 179]
    images = np.concatenate([split.images for split in splits])
    assert images.dtype == np.uint8
    assert digits.image_shape == (8, 8, 1)
    # Each digit is there once, with its label: 17 grey levels survive the way to 255 and back.
    rows = np.round(images.reshape(-1, 64) / 255 * 16)
    found = {
        (tuple(row), int(label))
        for row, label in zip(rows, np.concatenate([split.labels for split in splits]), strict=True)
    }
    assert found == {
        (tuple(row), int(label)) for row, label in zip(bunch.data, bunch.target, strict=True)
    }


def test_partition_holds_every_image_once_and_a_seed_decides():
    parts = partition(1003, 0, "test")
    assert [len(part) for part in parts] == [803, 100, 100]
    assert sorted(np.concatenate(parts)) == list(range(1003))
    assert all(np.array_equal(a, b) for a, b in zip(parts, partition(1003, 0, ""), strict=True))
    assert not np.array_equal(parts[1], partition(1003, 1, "")[1])


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([0, 7, 255], np.uint8), [0, 7, 255]),
        (np.array([False, True, True]), [0, 255, 255]),
        (np.array([0, 7, 255], np.int64), [0, 7, 255]),
        (np.array([0.0, 0.5, 1.0], np.float32), [0, 128, 255]),
    ],
)
def test_pixels_of_every_type_become_uint8(pixels, expected):
    images = as_pixels(pixels.reshape(1, 1, 3))
    assert images.dtype == np.uint8
    assert images.shape == (1, 1, 3, 1)
    assert images.ravel().tolist() == expected


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 4, 4)), "the array has no images"),
        (np.zeros((5, 4)), "is 5 x 4"),
        (np.zeros((5, 4, 4, 4)), "channels than pixels on either side, but is 5 x 4 x 4 x 4"),
        (np.zeros((5, 8, 16, 8)), "fewer channels than pixels on either side"),
        (np.zeros((5, 4, 0, 1)), "is 5 x 4 x 0"),
        (np.float32(3), "a single number"),
        (np.full((5, 4, 4), np.nan), "not finite"),
        (np.full((5, 4, 4), np.inf), "not finite"),
        (np.full((5, 4, 4), 200.0), "from 200 to 200; float64 pixels must be within 0 and 1"),
        (np.full((5, 4, 4), -0.1), "from -0.1"),
        (np.full((5, 4, 4), 2**16), "from 65536 to 65536; int64 pixels must be within 0 and 255"),
        (np.full((5, 4, 4), "a"), "must hold numbers, but its type is <U1"),
        (np.zeros((5, 4, 4), complex), "must hold numbers"),
    ],
)
def test_arrays_that_are_no_images(array, message):
    with pytest.raises(KvaeError, match=message):
        as_pixels(np.asarray(array))


def test_kinds(digits, grey_dataset):
    assert digits.kind == "grey"
    assert grey_dataset(np.full((20, 4, 4, 1), 250, np.uint8)).kind == "binary"
    assert grey_dataset(np.full((20, 4, 4, 3), 250, np.uint8)).kind == "colour"


def images_of(count: int, height: int = 6, width: int = 5, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, channels), np.uint8)


def test_npy(tmp_path):
    np.save(tmp_path / "a.npy", images_of(30)[..., 0])
    dataset = kvae.data.load(tmp_path / "a.npy")
    assert [len(dataset.split(s)) for s in ("train", "validation", "test")] == [24, 3, 3]
    assert dataset.image_shape == (6, 5, 1)
    other = kvae.data.load(tmp_path / "a.npy", seed=1)
    assert not np.array_equal(dataset.test.images, other.test.images)


def test_npz_in_keras_style(tmp_path):
    x, y = images_of(50), np.arange(50)
    np.savez(tmp_path / "a.npz", x_train=x[:40], y_train=y[:40, None], x_test=x[40:], y_test=y[40:])
    dataset = kvae.data.load(tmp_path / "a.npz")
    held_out = dataset.validation.labels
    assert [len(dataset.train), len(held_out), len(dataset.test)] == [36, 4, 10]
    np.testing.assert_array_equal(dataset.validation.images, x[held_out])
    np.testing.assert_array_equal(dataset.train.images, np.delete(x[:40], held_out, axis=0))
    np.testing.assert_array_equal(dataset.test.images, x[40:])
    np.testing.assert_array_equal(dataset.test.labels, y[40:])
    np.savez(tmp_path / "b.npz", x_train=x[:20], x_validation=x[20:25], x_test=x[25:])
    np.testing.assert_array_equal(kvae.data.load(tmp_path / "b.npz").validation.images, x[20:25])


def test_npz_with_one_array_and_with_training_images_alone(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", faces=images_of(20))
    assert len(kvae.data.load(tmp_path / "a.npz").train) == 16
    np.savez(tmp_path / "b.npz", x_train=images_of(20), y_train=np.arange(20))
    dataset = kvae.data.load(tmp_path / "b.npz")
    assert len(dataset.test) == 2
    assert len(dataset.test.labels) == 2


def test_array_files_that_cannot_be_read(tmp_path):
    for name in "text.npz", "picture.dat":
        (tmp_path / name).write_bytes(b"hello, world")
        with pytest.raises(KvaeError, match=f"{name} is not a whole .npy or .npz file"):
            kvae.data.load(tmp_path / name)
    with pytest.raises(KvaeError, match="cannot read .*missing.npy: No such file"):
        kvae.data.load(tmp_path / "missing.npy")


def test_npz_with_the_wrong_arrays(tmp_path):
    x = images_of(20)
    for arrays, message in [
        ({"a": x, "b": x}, "must have one array, or x_train and x_test, or x and y, but has a, b"),
        (
            {"x_train": x, "x_test": images_of(5, 7, 7)},
            r"the test images .* \(7, 7, 1\), but the training images of \(6, 5, 1\)",
        ),
        ({"x_train": x, "y_train": np.arange(3), "x_test": x}, "y_train .* must be 20 whole"),
        ({"x_train": x, "y_train": np.ones(20), "x_test": x}, "y_train .* must be 20 whole"),
        ({"x_train": x / 255, "x_test": x / 2}, "x_test .* within 0 and 1"),
        ({"few": x[:9]}, "has 9 images; at least 10"),
    ]:
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(KvaeError, match=message):
            kvae.data.load(tmp_path / "a.npz")


def save_pngs(folder: Path, images: np.ndarray, suffix: str = "png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(image.squeeze()).save(folder / f"{index:04}.{suffix}")


def test_folder_of_grey_images(tmp_path):
    images = images_of(40)
    save_pngs(tmp_path / "faces", images)
    (tmp_path / "faces" / "notes.txt").write_text("not an image")
    (tmp_path / "faces" / ".hidden.png").write_text("not an image")
    dataset = kvae.data.load(tmp_path / "faces")
    assert dataset.image_shape == (6, 5, 1)
    assert dataset.train.labels is None
    every = np.concatenate([dataset.split(s).images for s in ("train", "validation", "test")])
    assert {image.tobytes() for image in every} == {image.tobytes() for image in images}


def test_sub_folders_are_labels(tmp_path):
    red = np.zeros((20, 6, 5, 3), np.uint8)
    red[..., 0] = 30
    save_pngs(tmp_path / "cats", red)
    save_pngs(tmp_path / "dogs", 2 * red, "jpg")
    dataset = kvae.data.load(tmp_path)
    assert dataset.label_names == ("cats", "dogs")
    assert dataset.image_shape == (6, 5, 3)
    means = dataset.train.images.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(means, np.where(dataset.train.labels == 1, 20, 10), atol=2)


def test_grey_among_colour_becomes_colour(tmp_path):
    save_pngs(tmp_path, images_of(20, channels=3))
    Image.fromarray(images_of(1)[0, ..., 0]).save(tmp_path / "grey.png")
    assert kvae.data.load(tmp_path).image_shape == (6, 5, 3)


def test_sixteen_bits_keep_their_shades(tmp_path):
    for index in range(10):
        shades = np.linspace(0, 65535 - 400 * index, 30).astype(np.uint16).reshape(6, 5)
        Image.fromarray(shades).save(tmp_path / f"{index}.png")
    train = kvae.data.load(tmp_path).train
    for image, file in zip(train.images, train.files, strict=True):
        white = (65535 - 400 * int(file[0])) / 257
        np.testing.assert_allclose(image.ravel(), np.linspace(0, white, 30), atol=0.51)


def test_mixed_sizes_are_an_error_that_names_the_first_odd_file(tmp_path):
    save_pngs(tmp_path, images_of(20))
    Image.fromarray(images_of(1, 7, 5)[0, ..., 0]).save(tmp_path / "0007.png")
    with pytest.raises(KvaeError, match=r"0007.png is 7 x 5 .*but 0000.png is 6 x 5.*`image_size"):
        kvae.data.load(tmp_path)
    dataset = kvae.data.load(tmp_path, image_size=(4, 3))
    assert dataset.image_shape == (4, 3, 1)
    assert dataset.image_size == (4, 3)


def test_folders_without_images(tmp_path):
    with pytest.raises(KvaeError, match="there are no images"):
        kvae.data.load(tmp_path)
    save_pngs(tmp_path / "a", images_of(10))
    save_pngs(tmp_path, images_of(3))
    with pytest.raises(KvaeError, match=r"both beside and inside its sub-folders \(a\)"):
        kvae.data.load(tmp_path)


def test_damaged_image_is_named(tmp_path):
    save_pngs(tmp_path, images_of(12, 40, 40))
    whole = (tmp_path / "0005.png").read_bytes()
    for content in whole[:-200], b"", b"not an image":
        (tmp_path / "0005.png").write_bytes(content)
        with pytest.raises(KvaeError, match="0005.png is not a whole image"):
            kvae.data.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "the name of a dataset is empty"),
        ("minst", "unknown dataset 'minst': did you mean 'mnist'?"),
        ("Frey", "did you mean 'frey'?"),
        ("zzz", "known are digits, frey, frey/blocks, mnist, tfds:NAME, and paths"),
        ("tfds:a b", "is not tfds:NAME"),
        ("tfds:fashon_mnist", "did you mean 'fashion_mnist'?"),
    ],
)
def test_unknown_names(name, message, tmp_path):
    with pytest.raises(UsageError) as error:
        kvae.data.load(name, tmp_path)
    assert message in str(error.value)


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(KvaeError, match="there is no folder or file .*/nothing") as error:
        kvae.data.load(tmp_path / "nothing")
    assert not isinstance(error.value, UsageError)


@pytest.mark.parametrize("name", ["digits", "mnist", "frey"])
def test_images_of_one_size_are_not_resized(name, tmp_path):
    with pytest.raises(KvaeError, match=f"{name} is used at its own size"):
        kvae.data.load(name, tmp_path, image_size=(4, 4))


def test_mnist_without_a_network_says_which_files_to_put_where(tmp_path, monkeypatch):
    # A proxy that refuses stands in for the network, wherever the tests run.
    for name in "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY":
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(KvaeError) as error:
        kvae.data.load("mnist", tmp_path)
    said = str(error.value)
    assert said.startswith("could not download mnist (no network): put ")
    assert "train-images-idx3-ubyte.gz (from https://storage.googleapis.com/" in said
    assert f"into {tmp_path}/downloads/manual and try again" in said


def test_mnist(mnist_dir):
    dataset = kvae.data.load("mnist", mnist_dir)
    sizes = [len(dataset.split(s)) for s in ("train", "validation", "test")]
    assert sizes == [50_000, 10_000, 10_000]
    assert dataset.image_shape == (28, 28, 1)
    assert dataset.kind == "binary"
    # The counts of each digit, as published with MNIST.
    labels = np.concatenate([dataset.train.labels, dataset.validation.labels])
    assert np.bincount(labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949
    ]  # fmt: skip
    assert np.bincount(dataset.test.labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009
    ]  # fmt: skip


def test_decoded_images_are_kept_and_need_no_tensorflow(mnist_dir):
    kvae.data.load("mnist", mnist_dir)
    code = (
        "import sys, kvae\n"
        f"kvae.data.load('mnist', {str(mnist_dir)!r})\n"
        "assert not {'tensorflow', 'tensorflow_datasets'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("mapped_bytes", [tfds.MAPPED_BYTES, 100])
def test_decoded_images_are_read_or_mapped(frey_dir, monkeypatch, mapped_bytes):
    monkeypatch.setattr(tfds, "MAPPED_BYTES", mapped_bytes)
    first, again = (kvae.data.load("frey", frey_dir) for _ in range(2))
    assert isinstance(again.train.images, np.memmap) == (mapped_bytes == 100)
    np.testing.assert_array_equal(again.train.images, first.train.images)
    decoded = tfds.prepared_folder(frey_dir, "frey_faces/permuted") / tfds.DECODED
    images = decoded / "train" / "images.npy"
    whole = images.read_bytes()
    for damaged in whole[:1000], whole[:60] + b"[" * 60 + whole[120:], b"":
        images.write_bytes(damaged)
        with pytest.raises(KvaeError, match=r"decoded images in .*decoded are damaged .*delete"):
            kvae.data.load("frey", frey_dir)


def test_newest_prepared_version_is_used(tmp_path):
    for version in "1.9.0", "1.10.0", "1.2.0", "draft":
        (tmp_path / "x" / version).mkdir(parents=True)
        (tmp_path / "x" / version / "dataset_info.json").touch()
    (tmp_path / "x" / "2.0.0").mkdir()
    assert tfds.prepared_folder(tmp_path, "x").name == "1.10.0"
    assert tfds.prepared_folder(tmp_path, "y") is None
