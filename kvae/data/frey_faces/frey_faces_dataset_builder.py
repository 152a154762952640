"""The TFDS builder of the Frey Faces."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets.public_api as tfds

URL = "https://cs.nyu.edu/~roweis/data/frey_rawface.mat"
FRAMES = 1965
HEIGHT, WIDTH = 28, 20
TRAIN, VALIDATION = 1565, 200


def split_frames(config: str) -> dict[str, np.ndarray]:
    """The numbers of the frames in each split.

    Args:
        config: `permuted` orders the frames by `numpy.random.RandomState(0).permutation(1965)`,
            which every version of NumPy returns: the first 1,565 are for training, the next 200
            for validation, the last 200 for testing. `blocks` cuts the film, in its own order,
            into splits of the same sizes.
    """
    order = np.arange(FRAMES)
    if config == "permuted":
        order = np.random.RandomState(0).permutation(FRAMES)
    train, validation, test = np.split(order, [TRAIN, TRAIN + VALIDATION])
    return {"train": train, "validation": validation, "test": test}


class Builder(tfds.core.GeneratorBasedBuilder):
    """1,965 frames of a film of one face, with the number of each frame."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}  # noqa: RUF012  as TFDS has it
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="permuted", description="Splits are random frames."),
        tfds.core.BuilderConfig(
            name="blocks",
            description="Splits are contiguous blocks of the film: neighbouring frames look alike.",
        ),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(HEIGHT, WIDTH, 1)),
                    "frame": np.int64,
                }
            ),
            homepage="https://cs.nyu.edu/~roweis/data.html",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        # TFDS looks into downloads/manual first, and compares each file with checksums.tsv.
        path = dl_manager.download(URL)
        return {
            split: self._generate_examples(path, frames)
            for split, frames in split_frames(self.builder_config.name).items()
        }

    def _generate_examples(
        self, path: Any, frames: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        with path.open("rb") as file:
            columns = tfds.core.lazy_imports.scipy.io.loadmat(file)["ff"]
        images = columns.T.reshape(FRAMES, HEIGHT, WIDTH, 1)
        for frame in frames:
            yield int(frame), {"image": images[frame], "frame": frame}
