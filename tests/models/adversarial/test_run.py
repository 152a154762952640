"""An adversarial network trains, and does what it can do everywhere."""

import dataclasses
import math
import re

import numpy as np
import pytest
import tensorflow as tf

import kvae
from kvae import gallery, inference, runs
from kvae.errors import UsageError
from kvae.evaluation import evaluate
from kvae.evaluation.sections import likelihoods
from kvae.explore.explorer import Explorer
from kvae.models.adversarial.config import ModelConfig
from kvae.models.base import (
    Bounds,
    Decodes,
    Discriminates,
    Embeds,
    Generates,
    Infers,
    Noiseless,
    Reconstructs,
    Trains,
)
from kvae.models.build import cost
from kvae.models.samples import covered
from kvae.runs import saved_models
from kvae.runs.history import read_history
from kvae.training import State, fit_prior
from kvae_cli.encode import encode


@pytest.fixture(scope="module")
def run(few_digits, tiny, tmp_path_factory):
    place = tmp_path_factory.mktemp("run")
    return runs.start(few_digits, tiny(), "whole", place / "runs", place / "saved_models")


def test_it_has_the_capabilities_of_a_generator(run):
    can = Trains, Generates, Decodes, Discriminates, Noiseless
    assert all(isinstance(run.model, capability) for capability in can)
    assert not isinstance(run.model, Bounds | Embeds | Reconstructs | Infers)


@pytest.mark.parametrize("network", ["mlp", pytest.param("conv", marks=pytest.mark.slow)])
def test_the_networks_are_those_of_a_vae(few_digits, tiny, network):
    options = {"network": network, "hidden": (6,), "latent": 3}
    model = kvae.build(tiny(**options))
    options |= {"likelihood": "normal-shared", "mean_activation": "sigmoid", "dropout": 0.0}
    vae = kvae.build(kvae.configure(few_digits, "own", **options))
    pairs = [(model.decoder, vae.decoder), (model.discriminator.network, vae.encoder.network)]
    for ours, theirs in pairs:
        for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    latents = model.prior.distribution().sample(4, seed=[0, 1])
    np.testing.assert_allclose(model.mean_images(latents), vae.mean_images(latents), atol=1e-6)


def test_both_losses_are_in_history_events_and_plots(run, tmp_path, few_digits):
    columns = read_history(run.folder)
    assert list(columns)[2:] == [
        "validation_variety",
        "validation_coverage",
        "validation_recall",
        "validation_told_apart",
        "train_generator_loss",
        "train_discriminator_loss",
        "train_penalty",
    ]
    (path,) = (run.folder / "train").glob("events*")
    tags = {
        value.tag
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert {"generator_loss", "discriminator_loss", "penalty"} <= tags
    subject = gallery.Subject("made", run.model, few_digits, columns)
    assert gallery.quick(subject) == ["curves", "samples", "manifold", "animation"]
    curves = gallery.draw(subject, ["curves"], tmp_path)["curves"]
    assert curves.is_file()


def test_the_best_epoch_has_the_best_mean_of_coverage_and_recall(run):
    variety = [row["validation_variety"] for row in run.history]
    for found, row in zip(variety, run.history, strict=True):
        both = row["validation_coverage"] + row["validation_recall"]
        assert found == pytest.approx(both / 2, abs=1e-6)
    assert run.results["epoch"] == 1 + int(np.argmax(variety))
    assert run.results["validation_variety"] == max(variety)


def test_samples_are_of_the_average_of_the_generator(few_digits, tiny):
    seen = {}
    for average in 0.0, 0.9:
        # One step an epoch.
        model = kvae.build(tiny(weight_average=average, epochs=2, batch_size=150))
        parts, weights = (model.decoder, model.discriminator), []
        kvae.train(
            model, few_digits,
            lambda *_, parts=parts, to=weights: to.append([part.get_weights() for part in parts]),
        )  # fmt: skip
        seen[average] = weights
    (first, _), (second, judging) = seen[0.0]
    averaged, other_judging = seen[0.9][1]
    for average, one, two in zip(averaged, first, second, strict=True):
        np.testing.assert_allclose(average, 0.9 * one + 0.1 * two, atol=1e-6)
    for ours, theirs in zip(judging, other_judging, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("components", [1, 20])
def test_the_gaussians_of_the_prior_are_spread_and_together_have_variance_one(tiny, components):
    model = kvae.build(tiny(prior="mixture", components=components, latent=200))
    prior = model.prior.distribution()
    parts = prior.components_distribution
    np.testing.assert_allclose(parts.stddev(), 0.5, rtol=1e-6)
    np.testing.assert_allclose(prior.weights(), 1 / components)
    second = np.mean(parts.variance() + parts.mean() ** 2)
    # The mean of so many squares of Gaussian means with variance 0.75.
    assert second == pytest.approx(1, abs=4 * 0.75 * np.sqrt(2 / (200 * components)))


def test_the_standard_prior_is_left_as_it_is(tiny):
    config = tiny(prior="standard")
    assert kvae.build(config).prior.trainable_variables == []
    assert config.model.components == ModelConfig((2, 2, 1), 1, ()).components
    with pytest.raises(UsageError, match="unknown prior 'flow'"):
        tiny(prior="flow")


@pytest.mark.parametrize(
    "loss", ["non-saturating", pytest.param("wasserstein", marks=pytest.mark.slow)]
)
def test_every_weight_is_trained_but_the_noise(few_digits, tiny, loss):
    model = kvae.build(tiny(loss=loss, epochs=1, discriminator_steps=2))
    before = [weight.numpy() for weight in model.trainable_variables]
    state = State(model, few_digits)
    (row,) = kvae.train(model, few_digits, state=state)
    assert all(np.isfinite(value) for value in row.values())
    noise = model.decoder.likelihood.log_variance
    for weight, old in zip(model.trainable_variables, before, strict=True):
        # A difference of scores does not depend on the last bias of the discriminator.
        last = loss == "wasserstein" and weight is model.discriminator.output_layer.bias
        assert np.array_equal(weight, old) == (weight is noise or last), weight.path
    counts = [int(each) for each in state.plan.state if each.shape == () and each.dtype == "int64"]
    assert counts == [2 * state.steps, state.steps]


@pytest.mark.slow
def test_samples_come_to_cover_the_images(digits):
    config = kvae.configure(digits, family="adversarial", hidden=(256, 256), epochs=25)
    model = kvae.build(config)
    history = kvae.train(model, digits)
    assert history[0]["validation_coverage"] < 0.02
    train, test = (split.images / np.float32(255) for split in (digits.train, digits.test))
    made = model.sample(len(train), seed=1).numpy()
    assert covered(test, made, train).mean() > 0.15


@pytest.mark.slow
def test_it_resumes_bit_for_bit(few_digits, tiny, tmp_path):
    config = tiny(jit=True, loss="wasserstein", discriminator_steps=2)
    places = tmp_path / "runs", tmp_path / "saved_models"
    whole = runs.start(few_digits, config, "whole", *places)
    asked = iter([None, 15])
    with pytest.raises(KeyboardInterrupt):
        runs.start(few_digits, config, "cut", *places, asked_to_stop=lambda: next(asked))
    resumed = runs.resume(few_digits, "cut", *places)
    for ours, theirs in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    rows = [{**row, "seconds": 0} for row in resumed.history]
    assert rows == [{**row, "seconds": 0} for row in whole.history]


def test_it_is_saved_loaded_and_exported(run):
    loaded = saved_models.load(run.saved_model)
    for ours, theirs in zip(loaded.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    exported = tf.saved_model.load(str(run.saved_model)).signatures
    assert set(exported) == {"decode", "sample", "serving_default"}
    drawn = exported["sample"](count=tf.constant(3), seed=tf.constant([1, 0]))["images"]
    np.testing.assert_allclose(drawn, loaded.sample(3, seed=1), atol=1e-6)


def test_its_report(few_digits, run, monkeypatch):
    monkeypatch.setattr(likelihoods, "ANNEALED", 10)
    monkeypatch.setattr(likelihoods, "NOISE_FITTED", 5)
    report = evaluate(run.model, few_digits)
    assert list(report.groups) == [
        "Likelihood", "Samples against data", "Rare modes", "Memorising",
        "Generator and discriminator",
    ]  # fmt: skip
    annealed, _ = report.groups["Likelihood"]
    assert annealed.name == "annealed importance sampling, 10 images"
    assert re.fullmatch(
        r"from the prior, with Gaussian noise of 0\.\d+ of white, which was fitted to 5 "
        r"validation images \(Wu et al\., 2017\)",
        annealed.verdict,
    )
    coverage, recall, rarest, unseen, seen = report.groups["Generator and discriminator"]
    assert 0 <= recall.values["value"] <= 1
    assert rarest.name == "rarest of 10 labels, share of samples"
    assert coverage.verdict.split(":")[0] == report.verdict
    assert report.verdict != "healthy" or "missing" not in rarest.verdict
    assert 0 <= unseen.values["value"] <= 1
    assert 0 <= seen.values["value"] <= 1


def test_it_refuses_what_it_cannot_do(few_digits, run):
    images = few_digits.test.images
    with pytest.raises(kvae.UsageError, match="^this model has no reconstructions$"):
        inference.reconstruct(run.model, images)
    with pytest.raises(kvae.UsageError, match="no bound on log p"):
        inference.score(run.model, images, images)
    with pytest.raises(kvae.UsageError, match="^this model"):
        inference.encode(run.model, images)
    with pytest.raises(kvae.UsageError, match="^this model has no latents to encode images by$"):
        encode.callback(
            str(run.saved_model), ("digits",), run.folder / "made.csv", None, None, False, None,
            run.saved_model.parent, None, 0, False,
        )  # fmt: skip
    with pytest.raises(kvae.UsageError, match="no prior can be fitted .* of family adversarial"):
        fit_prior(run.model, few_digits, "mixture")


def test_what_is_explored_of_it(few_digits, run):
    explorer = Explorer("made", run.model, few_digits)
    assert (explorer.generates, explorer.describes, explorer.decodes) == (True, False, True)
    assert explorer.atlas.kinds == []
    assert explorer.samples(2, 0).shape == (2, 8, 8, 1)
    assert explorer.decode(explorer.atlas.start).shape == (8, 8, 1)


def test_its_size_is_known_before_it_is_made(run, tiny):
    found, wider = cost(run.model.config), cost(tiny(hidden=(116,)))
    assert found.weights == sum(math.prod(weight.shape) for weight in run.model.weights)
    # Generator and discriminator have a hundred units more each.
    assert wider.activations - found.activations >= 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"binarize": "dynamic"}, "the adversarial family takes grey pixels as they are"),
        ({"likelihood": "normal"}, "`likelihood` needs `family=vae`"),
        ({"gradient_penalty": -1.0}, "gradient_penalty must be 0 or more, got -1.0"),
        ({"discriminator_steps": 21}, "discriminator_steps must be "),
        ({"loss": "hinge"}, "unknown loss 'hinge'"),
        ({"channels": (4,)}, "`channels` needs `network=conv`"),
    ],
)
def test_options_that_do_not_go_together(tiny, options, message):
    with pytest.raises(kvae.UsageError, match=f"^{re.escape(message)}"):
        tiny(**options)


def test_numbers_are_refused(tiny):
    from kvae.models.adversarial.config import check_together

    config = tiny()
    data = dataclasses.replace(config.data, numbers=True)
    with pytest.raises(kvae.UsageError, match="the adversarial family is of pixels"):
        check_together(dataclasses.replace(config, data=data))


def test_the_recipe_follows_from_the_images_and_the_options(tiny, few_digits, grey_dataset):
    assert tiny().objective.gradient_penalty == 0.3
    assert tiny(loss="wasserstein").objective.gradient_penalty == 10
    assert tiny(loss="wasserstein", gradient_penalty=2.0).objective.gradient_penalty == 2
    many = few_digits.train.take(np.arange(10_000) % 150)
    dataset = dataclasses.replace(few_digits, train=many)
    assert kvae.configure(dataset, family="adversarial").model.network == "conv"
    small = kvae.configure(few_digits, family="adversarial")
    assert (small.model.network, small.training.jit) == ("mlp", True)
    noise = np.random.default_rng(0).integers(0, 256, (9, 40, 40, 1), np.uint8)
    large = kvae.configure(grey_dataset(noise), family="adversarial")
    assert (large.model.network, large.training.jit) == ("conv", False)
    # 1,600 numbers an image instead of 784.
    assert large.objective.gradient_penalty == pytest.approx(0.3 * 1600 / 784, abs=0.01)
    chosen = kvae.configure(few_digits, family="adversarial", network="conv").model
    assert chosen.hidden == large.model.hidden
