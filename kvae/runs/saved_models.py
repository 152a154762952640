"""Saved models: a SavedModel that loads with TensorFlow alone, and the config.json that made it."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.config import CONFIG, Config, family, read_config
from kvae.errors import KvaeError
from kvae.io.files import atomic_folder, check_writable, write_json
from kvae.models.base import (
    Conditional,
    Decodes,
    Embeds,
    Generates,
    Infers,
    Quantizes,
    Reconstructs,
    given,
    of_any_label,
)
from kvae.models.build import build
from kvae.models.estimates import mean, stddev
from kvae.models.weights import restore, variables
from kvae.runs.checkpoints import load_weights
from kvae.runs.folders import CHECKPOINTS, MODELS, RESULTS, RUNS, find, read_results

FOR_KERAS = {"class_name": "saved by kvae: use kvae.load(path)", "module": "kvae", "config": {}}
"""What Keras reads if it is asked to load the folder, which it takes for one of its own because of
`config.json`. It then says that it cannot locate this class."""


def save(
    model: Any,
    path: str | Path,
    overwrite: bool = False,
    results: Mapping[str, Any] | None = None,
) -> Path:
    """Write a model as a SavedModel folder, atomically.

    There is a signature for each thing that the model can do. Images are float32
    `[batch, height, width, channels]` in [0, 1]: `encode(images) -> mean, stddev` of q(z|x);
    `embed(images) -> embedding`; `decode(latents) -> mean`; `reconstruct(images) -> mean`;
    `codes(images) -> codes` and `decode_codes(codes) -> mean`, with int32 codes
    `[batch, rows, columns]`; `sample(count, seed) -> images`, with a scalar int32 `count` and an
    int32 `[2]` `seed`. The default is `reconstruct`, or else `sample`. In place of images, a model
    of a table takes and gives standardised columns, by the means and standard deviations in
    `config.json`.

    The signatures of a conditional model also take `labels`, the numbers of the images' labels,
    int32 `[batch]`; that of `sample` takes them instead of `count`. They refuse labels that the
    model does not know.

    Args:
        model: What `kvae.build` returned, trained or not.
        path: The folder to make.
        overwrite: Whether to replace a folder that is there.
        results: Key figures, which are saved with the model as `results.json`.

    Returns:
        The folder.

    Raises:
        KvaeError: The folder exists, or cannot be written.
    """
    path = Path(path)
    try:
        with atomic_folder(path, replace=overwrite) as scratch:
            # The module has only plain variables and functions of tensors. Anything else could not
            # be loaded without kvae, TensorFlow Probability or Keras.
            module, signatures = tf.Module(), _signatures(model)
            module.weights, module.signatures_to_save = variables(model), signatures
            tf.saved_model.save(module, str(scratch), signatures=signatures)
            write_json(scratch / CONFIG, FOR_KERAS | model.config.to_json())
            if results is not None:
                write_json(scratch / RESULTS, results)
    except FileExistsError as error:
        raise KvaeError(f"{error}: choose another name, or `overwrite` it") from error
    return path


def _signatures(model: Any) -> dict[str, Any]:
    """The signatures by name: a function of tensors for each thing that the model can do."""
    config, conditional = model.config.model, isinstance(model, Conditional)
    labels = tf.TensorSpec((None,), tf.int32, name="labels")
    of_labels = (labels,) if conditional else ()
    images = tf.TensorSpec((None, *config.image_shape), tf.float32, name="images")
    count = tf.TensorSpec((), tf.int32, name="count")
    seed = tf.TensorSpec((2,), tf.int32, name="seed")
    found: dict[str, Any] = {}

    def add(name: str, function: Callable[..., dict[str, tf.Tensor]], *inputs: Any) -> None:
        found[name] = tf.function(function, input_signature=inputs, autograph=False)

    if isinstance(model, Infers):

        def encode(images: tf.Tensor, *labels: tf.Tensor) -> dict[str, tf.Tensor]:
            posterior = _given(model, *labels).encode(images)
            return {"mean": mean(posterior), "stddev": stddev(posterior)}

        add("encode", encode, images, *of_labels)
    elif isinstance(model, Embeds):

        def embed(images: tf.Tensor, *labels: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"embedding": _given(model, *labels).embed(images)}

        add("embed", embed, images, *of_labels)
    if isinstance(model, Decodes):
        event = of_any_label(model).prior.distribution().event_shape
        latents = tf.TensorSpec((None, *event), tf.float32, name="latents")

        def decode(latents: tf.Tensor, *labels: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"mean": _given(model, *labels).mean_images(latents)}

        add("decode", decode, latents, *of_labels)
    if isinstance(model, Reconstructs):

        def reconstruct(images: tf.Tensor, *labels: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"mean": _given(model, *labels).reconstruct(images)}

        add("reconstruct", reconstruct, images, *of_labels)
    if isinstance(model, Quantizes):
        event = model.codes(tf.zeros((1, *config.image_shape))).shape[1:]
        codes = tf.TensorSpec((None, *event), tf.int32, name="codes")
        add("codes", lambda images: {"codes": model.codes(images)}, images)
        add("decode_codes", lambda codes: {"mean": model.decode_codes(codes)}, codes)
    if isinstance(model, Generates) and conditional:

        def sample(labels: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"images": _given(model, labels).sample(tf.shape(labels)[0], seed)}

        add("sample", sample, labels, seed)
    elif isinstance(model, Generates):
        add("sample", lambda count, seed: {"images": model.sample(count, seed)}, count, seed)
    for name in "reconstruct", "sample":
        if name in found:
            found.setdefault("serving_default", found[name])
    return found


def _given(model: Any, *labels: tf.Tensor) -> Any:
    """The model, given labels if it is conditional, which are checked when it is used."""
    if not labels:
        return model
    (numbers,) = labels
    message = f"labels must be from 0 to {len(model.classes) - 1}"
    tf.debugging.assert_non_negative(numbers, message)
    tf.debugging.assert_less(numbers, len(model.classes), message)
    return given(model, numbers)


def load(path: str | Path) -> Any:
    """Load a model that `save` wrote.

    Args:
        path: The folder of the saved model.

    Raises:
        KvaeError: There is no saved model in the folder, or it is damaged.
    """
    model = build(read_config(Path(path)))
    restore(model, Path(path) / "variables" / "variables")
    return model


def export_run(run: str, runs: Path = RUNS, models: Path = MODELS, overwrite: bool = False) -> Path:
    """Export the newest checkpoint of a run as a saved model of the same name.

    Args:
        run: Name or path of the run.
        runs: Folder of runs.
        models: Folder of saved models.
        overwrite: Whether to replace a saved model of this name.

    Returns:
        The folder of the saved model.

    Raises:
        KvaeError: There is no such run, it has no checkpoint, or the saved model exists.
    """
    folder = find(run, runs, "run")
    model = build(read_config(folder))
    load_weights(folder / CHECKPOINTS, model)
    results = read_results(folder)
    check_writable(models)
    return save(model, models / folder.name, overwrite, results)


def weights_to_start_from(config: Config, models: Path = MODELS) -> list[np.ndarray]:
    """The weights of the saved model that a configuration names in `start_from`.

    Args:
        config: The configuration of a new run.
        models: Folder of saved models.

    Raises:
        KvaeError: There is no such model, or its weights do not fit the new model.
    """
    path = find(config.training.start_from, models, "saved model")
    saved = read_config(path)
    if saved.family != config.family:
        raise KvaeError(
            f"cannot start from {path}: its family is {saved.family}, not {config.family}"
        )
    theirs, ours = dataclasses.asdict(saved.model), dataclasses.asdict(config.model)
    for name, value in theirs.items():
        if name not in family(config.family).not_of_weights and value != ours[name]:
            raise KvaeError(
                f"cannot start from {path}: its {name} is {value}, that of the new run "
                f"{ours[name]}; give the options it was trained with, or another model"
            )
    return load(path).get_weights()
