"""What a model takes: its own images in [0, 1], or an error that says what to call instead."""

import copy
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import kvae
from kvae.errors import KvaeError, UsageError

METHODS = {
    "encode": lambda model, images: model.encode(images),
    "embed": lambda model, images: model.embed(images),
    "reconstruct": lambda model, images: model.reconstruct(images),
    "call": lambda model, images: model(images),
    "terms": lambda model, images: model.terms(images, tf.constant([0, 0])),
    "statistics": lambda model, images: model.statistics(images, tf.constant([0, 0])),
    "log_weights": lambda model, images: model.log_weights(images),
}


@pytest.fixture(scope="module")
def model():
    dataset = kvae.data.load("digits")
    config = kvae.configure(
        dataset, hidden=(16,), latent=3, likelihood="normal", prior="mixture", components=2
    )
    return kvae.build(config)


@pytest.fixture(scope="module")
def images():
    return kvae.data.load("digits").test.images


@pytest.mark.parametrize("method", METHODS)
def test_images_that_the_model_does_not_see(method, model, images):
    call, floats = METHODS[method], images[:5] / 255
    for wrong, message in [
        (images[:5], r"these are uint8: .*model\.inputs"),
        (images[:5].astype(int), "these are int64"),
        (images[:5] > 9, "these are bool"),
        (images[:5].astype(np.float32), r"from 0 to 255: .*model\.inputs"),
        (2 * floats - 1, "from -1 to 1"),
        (np.where(floats > 0.9, np.nan, floats), "nan"),
        (floats[..., 0], r"takes images \[batch, 8, 8, 1\], but these are \[5, 8, 8\]"),
        (floats.transpose(0, 3, 1, 2), r"but these are \[5, 1, 8, 8\]"),
        (floats[0], r"but these are \[8, 8, 1\]"),
        (floats[:, :4], r"but these are \[5, 4, 8, 1\]"),
        (np.repeat(floats, 3, axis=3), r"but these are \[5, 8, 8, 3\]"),
    ]:
        with pytest.raises(UsageError, match=message):
            call(model, wrong)


@pytest.mark.parametrize("method", ["encode", "terms"])
def test_graphs_check_types_and_shapes(method, model, images):
    call = METHODS[method]
    with pytest.raises(UsageError, match="these are uint8"):
        tf.function(lambda x: call(model, x), autograph=False)(images[:5])
    with pytest.raises(UsageError, match=r"but these are \[5, 8, 8\]"):
        tf.function(lambda x: call(model, x), autograph=False)(images[:5, ..., 0] / 255)


def test_floats_of_both_precisions_and_both_kinds_of_arrays_are_the_same(model, images):
    seed, single = tf.constant([0, 0]), (images[:5] / 255).astype(np.float32)
    wanted = model.terms(model.inputs(images[:5]), seed).elbo.numpy()
    for same in single, single.astype(np.float64), tf.constant(single), single + np.float32(1e-7):
        np.testing.assert_allclose(model.terms(same, seed).elbo, wanted, rtol=1e-4)


def test_inputs_takes_stored_images_alone(model, images):
    np.testing.assert_array_equal(model.inputs(images[:5]), (images[:5] / 255).astype(np.float32))
    for wrong, message in [
        (images[:5] / 255, "these are float64: .*as_pixels, or give floats from 0 to 1"),
        (images[:5].astype(int), "these are int64: convert them with kvae.data.as_pixels"),
        (images[:5] > 9, "these are bool"),
        (images[:5, ..., 0], r"takes images \[batch, 8, 8, 1\], but these are \[5, 8, 8\]"),
        (images[:5].transpose(0, 3, 1, 2), r"but these are \[5, 1, 8, 8\]"),
    ]:
        with pytest.raises(UsageError, match=message):
            model.inputs(wrong)


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["deepcopy", "pickle"],
)
@pytest.mark.parametrize(
    "options", [{"prior": "vamp", "components": 3}, {"prior": "flow", "posterior": "iaf"}]
)
def test_copies_are_the_same_model(copied, options, images):
    dataset = kvae.data.load("digits")
    config = kvae.configure(dataset, hidden=(8,), latent=2, **options)
    model = kvae.build(config, dataset.train.images)
    other = copied(model)
    assert other is not model
    assert other.config == model.config
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    seed = tf.constant([1, 2])
    np.testing.assert_array_equal(
        model.terms(model.inputs(images[:5]), seed).elbo,
        other.terms(other.inputs(images[:5]), seed).elbo,
    )
    # They share nothing.
    other.set_weights([0 * value + 7 for value in other.get_weights()])
    assert not any(np.all(value == 7) for value in model.get_weights())


@pytest.mark.parametrize(
    "saved",
    [
        lambda model: model.save("model.keras"),
        lambda model: model.save("model.h5"),
        lambda model: keras.saving.save_model(model, "model.keras"),
        lambda model: model.to_json(),
        keras.models.clone_model,
    ],
    ids=["keras", "h5", "save_model", "json", "clone"],
)
def test_keras_names_kvaes_own_functions_when_it_saves(saved, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"with kvae\.save\(model, path\), .* with kvae\.load"):
        saved(model)


def test_keras_names_kvaes_own_function_for_a_saved_model(model, tmp_path):
    kvae.save(model, tmp_path / "saved")
    with pytest.raises(TypeError, match=r"saved by kvae: use kvae\.load"):
        keras.models.load_model(tmp_path / "saved")
    assert kvae.load(tmp_path / "saved").config == model.config


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_other_policies_of_keras_are_refused(policy, model):
    keras.config.set_dtype_policy(policy)
    try:
        with pytest.raises(KvaeError, match=f"set to compute in {policy}, .*set_dtype_policy"):
            kvae.build(model.config)
    finally:
        keras.config.set_dtype_policy("float32")


def test_other_floats_of_keras_are_refused(model):
    keras.config.set_floatx("float64")
    try:
        with pytest.raises(KvaeError, match=r"set to compute in float64, .*set_floatx"):
            kvae.build(model.config)
    finally:
        keras.config.set_floatx("float32")


CODE = """
import kvae
try:
    kvae.build(kvae.configure(kvae.data.load("digits")))
except kvae.KvaeError as error:
    print(error)
"""


@pytest.mark.parametrize("by", ["environment", "file"])
def test_other_backends_of_keras_are_refused(by, tmp_path):
    environment = {"PATH": "/usr/bin", "KERAS_HOME": str(tmp_path)}
    if by == "environment":
        environment["KERAS_BACKEND"] = "torch"
    else:
        (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    result = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.stdout == (
        "the backend of Keras is 'torch', and kvae needs TensorFlow: set KERAS_BACKEND=tensorflow "
        "before Keras is imported\n"
    )
