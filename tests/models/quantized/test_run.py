"""A quantized model trains in two stages, and does what it can do everywhere."""

import dataclasses
import itertools
import re

import numpy as np
import pytest
import tensorflow as tf

import kvae
from kvae import gallery, inference, runs
from kvae.data import Dataset, Split
from kvae.evaluation import evaluate
from kvae.models.base import Bounds, Completes, Decodes, Embeds, Generates, Quantizes, Reconstructs
from kvae.runs import saved_models
from kvae.runs.checkpoints import Checkpoints
from kvae.runs.history import read_history
from kvae.training import State, epochs

OPTIONS = {
    "family": "quantized",
    "codes": 8,
    "code_size": 4,
    "channels": (8,),
    "blocks": 1,
    "layers": 1,
    "filters": 4,
    "binarize": "threshold",
    "epochs": 4,
    "autoencoder_epochs": 2,
    "code_temperature": 0.25,
}
KINDS = {
    "vector": {},
    "scalar": {"quantizer": "scalar", "levels": (3, 3)},
    "mlp": {"network": "mlp", "hidden": (16,), "code_positions": 3},
}

TESTED = ["vector", pytest.param("scalar", marks=pytest.mark.slow), "mlp"]


def configured(dataset, kind="vector", **options):
    chosen = OPTIONS | KINDS[kind] | options
    if "levels" in chosen:
        del chosen["codes"], chosen["code_size"]
    if "hidden" in chosen:
        del chosen["channels"], chosen["blocks"]
    return kvae.configure(dataset, **chosen)


@pytest.fixture(scope="module")
def config(few_digits):
    return configured(few_digits)


@pytest.fixture(scope="module")
def run(few_digits, config, tmp_path_factory):
    place = tmp_path_factory.mktemp("run")
    return runs.start(few_digits, config, "whole", place / "runs", place / "saved_models")


@pytest.mark.parametrize("kind", TESTED)
def test_the_prior_over_all_maps_of_codes_sums_to_one(few_digits, kind):
    small = {"code_positions": 4} if kind == "mlp" else {"channels": (4, 4)}
    config = configured(few_digits, kind, **small)
    model = kvae.build(config, few_digits.train.images)
    rng = np.random.default_rng(0)
    for weight in model.prior_network.weights:
        weight.assign(0.5 * rng.standard_normal(weight.shape))
    rows, columns = config.model.map_shape
    assert rows * columns == 4
    every = list(itertools.product(range(model.code_count), repeat=4))
    maps = np.array(every, np.int32).reshape(-1, rows, columns)
    log_prior = model.prior_network.log_prob(tf.constant(maps)).numpy().astype(np.float64)
    assert np.exp(log_prior).sum() == pytest.approx(1, abs=1e-5)
    assert log_prior.std() > 0.1


def test_the_prior_is_trained_on_the_codes_of_the_best_autoencoder(few_digits):
    # So few images are soon learned by heart.
    few = dataclasses.replace(few_digits, train=few_digits.train.take(slice(12)))
    config = configured(few, epochs=83, autoencoder_epochs=80, learning_rate=0.02)
    history = kvae.train(kvae.build(config, few.train.images), few)
    each = [row["validation_reconstruction"] for row in history]
    assert each[79] < max(each[:80]) - 1
    assert each[80:] == pytest.approx([max(each[:80])] * 3, rel=1e-5)


@pytest.mark.parametrize("kind", TESTED)
def test_the_bound_has_two_parts(few_digits, kind):
    model = kvae.build(configured(few_digits, kind), few_digits.train.images)
    images = model.inputs(few_digits.test.images)
    found, codes = model.statistics(images, tf.constant([0, 0])), model.codes(images)
    likelihood = model.decoder(model.quantizer.vectors(codes)).log_prob(images)
    np.testing.assert_allclose(found.terms["reconstruction"], likelihood, rtol=1e-5)
    # An untrained prior gives all codes the same probability.
    uniform = -np.prod(codes.shape[1:]) * np.log(model.code_count)
    np.testing.assert_allclose(found.terms["log_prior"], uniform, rtol=1e-5)
    parts = found.terms["reconstruction"] + found.terms["log_prior"]
    np.testing.assert_allclose(found.terms["elbo"], parts, rtol=1e-6)
    scalars = model.scalars(found.embedding.numpy())
    assert scalars["used_codes"] == len(np.unique(codes))
    assert isinstance(model, Completes) == (kind != "mlp")


def test_the_prior_is_trained_after_the_autoencoder(run, config):
    columns = read_history(run.folder)
    assert columns["objective"] == ["log p(x|codes)"] * 2 + ["log p(codes)"] * 2
    first, second, third, fourth = run.history
    uniform = -16 * np.log(8)
    assert first["validation_log_prior"] == pytest.approx(uniform, rel=1e-5)
    assert second["validation_reconstruction"] > first["validation_reconstruction"]
    # The autoencoder and its codes stay as they are while the prior learns.
    for name in "validation_reconstruction", "perplexity", "used_codes":
        assert second[name] == third[name] == fourth[name]
    assert uniform < third["validation_log_prior"] < fourth["validation_log_prior"]
    assert run.results["validation_elbo"] == max(row["validation_elbo"] for row in run.history)


@pytest.mark.parametrize("step", [pytest.param(3, marks=pytest.mark.slow), 13])
def test_it_resumes_bit_for_bit_in_both_stages(
    few_digits, config, run, tmp_path, step, monkeypatch
):
    # The training pauses after every step.
    monkeypatch.setattr(epochs, "PART_SECONDS", 0.0)
    state = State(kvae.build(config, few_digits.train.images), few_digits)
    pauses = iter(range(step))

    def stop():
        if next(pauses, None) is None:
            Checkpoints(tmp_path, state, few_digits).save()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kvae.train(state.model, few_digits, state=state, on_pause=stop)
    assert state.step in (3, 4)
    resumed = State(kvae.build(config, few_digits.train.images), few_digits)
    Checkpoints(tmp_path, resumed, few_digits).restore()
    kvae.train(resumed.model, few_digits, state=resumed)
    for ours, theirs in zip(resumed.model.get_weights(), run.model.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    rows = [{**row, "seconds": 0} for row in resumed.history]
    assert rows == [{**row, "seconds": 0} for row in run.history]


def test_it_is_saved_loaded_and_exported(few_digits, run):
    loaded = saved_models.load(run.saved_model)
    images = loaded.inputs(few_digits.test.images)
    np.testing.assert_array_equal(loaded.codes(images), run.model.codes(images))
    exported = tf.saved_model.load(str(run.saved_model)).signatures
    names = {"codes", "decode_codes", "embed", "reconstruct", "sample", "serving_default"}
    assert set(exported) == names
    codes = exported["codes"](images=images)["codes"]
    np.testing.assert_array_equal(codes, loaded.codes(images))
    means = exported["decode_codes"](codes=codes)["mean"]
    np.testing.assert_allclose(means, loaded.reconstruct(images), atol=1e-6)
    drawn = exported["sample"](count=tf.constant(3), seed=tf.constant([1, 0]))["images"]
    np.testing.assert_allclose(drawn, loaded.sample(3, seed=1), atol=1e-6)


def test_its_report_measures_the_codes(few_digits, run):
    report = evaluate(run.model, few_digits, importance_samples=2)
    assert "Latent use" not in report.groups
    names = [row.name for row in report.groups["Likelihood"]]
    assert names == ["ELBO", "log p(x|codes)", "log p(codes)", "bits per dimension"]
    perplexity, used, uniform = report.groups["Codes"]
    assert perplexity.values["value"] == pytest.approx(run.results["perplexity"])
    assert used.values["value"] == run.results["used_codes"]
    assert uniform.values["value"] == pytest.approx(-16 * np.log(8))
    assert uniform.verdict.endswith("nats better")
    assert report.verdict in ("healthy", "partly collapsed", "collapsed")
    assert sum(report.per_dimension["code_use"]) == pytest.approx(1)


def test_it_encodes_and_scores(few_digits, run):
    images = few_digits.test.images
    encoded = inference.encode(run.model, images)
    np.testing.assert_array_equal(
        encoded.codes, np.reshape(run.model.codes(run.model.inputs(images)), (len(images), 16))
    )
    assert "code_16" in encoded.columns(np.arange(len(images)))
    assert np.median(inference.score(run.model, 255 - images, images).percentiles) < 10


def test_it_completes_images_without_a_look_at_their_lower_half(few_digits, run):
    images = run.model.inputs(few_digits.test.images[:5]).numpy()
    other = images.copy()
    other[:, 4:] = 1 - other[:, 4:]
    found = run.model.complete(images, seed=3).numpy()
    np.testing.assert_array_equal(found, run.model.complete(other, seed=3))
    np.testing.assert_array_equal(found[:, :4], images[:, :4])


def test_its_capabilities_and_pictures(few_digits, run, tmp_path):
    can = Bounds, Completes, Embeds, Generates, Quantizes, Reconstructs
    assert all(isinstance(run.model, capability) for capability in can)
    assert not isinstance(run.model, Decodes)
    subject = gallery.Subject("made", run.model, few_digits)
    names = ["samples", "completions", "codes", "single-codes", "reconstructions"]
    assert gallery.quick(subject) == ["curves", *names, "animation"]
    assert set(gallery.draw(subject, names, tmp_path)) == set(names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"autoencoder_epochs": 5}, "autoencoder_epochs must be at most all epochs, 4, got 5"),
        ({"patience": 2}, "patience must be at least all epochs, 4, got 2"),
        ({"weight_average": 0.9}, "the quantized family takes no weight_average"),
        ({"likelihood": "normal"}, "binarize 'threshold' needs the bernoulli likelihood"),
        ({"levels": (2, 3), "quantizer": "scalar"}, "levels are 3 or more in each"),
        ({"levels": (300, 300), "quantizer": "scalar"}, "levels make 90,000 codes"),
        ({"channels": (4,) * 4}, "images of 8 x 8 can have 1 to 3 stages"),
        ({"hidden": (4,)}, "`hidden` needs `network=mlp`"),
        ({"commitment": 0.5, "quantizer": "scalar"}, "`codes` needs `quantizer=vector`"),
    ],
)
def test_options_that_do_not_go_together(few_digits, options, message):
    chosen = OPTIONS | options
    if "levels" in options:
        del chosen["codes"], chosen["code_size"]
    with pytest.raises(kvae.UsageError, match=f"^{re.escape(message)}"):
        kvae.configure(few_digits, **chosen)


@pytest.mark.slow
def test_pixels_that_are_drawn_at_random_have_fewer_codes(few_digits):
    def model(**options):
        return kvae.configure(few_digits, family="quantized", **options).model

    noisy, plain = model(binarize="dynamic"), model(binarize="threshold")
    assert (noisy.map_shape, noisy.code_count, plain.code_count) == ((4, 4), 64, 512)
    assert model(binarize="dynamic", quantizer="scalar").code_count == 64
    assert model(binarize="dynamic", codes=9, channels=(8, 8)).map_shape == (2, 2)
    large = np.repeat(np.repeat(few_digits.train.images, 4, axis=1), 4, axis=2)
    splits = [Split(large)] * 3
    facts = Dataset("large", *splits, "digits of 32 x 32")
    assert kvae.configure(facts, family="quantized", binarize="dynamic").model.map_shape == (4, 4)
    # Where all pixels are black or white, none is drawn at random.
    black = Dataset("black", *[Split(255 * (large > 127).astype(np.uint8))] * 3, "black and white")
    chosen = kvae.configure(black, family="quantized")
    assert chosen.data.binarize == "dynamic"
    assert (chosen.model.map_shape, chosen.model.code_count) == ((8, 8), 512)


def test_uniform_codes_are_the_baseline(few_digits):
    config = configured(few_digits, epochs=1, autoencoder_epochs=1)
    model = kvae.build(config, few_digits.train.images)
    (row,) = kvae.train(model, few_digits)
    assert row["validation_log_prior"] == pytest.approx(-16 * np.log(8), rel=1e-5)


def test_a_shared_standard_deviation_is_learned_at_once(few_digits):
    # The other weights, with so small a learning rate, stay as they are.
    config = configured(
        few_digits,
        binarize="none",
        likelihood="normal-shared",
        learning_rate=1e-9,
        epochs=40,
        autoencoder_epochs=40,
    )
    model = kvae.build(config, few_digits.train.images)
    kvae.train(model, few_digits)
    images = model.inputs(few_digits.train.images)
    found = model.decode_codes(model.codes(images))
    error = np.mean(np.square(found - images))
    deviation = model.decoder(model.quantizer.vectors(model.codes(images))).stddev()
    np.testing.assert_allclose(np.square(deviation), error, rtol=0.1)
