"""What TensorBoard shows of a run."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

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
from kvae.evaluation import Evaluation
from kvae.models.vae.model import VAE
from kvae.runs.events import rewind
from kvae.runs.history import Epoch

TERMS = ("elbo", "reconstruction", "kl")
IMAGES = 10
SAMPLES = 64
PROJECTED = 1000
"""Test images in the Projector: more make the browser slow."""


class Summaries:
    """Writes TensorBoard events to a run's folder.

    Scalars go to `train/` and `validation/`, so that both are on one chart; the rest to the folder
    itself.

    Args:
        folder: `runs/NAME`.
        name: The run's.
        model: The model in training.
        dataset: Reconstructions are of its validation images, the Projector is of its test images.
        config: The run's configuration.
        epochs: How many are done already; what is in the folder of later ones is dropped.
    """

    def __init__(
        self, folder: Path, name: str, model: VAE, dataset: Dataset, config: Config, epochs: int = 0
    ) -> None:
        self._folder, self._model, self._dataset, self._config = folder, model, dataset, config
        folders = {name: folder / name for name in ("train", "validation", ".")}
        for part in folders.values():
            rewind(part, epochs)
        self._writers = {
            name: tf.summary.create_file_writer(str(part)) for name, part in folders.items()
        }
        with self._writers["."].as_default(step=0):
            text = json.dumps(config.to_json(), indent=2)
            tf.summary.text("configuration", f"```json\n{text}\n```")
            hparams.hparams(_flat(config), trial_id=name)

    def epoch(self, epoch: Epoch, validation: Evaluation) -> None:
        """Write an epoch's scalars; its KL histogram and images about ten times a run."""
        for name in "train", "validation":
            scalars = {term: getattr(epoch, f"{name}_{term}") for term in TERMS}
            if name == "validation":
                scalars["active_units"] = epoch.active_units
            with self._writers[name].as_default(step=epoch.epoch):
                _write_scalars(scalars)
        every = -(-self._config.training.epochs // 10)
        if epoch.epoch % every == 0 or epoch.epoch in (1, self._config.training.epochs):
            self._images(epoch.epoch, validation)

    def _images(self, step: int, validation: Evaluation) -> None:
        seed = tf.constant([self._config.training.seed, 0])
        pixels = self._model.inputs(self._dataset.validation.spread(IMAGES).images, seed)
        reconstructions = self._model.reconstruct(pixels)
        with self._writers["."].as_default(step=step):
            tf.summary.histogram("kl_per_dimension", validation.kl_per_dimension)
            grid = figures.pairs(pixels.numpy(), reconstructions.numpy())
            tf.summary.image("reconstructions", grid[None])
            tf.summary.image(
                "samples", figures.tile(self._model.sample(SAMPLES, seed).numpy())[None]
            )
        self.flush()

    def flush(self) -> None:
        """Write to disk what there is so far."""
        for writer in self._writers.values():
            writer.flush()

    def pictures(self, paths: Mapping[str, Path], step: int) -> None:
        """Write pictures that are on disk, but for animations, which TensorBoard does not show."""
        with self._writers["."].as_default(step=step):
            for name, path in paths.items():
                if path.suffix == ".png":
                    with Image.open(path) as picture:
                        tf.summary.image(
                            f"figures/{name}", np.asarray(picture.convert("RGB"))[None]
                        )

    def project(self, test: Evaluation) -> None:
        """Write the latents of the test images, with thumbnails and labels, for the Projector."""
        split = self._dataset.test.take(slice(PROJECTED))
        folder = self._folder / "projector"
        folder.mkdir(exist_ok=True)
        latents = test.posterior_means[:PROJECTED]
        # The Projector draws nothing of fewer than three dimensions.
        latents = np.pad(latents, ((0, 0), (0, max(0, 3 - latents.shape[1]))))
        np.savetxt(folder / "latents.tsv", latents, "%.6g", delimiter="\t")
        figures.save_png(figures.sprite(split.images / 255), folder / "thumbnails.png")
        if split.labels is not None:
            names = self._dataset.label_names
            rows = [names[label] if names else str(label) for label in split.labels]
        else:
            frames = split.features.get("frame", range(len(split)))
            rows = [str(frame) for frame in frames]
        # One column has no header: TensorBoard takes the first line for a value.
        (folder / "labels.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        config = projector.ProjectorConfig()
        embedding = config.embeddings.add()
        embedding.tensor_name = "test latents"
        embedding.tensor_path = "projector/latents.tsv"
        embedding.metadata_path = "projector/labels.tsv"
        embedding.sprite.image_path = "projector/thumbnails.png"
        height, width, _ = self._dataset.image_shape
        embedding.sprite.single_image_dim.extend([width, height])
        projector.visualize_embeddings(str(self._folder), config)

    def close(self) -> None:
        """Write what is not yet on disk."""
        for writer in self._writers.values():
            writer.close()


def _write_scalars(scalars: Mapping[str, float]) -> None:
    """Write scalars by one call: `tf.summary.scalar` takes as long for each of them."""
    summary = Summary()
    for tag, value in scalars.items():
        summary.MergeFrom(scalar_pb(tag, value))
    tf.summary.experimental.write_raw_pb(summary.SerializeToString())


def _flat(config: Config) -> dict[str, str | float | int | bool]:
    """What was chosen, as HParams has it: one level of names, plain values."""
    flat: dict[str, str | float | int | bool] = {"recipe": config.recipe}
    for part in config.data, config.model, config.training:
        for name, value in dataclasses.asdict(part).items():
            # The data decide the image shape.
            if value is not None and name != "image_shape":
                flat[name] = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return flat
