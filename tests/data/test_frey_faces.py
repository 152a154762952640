"""The TFDS builder of the Frey Faces, by TFDS's own test and on the real file."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import tensorflow_datasets as tfds

import kvae
from kvae.data.frey_faces import frey_faces_dataset_builder as frey
from kvae.errors import KvaeError


class FreyFacesTest(tfds.testing.DatasetBuilderTestCase):
    """TFDS's own checks: registration, checksums, features, splits that do not overlap."""

    DATASET_CLASS = frey.Builder
    SPLITS = {"train": 1565, "validation": 200, "test": 200}  # noqa: RUF012
    DL_DOWNLOAD_RESULT = "frey_rawface.mat"
    EXAMPLE_DIR = tempfile.mkdtemp()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        frames = np.arange(frey.FRAMES)
        film = np.zeros((frey.HEIGHT * frey.WIDTH, frey.FRAMES), np.uint8)
        film[0], film[1] = frames // 256, frames % 256
        path = Path(cls.EXAMPLE_DIR) / "frey_rawface.mat"
        scipy.io.savemat(path, {"ff": film}, do_compression=True)


@pytest.mark.parametrize("config", ["permuted", "blocks"])
def test_splits_hold_every_frame_once(config):
    splits = frey.split_frames(config)
    assert {name: len(frames) for name, frames in splits.items()} == FreyFacesTest.SPLITS
    assert sorted(np.concatenate(list(splits.values()))) == list(range(1965))


def test_permutation_never_changes():
    # As documented; a change would make figures of different versions incomparable.
    permuted = frey.split_frames("permuted")
    assert permuted["train"][:5].tolist() == np.random.RandomState(0).permutation(1965)[:5].tolist()
    digest = hashlib.sha256(permuted["test"].astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "bb7cdff393fc59a4"


def test_frames_are_those_of_the_published_file(frey_dir):
    film = scipy.io.loadmat(frey_dir / "downloads/manual/frey_rawface.mat")["ff"]
    for name in "frey", "frey/blocks":
        dataset = kvae.data.load(name, frey_dir)
        assert dataset.image_shape == (28, 20, 1)
        assert dataset.kind == "grey"
        for split, size in FreyFacesTest.SPLITS.items():
            part = dataset.split(split)
            assert len(part) == size
            expected = film.T[part.features["frame"]].reshape(-1, 28, 20, 1)
            np.testing.assert_array_equal(part.images, expected)
    np.testing.assert_array_equal(dataset.test.features["frame"], np.arange(1765, 1965))


@pytest.mark.parametrize("damage", ["truncated", "other"])
def test_a_file_that_is_not_the_published_one_is_refused(frey_dir, damage):
    path = frey_dir / "downloads/manual/frey_rawface.mat"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1000] if damage == "truncated" else b"MATLAB 9.9" + content[10:])
    with pytest.raises(KvaeError, match="frey_rawface.mat is not the published file"):
        kvae.data.load("frey", frey_dir)
