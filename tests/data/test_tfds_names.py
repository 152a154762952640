"""`tfds:NAME` for any TFDS image dataset, here one that the test registers."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

import kvae
from kvae.errors import KvaeError

KINDS = {"masks": np.uint8, "deep": np.uint16, "floats": np.float32}


def stored(kind, row):
    """An image whose pixels are not grey levels of 0 to 255."""
    levels = np.random.default_rng(row).integers(0, 256, (6, 5, 1))
    return {
        "masks": (levels > 100).astype(np.uint8),
        "deep": (levels * 16).astype(np.uint16),
        "floats": (levels / 255).astype(np.float32),
    }[kind]


class KvaeTestStripes(tfds.core.GeneratorBasedBuilder):
    """Images of two sizes or of one, with labels."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="even"),
        tfds.core.BuilderConfig(name="uneven"),
        tfds.core.BuilderConfig(name="imageless"),
        tfds.core.BuilderConfig(name="masks"),
        tfds.core.BuilderConfig(name="deep"),
        tfds.core.BuilderConfig(name="floats"),
    ]

    def _info(self):
        shape = (None, None, 3) if self.builder_config.name == "uneven" else (6, 5, 3)
        image = {"picture": tfds.features.Image(shape=shape)}
        if self.builder_config.name == "imageless":
            image = {}
        if self.builder_config.name in KINDS:
            kind = KINDS[self.builder_config.name]
            image = {"picture": tfds.features.Image(shape=(6, 5, 1), dtype=kind)}
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {**image, "kind": tfds.features.ClassLabel(names=["plain", "odd"]), "row": np.int64}
            ),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(60), "test": self._generate_examples(20)}

    def _generate_examples(self, count):
        for row in range(count):
            size = (7, 5) if self.builder_config.name == "uneven" and row == 3 else (6, 5)
            image = {"picture": np.full((*size, 3), row, np.uint8)}
            if self.builder_config.name == "imageless":
                image = {}
            if self.builder_config.name in KINDS:
                image = {"picture": stored(self.builder_config.name, row)}
            yield row, {**image, "kind": row % 2, "row": row}


def test_any_tfds_dataset(tmp_path):
    for _ in range(2):  # decoded, then from the kept arrays
        dataset = kvae.data.load("tfds:kvae_test_stripes", tmp_path)
        assert [len(dataset.split(s)) for s in ("train", "validation", "test")] == [50, 10, 20]
        assert dataset.label_names == ("plain", "odd")
        np.testing.assert_array_equal(dataset.validation.images[:, 0, 0, 0], np.arange(50, 60))
        np.testing.assert_array_equal(dataset.train.labels, np.arange(50) % 2)
        np.testing.assert_array_equal(dataset.test.features["row"], np.arange(20))
    assert (tmp_path / "kvae_test_stripes/even/1.0.0/decoded/info.json").exists()


@pytest.mark.parametrize(
    ("kind", "white", "notes"),
    [
        ("masks", 1, ("pixels are 0 and 1, read as black and white",)),
        ("deep", 4095, ("pixels are up to 4,080, read as 12-bit",)),
        ("floats", 1, ()),
    ],
)
def test_pixels_that_are_not_grey_levels(kind, white, notes, tmp_path):
    for _ in range(2):  # decoded, then from the kept arrays
        dataset = kvae.data.load(f"tfds:kvae_test_stripes/{kind}", tmp_path)
        expected = [np.round(stored(kind, row) / white * 255) for row in range(20)]
        np.testing.assert_array_equal(dataset.test.images, expected)
        assert dataset.notes == notes


def test_mixed_sizes(tmp_path):
    name = "tfds:kvae_test_stripes/uneven"
    with pytest.raises(KvaeError, match=r"image 3 of .* is \(7, 5, 3\), but the first is"):
        kvae.data.load(name, tmp_path)
    assert kvae.data.load(name, tmp_path, image_size=(4, 4)).image_shape == (4, 4, 3)


def test_no_images(tmp_path):
    with pytest.raises(KvaeError, match=r"has no images; its features are \['kind', 'row'\]"):
        kvae.data.load("tfds:kvae_test_stripes/imageless", tmp_path)


def test_unknown_config(tmp_path):
    with pytest.raises(KvaeError, match="nothing"):
        kvae.data.load("tfds:kvae_test_stripes/nothing", tmp_path)
