"""Saved models load with TensorFlow alone, and agree with the Python model."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import kvae
from kvae import registry
from kvae.errors import KvaeError

ALONE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("kvae", "tf_keras", "tensorflow_probability"):
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, Refuse())
import numpy as np
import tensorflow as tf

given = np.load("given.npz")
images, latents = tf.constant(given["images"]), tf.constant(given["latents"])
for path in sys.argv[1:]:
    loaded = tf.saved_model.load(path)
    signatures = loaded.signatures
    results = {
        "encode_" + key: value for key, value in signatures["encode"](images=images).items()
    }
    results["decode"] = signatures["decode"](latents=latents)["mean"]
    results["reconstruct"] = signatures["reconstruct"](images=images)["mean"]
    results["serving"] = signatures["serving_default"](images=images)["mean"]
    seed = tf.constant([3, 4])
    results["sample"] = signatures["sample"](count=tf.constant(5), seed=seed)["images"]
    np.savez(path + ".npz", **{key: value.numpy() for key, value in results.items()})
"""


PARTS = (
    {"likelihood": "bernoulli"},
    {"likelihood": "normal", "mean_activation": "linear", "posterior": "full"},
    {"likelihood": "discretized-logistic", "prior": "mixture", "components": 4},
    {"likelihood": "continuous-bernoulli", "prior": "vamp", "components": 4},
    {"likelihood": "normal", "prior": "flow", "posterior": "iaf"},
)


@pytest.mark.parametrize("name", registry.MODELS)
def test_saved_names_do_not_depend_on_models_that_were_built_before(few_digits, name):
    config = kvae.configure(few_digits, family=name, jit=False)
    one, same = (kvae.build(config, few_digits.train.images).weights for _ in range(2))
    assert [weight.value.name for weight in one] == [weight.value.name for weight in same]


@pytest.mark.slow
def test_saved_models_need_tensorflow_alone(few_digits, tmp_path):
    models, rng = [], np.random.default_rng(0)
    for number, options in enumerate(PARTS):
        config = kvae.configure(few_digits, hidden=(9,), latent=3, **options)
        model = kvae.build(config, few_digits.train.images)
        # As if it were trained.
        for weight in model.trainable_variables:
            weight.assign_add(0.1 * rng.standard_normal(weight.shape))
        kvae.save(model, tmp_path / str(number))
        models.append(model)
    images = (few_digits.test.images[:6] / 255).astype(np.float32)
    latents = 3 * rng.standard_normal((7, 3)).astype(np.float32)
    np.savez(tmp_path / "given.npz", images=images, latents=latents)
    subprocess.run(
        [sys.executable, "-c", ALONE, *map(str, range(len(models)))],
        cwd=tmp_path, check=True, timeout=300,
    )  # fmt: skip
    for number, model in enumerate(models):
        found = np.load(tmp_path / f"{number}.npz")
        posterior = model.encode(images)
        for key, expected in {
            "encode_mean": posterior.mean(),
            "encode_stddev": posterior.stddev(),
            "decode": model.mean_images(latents),
            "reconstruct": model.reconstruct(images),
            "serving": model.reconstruct(images),
            "sample": model.sample(5, seed=[3, 4]),
        }.items():
            assert found[key].dtype == np.float32
            message = f"{PARTS[number]}: {key}"
            np.testing.assert_allclose(found[key], expected, 1e-5, 1e-6, err_msg=message)
        for key in "decode", "reconstruct", "sample":
            assert found[key].min() >= 0
            assert found[key].max() <= 1


ALONE_GIVEN = (
    ALONE.split("for path in")[0]
    + """
loaded = tf.saved_model.load("given")
signatures, labels = loaded.signatures, tf.constant(given["labels"])
some = {"images": images, "labels": labels}
results = {"encode_" + key: value for key, value in signatures["encode"](**some).items()}
results["decode"] = signatures["decode"](latents=latents, labels=labels)["mean"]
results["reconstruct"] = signatures["reconstruct"](**some)["mean"]
results["serving"] = signatures["serving_default"](**some)["mean"]
results["sample"] = signatures["sample"](labels=labels, seed=tf.constant([3, 4]))["images"]
np.savez("found.npz", **{key: value.numpy() for key, value in results.items()})
for wrong in 10, -1:
    try:
        signatures["sample"](labels=tf.constant([wrong]), seed=tf.constant([3, 4]))
    except tf.errors.InvalidArgumentError as error:
        assert "labels must be from 0 to 9" in str(error)
    else:
        raise AssertionError(wrong)
"""
)


@pytest.mark.slow
def test_saved_conditional_models_need_tensorflow_alone(few_digits, tmp_path):
    options = {"prior": "flow", "posterior": "iaf"}
    config = kvae.configure(few_digits, condition="labels", hidden=(9,), latent=3, **options)
    model, rng = kvae.build(config, few_digits.train.images), np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign_add(0.1 * rng.standard_normal(weight.shape))
    kvae.save(model, tmp_path / "given")
    images = (few_digits.test.images[:6] / 255).astype(np.float32)
    labels = few_digits.test.labels[:6].astype(np.int32)
    latents = 3 * rng.standard_normal((6, 3)).astype(np.float32)
    np.savez(tmp_path / "given.npz", images=images, latents=latents, labels=labels)
    subprocess.run([sys.executable, "-c", ALONE_GIVEN], cwd=tmp_path, check=True, timeout=300)
    found, view = np.load(tmp_path / "found.npz"), model.given(labels)
    posterior = view.encode(images)
    for key, expected in {
        "encode_mean": posterior.mean(),
        "encode_stddev": posterior.stddev(),
        "decode": view.mean_images(latents),
        "reconstruct": view.reconstruct(images),
        "serving": view.reconstruct(images),
        "sample": view.sample(6, seed=[3, 4]),
    }.items():
        np.testing.assert_allclose(found[key], expected, 1e-5, 1e-6, err_msg=key)


@pytest.fixture
def model(few_digits):
    return kvae.build(kvae.configure(few_digits, hidden=(9,), latent=3, seed=5))


def test_load_gives_back_the_same_model(model, tmp_path):
    loaded = kvae.load(kvae.save(model, tmp_path / "model"))
    assert loaded.config == model.config
    for left, right in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(loaded.sample(4, seed=1), model.sample(4, seed=1))


def test_nothing_is_overwritten_unasked(model, tmp_path):
    path = kvae.save(model, tmp_path / "model", results={"elbo": 1.5})
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    assert json.loads((path / "results.json").read_text()) == {"elbo": 1.5}
    with pytest.raises(KvaeError, match="exists already"):
        kvae.save(model, tmp_path / "model")
    assert before == {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    kvae.save(model, tmp_path / "model", overwrite=True)
    assert not (path / "results.json").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_damaged_saved_models(model, few_digits, tmp_path):
    path = kvae.save(model, tmp_path / "model")
    with pytest.raises(KvaeError, match="nothing is not a run or saved model of kvae"):
        kvae.load(tmp_path / "nothing")
    config = (path / "config.json").read_text()
    for content in "{", "[]", config.replace('"latent": 3', '"latent": 0'):
        (path / "config.json").write_text(content)
        with pytest.raises(KvaeError, match="model is not a run or saved model of kvae"):
            kvae.load(path)
    (path / "config.json").write_text(config.replace('"latent": 3', '"latent": 4'))
    with pytest.raises(KvaeError, match="cannot load the weights in .*variables: "):
        kvae.load(path)
    (path / "config.json").write_text(config)
    data = path / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(KvaeError, match="cannot load the weights in .*variables: "):
        kvae.load(path)
    (path / "variables" / "variables.index").unlink()
    with pytest.raises(KvaeError, match="cannot load the weights"):
        kvae.load(path)


def test_images_of_any_number(model, tmp_path):
    signatures = tf.saved_model.load(kvae.save(model, tmp_path / "model")).signatures
    for count in 1, 3:
        images = tf.zeros((count, 8, 8, 1))
        assert signatures["reconstruct"](images=images)["mean"].shape == (count, 8, 8, 1)
        sample = signatures["sample"](count=tf.constant(count), seed=tf.constant([0, 0]))
        assert sample["images"].shape == (count, 8, 8, 1)
