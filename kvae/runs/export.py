"""Saved models: a SavedModel that loads with TensorFlow alone, and the config.json that made it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from kvae.config import CONFIG, read_config
from kvae.errors import KvaeError
from kvae.io.files import atomic_folder, write_json
from kvae.models.vae.model import VAE, build
from kvae.models.weights import check_size, restore, variables

RESULTS = "results.json"


def save(
    model: VAE,
    path: str | Path,
    overwrite: bool = False,
    results: Mapping[str, Any] | None = None,
) -> Path:
    """Write a model as a SavedModel folder, whole or not at all.

    Its signatures take and give float32 images `[batch, height, width, channels]` in [0, 1]:
    `encode(images) -> mean, stddev`; `decode(latents) -> mean`; `reconstruct(images) -> mean`,
    which is also `serving_default`; `sample(count, seed) -> images`, with a scalar int32 `count`
    and an int32 `[2]` `seed`.

    Args:
        model: What `kvae.build` gave, trained or not.
        path: The folder to make.
        overwrite: Take the place of a folder that is there.
        results: Key figures to keep with the model, as `results.json`.

    Returns:
        The folder.

    Raises:
        KvaeError: the folder exists, or cannot be written.
    """
    path = Path(path)
    try:
        with atomic_folder(path, replace=overwrite) as scratch:
            module = _module(model)
            tf.saved_model.save(module, str(scratch), signatures=module.signatures_to_save)
            write_json(scratch / CONFIG, model.config.to_json())
            if results is not None:
                write_json(scratch / RESULTS, results)
    except FileExistsError as error:
        raise KvaeError(f"{error}: choose another name, or overwrite it") from error
    return path


def _module(model: VAE) -> tf.Module:
    """Plain variables and functions of tensors: nothing that only kvae, TFP or Keras can load."""
    config = model.config.model
    images = tf.TensorSpec((None, *config.image_shape), tf.float32, name="images")
    latents = tf.TensorSpec((None, config.latent), tf.float32, name="latents")
    count = tf.TensorSpec((), tf.int32, name="count")
    seed = tf.TensorSpec((2,), tf.int32, name="seed")

    @tf.function(input_signature=[images], autograph=False)
    def encode(images: tf.Tensor) -> dict[str, tf.Tensor]:
        posterior = model.encode(images)
        return {"mean": posterior.mean(), "stddev": posterior.stddev()}

    @tf.function(input_signature=[latents], autograph=False)
    def decode(latents: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"mean": model.mean_images(latents)}

    @tf.function(input_signature=[images], autograph=False)
    def reconstruct(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"mean": model.reconstruct(images)}

    @tf.function(input_signature=[count, seed], autograph=False)
    def sample(count: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"images": model.sample(count, seed)}

    module = tf.Module()
    module.weights = variables(model)
    module.signatures_to_save = {
        "encode": encode,
        "decode": decode,
        "reconstruct": reconstruct,
        "sample": sample,
        "serving_default": reconstruct,
    }
    return module


def load(path: str | Path) -> VAE:
    """The model that `save` wrote.

    Raises:
        KvaeError: there is no whole saved model at `path`.
    """
    config, checkpoint = read_config(Path(path)), Path(path) / "variables" / "variables"
    check_size(checkpoint, config.model.size)
    model = build(config)
    restore(model, checkpoint)
    return model
