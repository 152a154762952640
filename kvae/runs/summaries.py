"""Writes the TensorBoard events of a run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins import projector
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.scalar.summary import scalar_pb

from kvae import figures
from kvae.config import Config
from kvae.data import Dataset
from kvae.metrics import Row
from kvae.models.base import Generates, Reconstructs, given, labels_of
from kvae.models.plan import Evaluation
from kvae.runs.events import rewind

IMAGES = 10
SAMPLES = 64
PROJECTED = 1000
"""The largest number of test images in the Projector. More would make the browser slow."""
SPLITS = ("train", "validation")
OF_DATA = (
    "image_shape",
    "column_names",
    "column_means",
    "column_stddevs",
    "classes",
    "class_counts",
)


class Summaries:
    """Writes TensorBoard events to a run's folder.

    Scalars are written to the sub-folders `train/` and `validation/`, so that TensorBoard shows
    both in one chart. All else is written to the folder itself.

    Args:
        folder: `runs/NAME`.
        name: The run's name.
        model: The model in training.
        dataset: The dataset. Its validation images are reconstructed, and its test images are shown
            in the Projector.
        epochs: The number of epochs that are already done; events of later epochs are removed.
    """

    def __init__(
        self, folder: Path, name: str, model: Any, dataset: Dataset, epochs: int = 0
    ) -> None:
        self._folder, self._model, self._dataset = folder, model, dataset
        config = self._config = model.config
        folders = {name: folder / name for name in (*SPLITS, ".")}
        for part in folders.values():
            rewind(part, epochs)
        self._writers = {
            name: tf.summary.create_file_writer(str(part)) for name, part in folders.items()
        }
        with self._writers["."].as_default(step=0):
            text = json.dumps(config.to_json(), indent=2)
            tf.summary.text("configuration", f"```json\n{text}\n```")
            hparams.hparams(_flat(config), trial_id=name)

    def epoch(self, row: Row, validation: Evaluation) -> None:
        """Write an epoch's scalars, and about ten times in a run also histograms and images.

        Args:
            row: The epoch's row of `history.csv`. Columns that name neither `train` nor
                `validation` are metrics of the validation images.
            validation: The model's metrics on the validation images.
        """
        number = int(row["epoch"])
        scalars: dict[str, dict[str, float]] = {split: {} for split in SPLITS}
        for column, value in row.items():
            if column not in ("epoch", "seconds") and isinstance(value, int | float):
                split, _, name = column.partition("_")
                where, tag = (split, name) if split in SPLITS else ("validation", column)
                scalars[where][tag] = value
        for split in SPLITS:
            with self._writers[split].as_default(step=number):
                _write_scalars(scalars[split])
        every = -(-self._config.training.epochs // 10)
        if number % every == 0 or number in (1, self._config.training.epochs):
            self._images(number, validation)

    def _images(self, step: int, validation: Evaluation) -> None:
        seed, model = tf.constant([self._config.training.seed, 0]), self._model
        with self._writers["."].as_default(step=step):
            for name, values in validation.per_dimension.items():
                tf.summary.histogram(name, values)
            are_pictures = not self._config.data.numbers
            if are_pictures and isinstance(model, Reconstructs):
                some = self._dataset.validation.spread(IMAGES)
                pixels = self._model.inputs(some.images, seed)
                seen = given(model, labels_of(model, self._dataset, some))
                grid = figures.pairs(pixels.numpy(), seen.reconstruct(pixels).numpy())
                tf.summary.image("reconstructions", grid[None])
            if are_pictures and isinstance(model, Generates):
                grid = figures.tile(model.sample(SAMPLES, seed).numpy())
                tf.summary.image("samples", grid[None])
        self.flush()

    def flush(self) -> None:
        """Write all events so far to disk."""
        for writer in self._writers.values():
            writer.flush()

    def finish(self, paths: Mapping[str, Path], test: Evaluation, step: int) -> None:
        """Write the figures of the run, and the embeddings of test images for the Projector.

        Args:
            paths: Files of figures by name. Animations are left out, because TensorBoard cannot
                show them.
            test: The model's metrics on the test images.
            step: Number of the last epoch.
        """
        with self._writers["."].as_default(step=step):
            for name, path in paths.items():
                if path.suffix == ".png":
                    with Image.open(path) as picture:
                        tf.summary.image(
                            f"figures/{name}", np.asarray(picture.convert("RGB"))[None]
                        )
        if test.embeddings is not None:
            self._project(test.embeddings[:PROJECTED])

    def _project(self, latents: np.ndarray) -> None:
        """Write embeddings of test images, with thumbnails and labels, for the Projector.

        Rows of a table have no thumbnails.
        """
        split = self._dataset.test.take(slice(len(latents)))
        folder = self._folder / "projector"
        folder.mkdir(exist_ok=True)
        # The Projector shows nothing if there are fewer than three dimensions.
        latents = np.pad(latents, ((0, 0), (0, max(0, 3 - latents.shape[1]))))
        np.savetxt(folder / "latents.tsv", latents, "%.6g", delimiter="\t")
        if split.labels is not None:
            names = self._dataset.label_names
            rows = [names[label] if names else str(label) for label in split.labels]
        else:
            frames = split.features.get("frame", range(len(split)))
            rows = [str(frame) for frame in frames]
        # There is no header: TensorBoard would read it as a value if there is a single column.
        (folder / "labels.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        config = projector.ProjectorConfig()
        embedding = config.embeddings.add()
        embedding.tensor_name = "test latents"
        embedding.tensor_path = "projector/latents.tsv"
        embedding.metadata_path = "projector/labels.tsv"
        if not split.numbers:
            figures.save_png(figures.sprite(split.images / 255), folder / "thumbnails.png")
            embedding.sprite.image_path = "projector/thumbnails.png"
            height, width, _ = self._dataset.image_shape
            embedding.sprite.single_image_dim.extend([width, height])
        projector.visualize_embeddings(str(self._folder), config)

    def close(self) -> None:
        """Write all events to disk and close the files."""
        for writer in self._writers.values():
            writer.close()


def _write_scalars(scalars: Mapping[str, float]) -> None:
    """Write all scalars with one call. `tf.summary.scalar` would take as long for each scalar."""
    summary = Summary()
    for tag, value in scalars.items():
        summary.MergeFrom(scalar_pb(tag, value))
    tf.summary.experimental.write_raw_pb(summary.SerializeToString())


def _flat(config: Config) -> dict[str, str | float | int | bool]:
    """The configuration as HParams needs it: plain values by name, on one level."""
    return {
        name: ",".join(map(str, value)) if isinstance(value, list | tuple) else value
        for name, value in config.flat().items()
        # Shape and columns are not chosen: they are those of the data.
        if value is not None and name not in OF_DATA
    }
