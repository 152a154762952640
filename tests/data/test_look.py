"""One look at what was loaded: what a person would want to know before training."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import kvae
from kvae.errors import KvaeError
from kvae_cli.main import cli

RANDOM = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 3), np.uint8)


def remarks(tmp_path, images):
    np.save(tmp_path / "a.npy", images)
    return kvae.data.load(tmp_path / "a.npy").remarks


def test_nothing_is_remarkable_about_noise(tmp_path):
    assert remarks(tmp_path, RANDOM) == ()


def test_equal_images_are_refused(tmp_path):
    for images in np.repeat(RANDOM[:1], 200, axis=0), np.zeros((20, 4, 4), np.uint8):
        np.save(tmp_path / "a.npy", images)
        with pytest.raises(KvaeError, match=r"all images of .*a\.npy are the same"):
            kvae.data.load(tmp_path / "a.npy")


def test_equal_images_are_refused_by_training_in_python(grey_dataset):
    dataset = grey_dataset(np.full((30, 4, 4, 1), 90, np.uint8))
    model = kvae.build(kvae.configure(dataset, epochs=1, hidden=(4,), jit=False))
    with pytest.raises(KvaeError, match="all images of .* are the same"):
        kvae.train(model, dataset)


def test_pixels_that_are_nearly_all_one_value(tmp_path):
    images = np.zeros((40, 20, 20), np.uint8)
    images[range(40), np.arange(40) % 20, np.arange(40) // 20] = 255
    assert remarks(tmp_path, images) == ("99.8 % of all pixels are 0 of 255",)


def test_dark_images(tmp_path):
    dark = RANDOM[..., 0] // 8
    assert remarks(tmp_path, dark) == ("the images are dark: the highest pixel is 31 of 255",)


def test_channels_that_are_empty_or_equal(tmp_path):
    empty = RANDOM.copy()
    empty[..., 1] = 7
    assert remarks(tmp_path, empty) == ("channel 2 is 7 everywhere",)
    grey = np.repeat(RANDOM[..., :1], 3, axis=3)
    assert remarks(tmp_path, grey) == ("the 3 channels are equal: the images are grey",)


@pytest.mark.parametrize(("channels", "shown"), [(2, "2 as red and green"), (5, "3 as red, green")])
def test_channels_that_are_not_colours(channels, shown, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 7, channels), np.uint8)
    (remark,) = remarks(tmp_path, images)
    assert f"images have {channels} channels: all are modelled" in remark
    assert shown in remark
    resized = kvae.data.load(tmp_path / "a.npy", image_size=(4, 5)).train.images
    assert resized.shape[1:] == (4, 5, channels)


def test_data_show(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for index, image in enumerate(RANDOM):
        folder = tmp_path / "pictures" / ("train" if index < 30 else "test") / f"class{index % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        shape = np.dstack([image, image[..., 0]])
        Image.fromarray(shape).save(folder / f"{index:02}.png")
    result = CliRunner().invoke(cli, ["data", "show", "pictures"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f"{tmp_path / 'pictures'}: 40 images in the folder pictures"
    assert [line.split() for line in lines[1:4]] == [
        ["train", "27"], ["validation", "3"], ["test", "10"]
    ]  # fmt: skip
    assert "6 x 5 x 3, colour, from " in lines[4]
    assert [line.split() for line in lines[5:8]] == [
        ["label", "train", "validation", "test"],
        ["class0", "13", "2", "5"],
        ["class1", "14", "1", "5"],
    ]
    assert lines[8:] == [
        "Assumed: transparent pixels are shown on white.",
        "Sheet of images in images.png",
    ]
    with Image.open("images.png") as sheet:
        assert sheet.width == 12 * (9 * 5 + 2) + 2
    result = CliRunner().invoke(
        cli, ["data", "show", "pictures", "--json", "--output", "b.png", "--image-size", "3x3"]
    )
    shown = json.loads(result.stdout)
    assert shown["images"] == {"train": 27, "validation": 3, "test": 10}
    assert shown["image_shape"] == [3, 3, 3]
    assert shown["label_counts"]["class1"] == {"train": 14, "validation": 1, "test": 5}
    assert shown["notes"] == ["transparent pixels are shown on white"]
    assert shown["sheet"] == "b.png"
    assert (tmp_path / "b.png").is_file()


def test_training_says_what_was_assumed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "mask.npy", (RANDOM[:, :, :, 0] > 100).astype(np.uint8))
    small = ["--epochs", "1", "--hidden", "4", "--no-jit"]
    result = CliRunner().invoke(cli, ["train", "--dataset", "mask.npy", *small])
    assert result.exit_code == 0, result.output
    assert "Assumed: pixels are 0 and 1, read as black and white." in result.stderr.splitlines()
    assert "recipe own, about 38 KiB of memory." in result.stderr


def test_showing_needs_no_tensorflow(tmp_path):
    code = (
        "import sys; from kvae_cli.main import cli\n"
        "cli(['data', 'show', 'digits'], standalone_mode=False)\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=tmp_path)
