"""Random splits: labels in each, and equal images together."""

import numpy as np
import pytest

import kvae
from kvae.data.dataset import partition
from kvae.errors import KvaeError


def test_each_label_is_split_by_itself():
    labels = np.array([0] * 300 + [1] * 4)
    train, validation, test = partition(304, 0, "x", labels)
    assert [np.bincount(labels[p]).tolist() for p in (train, validation, test)] == [
        [240, 2],
        [30, 1],
        [30, 1],
    ]
    assert sorted(np.concatenate([train, validation, test])) == list(range(304))


@pytest.mark.parametrize("counts", [[50, 50], [7, 93], [10] * 10, [3, 3, 300], [1, 2, 100]])
def test_shares_of_labels_are_kept(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    train, validation, test = partition(len(labels), 0, "x", labels)
    for part in validation, test:
        found = np.bincount(labels[part], minlength=len(counts))
        for label, count in enumerate(counts):
            assert abs(found[label] - count / 10) <= 1
            assert (found[label] > 0) == (count >= 3)
    assert len(train) + len(validation) + len(test) == len(labels)


def test_more_labels_than_can_be_held_out():
    # Of 30 labels of two images, hardly any can be in every split.
    labels = np.repeat(np.arange(30), 2)
    train, validation, test = partition(60, 0, "x", labels)
    assert [len(train), len(validation), len(test)] == [48, 6, 6]


@pytest.mark.parametrize("with_labels", [False, True])
def test_equal_images_are_in_the_same_split(with_labels):
    same = np.random.default_rng(0).integers(0, 150, 300)
    labels = same % 3 if with_labels else None
    parts = partition(300, 0, "x", labels, same)
    assert sorted(np.concatenate(parts)) == list(range(300))
    groups = [set(same[part]) for part in parts]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    assert all(15 <= len(part) <= 45 for part in parts[1:])


def test_images_that_are_all_different_are_split_as_ever():
    plain = partition(1003, 5, "x")
    for a, b in zip(plain, partition(1003, 5, "x", None, np.arange(1003)[::-1]), strict=True):
        np.testing.assert_array_equal(a, b)
    # As NumPy's RandomState orders them, which never changes.
    order = np.random.RandomState(5).permutation(1003)
    np.testing.assert_array_equal(plain[2], np.sort(order[-100:]))
    np.testing.assert_array_equal(plain[1], np.sort(order[-200:-100]))


def test_many_equal_images_are_trained_on(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4), np.uint8)
    np.save(tmp_path / "a.npy", np.concatenate([np.repeat(images[:1], 197, axis=0), images[1:]]))
    dataset = kvae.data.load(tmp_path / "a.npy")
    assert len(dataset.train) >= 197
    assert len(dataset.validation) >= 1
    assert len(dataset.test) >= 1
    assert dataset.remarks == ("196 of 202 images are equal to others",)


def test_the_same_image_twice_is_counted(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 4, 4), np.uint8)
    np.save(tmp_path / "a.npy", np.concatenate([images, images[:20]]))
    dataset = kvae.data.load(tmp_path / "a.npy")
    assert dataset.remarks == ("20 of 80 images are equal to others",)
    look = kvae.data.look(dataset)
    assert (look.repeated, look.leaked) == (20, 0)
    np.savez(tmp_path / "b.npz", x_train=images[:50], x_test=images[45:])
    dataset = kvae.data.load(tmp_path / "b.npz")
    look = kvae.data.look(dataset)
    # Some of the five that are in both were held out for validation.
    own = {image.tobytes() for image in dataset.train.images}
    leaked = sum(image.tobytes() in own for image in dataset.test.images)
    assert look.leaked == leaked > 0
    assert look.repeated == 5


def test_too_few_images():
    with pytest.raises(KvaeError, match="x has 9 images; at least 10"):
        partition(9, 0, "x")
