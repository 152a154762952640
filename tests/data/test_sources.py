"""Images for a trained model: any source, one image or many, in the model's shape."""

import numpy as np
import pytest
from PIL import Image

import kvae
from kvae.data import pictures
from kvae.errors import KvaeError, UsageError

GREY = np.random.default_rng(0).integers(0, 256, (12, 8, 6), np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (3, 8, 6, 3), np.uint8)
SHAPE = (8, 6, 1)


def folder_of(path, images=GREY):
    path.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(path / f"{number:02}.png")
    return path


def test_one_file_is_enough(tmp_path):
    folder_of(tmp_path)
    found = pictures(tmp_path / "03.png", SHAPE)
    np.testing.assert_array_equal(found.images, GREY[3:4, ..., None])
    assert found.names.tolist() == ["03.png"]
    assert found.labels is None


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    files = [folder_of(tmp_path / name) / "00.png" for name in ("a", "b")]
    assert pictures(files, SHAPE).names.tolist() == ["a/00.png", "b/00.png"]


def test_a_folder_is_used_whole_with_its_labels(tmp_path):
    folder_of(tmp_path / "cats", GREY[:2])
    folder_of(tmp_path / "dogs", GREY[2:5])
    found = pictures(tmp_path, SHAPE)
    np.testing.assert_array_equal(found.images, GREY[:5, ..., None])
    assert found.labels.tolist() == ["cats"] * 2 + ["dogs"] * 3
    assert found.names.tolist()[:3] == ["cats/00.png", "cats/01.png", "dogs/00.png"]


def test_an_array_is_used_whole_in_its_order(tmp_path):
    np.save(tmp_path / "a.npy", GREY[:2])
    found = pictures(tmp_path / "a.npy", SHAPE)
    np.testing.assert_array_equal(found.images, GREY[:2, ..., None])
    assert found.names.tolist() == ["0", "1"]


def test_the_splits_of_a_dataset(digits):
    found = pictures("digits", (8, 8, 1))
    assert len(found) == len(digits.train) + len(digits.validation) + len(digits.test)
    test = pictures("digits", (8, 8, 1), split="test")
    np.testing.assert_array_equal(test.images, digits.test.images)
    np.testing.assert_array_equal(test.labels, digits.test.labels.astype(str))
    assert test.names[:2].tolist() == ["test 0", "test 1"]
    np.testing.assert_array_equal(found.images[found.names == "test 3"], test.images[3:4])


def test_a_split_of_a_folder_is_the_one_that_training_held_out(tmp_path):
    folder_of(tmp_path)
    held_out = kvae.data.load(tmp_path, seed=3).test
    found = pictures(tmp_path, SHAPE, split="test", seed=3)
    assert found.names.tolist() == held_out.files.tolist()


def test_damaged_files_are_named_and_the_others_used(tmp_path):
    folder_of(tmp_path)
    (tmp_path / "05.png").write_bytes((tmp_path / "05.png").read_bytes()[:60])
    found = pictures(tmp_path, SHAPE)
    np.testing.assert_array_equal(found.images, np.delete(GREY, 5, axis=0)[..., None])
    (failure,) = found.failures
    assert "05.png is not a whole image" in failure
    with pytest.raises(KvaeError, match="05.png is not a whole image"):
        pictures(tmp_path / "05.png", SHAPE)


def test_grey_images_are_images_for_a_model_of_colours(tmp_path):
    folder_of(tmp_path)
    found = pictures(tmp_path / "00.png", (8, 6, 3))
    np.testing.assert_array_equal(found.images[0], np.repeat(GREY[0][..., None], 3, axis=2))


def test_other_shapes_are_refused_or_converted(tmp_path):
    folder_of(tmp_path, COLOURS)
    with pytest.raises(KvaeError, match=r"images of 8 x 6 x 1, but these are 8 x 6 x 3: `resize`"):
        pictures(tmp_path, SHAPE)
    grey = pictures(tmp_path, SHAPE, resize=True)
    assert grey.notes == ("colours become grey levels",)
    luma = COLOURS @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(grey.images[..., 0], luma, atol=1)
    with pytest.raises(KvaeError, match=r"images of 4 x 3 x 3, but these are 8 x 6 x 3: `resize`"):
        pictures(tmp_path, (4, 3, 3))
    assert pictures(tmp_path, (4, 3, 3), resize=True).images.shape == (3, 4, 3, 3)
    with pytest.raises(KvaeError, match=r"images of 8 x 6 x 5, but these are 8 x 6 x 3$"):
        pictures(tmp_path, (8, 6, 5), resize=True)


def test_images_of_different_sizes_are_resized_together(tmp_path):
    folder_of(tmp_path, GREY[:2])
    Image.fromarray(GREY[2][:5]).save(tmp_path / "other.png")
    with pytest.raises(KvaeError, match="other.png is 5 x 6"):
        pictures(tmp_path, SHAPE)
    assert pictures(tmp_path, SHAPE, resize=True).images.shape == (3, *SHAPE)


def test_files_with_others_beside_them_and_splits_of_files_are_refused(tmp_path):
    folder_of(tmp_path)
    with pytest.raises(UsageError, match="is no image file"):
        pictures([tmp_path / "00.png", "digits"], SHAPE)
    with pytest.raises(UsageError, match="image files have no splits"):
        pictures(tmp_path / "00.png", SHAPE, split="test")
    with pytest.raises(KvaeError, match="there is no file"):
        pictures(tmp_path / "nothing.png", SHAPE)
