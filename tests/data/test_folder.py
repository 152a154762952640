"""Folders whose sub-folders are splits, labels, or both."""

import numpy as np
import pytest
from PIL import Image

import kvae
from kvae.errors import KvaeError

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 4, 4), np.uint8)


def fill(folder, images):
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index:02}.png")


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val"])
def test_sub_folders_are_splits(validation, tmp_path):
    fill(tmp_path / "train", IMAGES[:40])
    fill(tmp_path / validation, IMAGES[40:50])
    fill(tmp_path / "test", IMAGES[50:])
    dataset = kvae.data.load(tmp_path)
    np.testing.assert_array_equal(dataset.train.images[..., 0], IMAGES[:40])
    np.testing.assert_array_equal(dataset.validation.images[..., 0], IMAGES[40:50])
    np.testing.assert_array_equal(dataset.test.images[..., 0], IMAGES[50:])
    assert dataset.test.files[3] == "test/03.png"
    assert dataset.train.labels is None


@pytest.mark.parametrize("missing", ["val", "test"])
def test_a_missing_split_is_taken_from_training(missing, tmp_path):
    fill(tmp_path / "train", IMAGES[:50])
    fill(tmp_path / ("test" if missing == "val" else "val"), IMAGES[50:])
    dataset = kvae.data.load(tmp_path)
    held_out, given = dataset.validation, dataset.test
    if missing == "test":
        held_out, given = given, held_out
    np.testing.assert_array_equal(given.images[..., 0], IMAGES[50:])
    assert len(held_out) == 5
    assert len(dataset.train) == 45
    both = np.concatenate([dataset.train.images, held_out.images])[..., 0]
    assert {i.tobytes() for i in both} == {i.tobytes() for i in IMAGES[:50]}


def test_splits_with_labels(tmp_path):
    for index, split in enumerate(("train", "test")):
        fill(tmp_path / split / "cats", IMAGES[30 * index : 30 * index + 20])
        fill(tmp_path / split / "dogs", IMAGES[30 * index + 20 : 30 * index + 30])
    fill(tmp_path / "test" / "birds", IMAGES[:3])
    dataset = kvae.data.load(tmp_path)
    assert dataset.label_names == ("birds", "cats", "dogs")
    assert np.bincount(dataset.test.labels).tolist() == [3, 20, 10]
    assert np.bincount(dataset.train.labels).tolist() == [0, 18, 9]
    assert np.bincount(dataset.validation.labels).tolist() == [0, 2, 1]
    # The three birds are cats, too, in training or in the validation images held out of it.
    assert "3 of 63 images are equal to others" in dataset.remarks


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (["other/0"], "has sub-folders for splits .* and other/ beside them"),
        ([""], "and 00.png beside them"),
        (["valid/0", "val/0"], "two sub-folders for the validation images"),
        (["val/"], "there are no images in .*/val"),
        (["val/a/0"], "the test images .* are not in sub-folders, whose names are labels"),
    ],
)
def test_splits_that_are_not_clear(make, message, tmp_path):
    fill(tmp_path / "train", IMAGES[:40])
    fill(tmp_path / "test", IMAGES[40:])
    for path in make:
        target = tmp_path / path.rpartition("/")[0]
        target.mkdir(exist_ok=True, parents=True)
        if not path.endswith("/"):
            fill(target, IMAGES[:3])
    with pytest.raises(KvaeError, match=message):
        kvae.data.load(tmp_path)


def test_a_label_may_be_called_train(tmp_path):
    fill(tmp_path / "train", IMAGES[:30])
    fill(tmp_path / "plane", IMAGES[30:])
    assert kvae.data.load(tmp_path).label_names == ("plane", "train")


def test_folders_inside_labels_are_mentioned(tmp_path):
    fill(tmp_path / "cats", IMAGES[:30])
    fill(tmp_path / "cats" / "old", IMAGES[30:])
    assert kvae.data.load(tmp_path).notes == ("images in folders inside cats/ are not read",)
