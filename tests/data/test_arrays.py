"""Arrays: which numbers are black and white, which axes are which, and which names are splits."""

import numpy as np
import pytest

import kvae
from kvae.data import Dataset, Split, as_pixels
from kvae.errors import KvaeError, UsageError

LEVELS = np.random.default_rng(0).integers(0, 256, (40, 6, 5), np.uint8)
LABELS = np.arange(40) % 4


def written(path, **arrays):
    np.savez(path / "a.npz", **arrays)
    return path / "a.npz"


def every(dataset):
    return np.concatenate([dataset.split(part).images for part in ("train", "validation", "test")])


def test_a_mask_is_read_alike_whatever_its_type(tmp_path):
    mask = LEVELS > 112
    loaded = []
    for kind in "bool", "uint8", "int64", "float32":
        np.save(tmp_path / f"{kind}.npy", mask.astype(kind))
        loaded.append(kvae.data.load(tmp_path / f"{kind}.npy"))
    for dataset in loaded:
        np.testing.assert_array_equal(every(dataset), every(loaded[0]))
        assert set(np.unique(every(dataset))) == {0, 255}
    said = ("pixels are 0 and 1, read as black and white",)
    assert [dataset.notes for dataset in loaded] == [(), said, said, ()]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["u2", "i4", ">u2", "i8"])
def test_integers_are_of_the_fewest_bits_that_hold_them(bits, kind, tmp_path):
    white = 2**bits - 1
    deep = np.random.default_rng(1).integers(0, white + 1, LEVELS.shape).astype(kind)
    deep[0, 0, 0] = white
    np.testing.assert_array_equal(as_pixels(deep)[..., 0], np.round(deep / white * 255))
    np.save(tmp_path / "a.npy", deep)
    note = f"pixels are up to {white:,}, read as {bits}-bit"
    assert kvae.data.load(tmp_path / "a.npy").notes == (() if bits == 8 else (note,))


def test_splits_are_read_by_one_rule(tmp_path):
    # The validation images alone would be taken for 10-bit.
    train, test = LEVELS[:30].astype(np.uint16) * 16, LEVELS[30:].astype(np.uint16)
    train[0, 0, 0] = 4095
    dataset = kvae.data.load(written(tmp_path, x_train=train, x_test=test))
    np.testing.assert_array_equal(dataset.test.images[..., 0], np.round(test / 4095 * 255))
    # A mask in one split is of grey levels, if others have them.
    mask = (LEVELS[30:] > 112).astype(np.uint8)
    dataset = kvae.data.load(written(tmp_path, x_train=LEVELS[:30], x_test=mask))
    np.testing.assert_array_equal(dataset.test.images[..., 0], mask)


@pytest.mark.parametrize(
    "same",
    [
        np.asfortranarray(LEVELS),
        LEVELS.astype(">i4"),
        LEVELS[..., None],
        LEVELS / 255,
        (LEVELS / 255).astype(">f4"),
        np.repeat(LEVELS, 2, axis=2)[..., ::2],
    ],
    ids=["fortran", "big-endian", "channel", "floats", "big-endian-floats", "strided"],
)
def test_the_same_images_in_other_forms(same, tmp_path):
    np.testing.assert_array_equal(as_pixels(same)[..., 0], LEVELS)
    np.save(tmp_path / "a.npy", same)
    np.save(tmp_path / "b.npy", LEVELS)
    one, other = (every(kvae.data.load(tmp_path / name)) for name in ("a.npy", "b.npy"))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (LEVELS.astype(float), "divide them by 255"),
        (LEVELS / 15.0, "divide them by the number that is white"),
        (LEVELS / 127.5 - 1, "add 1 and divide by 2"),
        (LEVELS[:, None], "move the channels to the last axis"),
        (np.repeat(LEVELS[:, None], 3, axis=1), "move the channels to the last axis"),
        (np.repeat(LEVELS[:, None], 4, axis=1), "move the channels to the last axis"),
        (LEVELS.astype(np.int16) - 1, "must be within 0 and 255"),
        (LEVELS.astype(np.int32) + 2**16, "65535 where they have 16 bits"),
    ],
)
def test_what_is_refused_says_what_to_do(array, advice, tmp_path):
    with pytest.raises(KvaeError, match=advice):
        as_pixels(array)
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(KvaeError, match=advice):
        kvae.data.load(tmp_path / "a.npy")


STYLES = [
    ("{}_{}", "x", "y", ("train", "val", "test")),
    ("{1}_{0}", "images", "labels", ("train", "val", "test")),
    ("{}_{}", "X", "Y", ("train", "valid", "test")),
    ("{1}-{0}", "image", "label", ("train", "validation", "test")),
    ("{1}.{0}", "data", "targets", ("train", "val", "test")),
]


@pytest.mark.parametrize(("form", "x", "y", "splits"), STYLES)
def test_names_of_splits(form, x, y, splits, tmp_path):
    arrays, slices = {}, (slice(0, 25), slice(25, 30), slice(30, 40))
    for split, part in zip(splits, slices, strict=True):
        arrays[form.format(x, split)] = LEVELS[part]
        arrays[form.format(y, split)] = LABELS[part, None]
    dataset = kvae.data.load(written(tmp_path, **arrays))
    for split, part in zip(("train", "validation", "test"), slices, strict=True):
        np.testing.assert_array_equal(dataset.split(split).images[..., 0], LEVELS[part])
        np.testing.assert_array_equal(dataset.split(split).labels, LABELS[part])
    assert dataset.notes == ()


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("images", "labels"), ("data", "target")])
def test_names_without_splits(x, y, tmp_path):
    dataset = kvae.data.load(written(tmp_path, **{x: LEVELS, y: LABELS}))
    assert len(dataset.train) == 32
    assert np.bincount(dataset.test.labels).tolist() == [1, 1, 1, 1]


def test_what_is_not_used_is_named(tmp_path):
    arrays = {"x_train": LEVELS, "x_test": LEVELS, "y_val": LABELS, "names": LABELS}
    dataset = kvae.data.load(written(tmp_path, **arrays))
    assert dataset.notes == ("names, y_val in a.npz are not used",)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": LEVELS, "x_train": LEVELS}, "images in splits .x_train. and without .x."),
        ({"x_train": LEVELS, "train_images": LEVELS}, "which are the same by their names"),
        ({"x_test": LEVELS, "y_test": LABELS}, "must have one array, or x_train and x_test"),
    ],
)
def test_names_that_are_not_clear(arrays, message, tmp_path):
    with pytest.raises(KvaeError, match=message):
        kvae.data.load(written(tmp_path, **arrays))


def test_arrays_are_resized_when_asked(tmp_path):
    large = np.repeat(np.repeat(LEVELS, 4, axis=1), 4, axis=2)
    dataset = kvae.data.load(written(tmp_path, x_train=large, x_test=large), image_size=(6, 5))
    assert dataset.image_shape == (6, 5, 1)
    assert dataset.image_size == (6, 5)
    # Lanczos rings, but each block's mean stays nearly.
    difference = dataset.test.images[..., 0].astype(int) - LEVELS
    assert np.abs(difference).mean() < 25


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (LEVELS[..., None] / 255, "must be uint8 .*float64 .*kvae.data.as_pixels"),
        (LEVELS, r"but are uint8 \[40, 6, 5\]"),
        (LEVELS[..., None].tolist(), "but are None"),
        (LEVELS[..., None] > 112, "bool"),
    ],
)
def test_a_split_takes_nothing_but_pixels(images, message):
    with pytest.raises(UsageError, match=message):
        Split(images)


def test_a_dataset_made_by_hand_from_a_mask_is_refused():
    split = Split((LEVELS[..., None] > 112).astype(np.uint8))
    with pytest.raises(UsageError, match="highest training pixel of mine is 1 of 255.*as_pixels"):
        Dataset("mine", split, split, split, "a mask")


def test_labels_and_files_are_as_many_as_images():
    for name in "labels", "files":
        with pytest.raises(UsageError, match=f"3 {name} for 40 images"):
            Split(LEVELS[..., None], **{name: np.arange(3)})
