"""A model of pixels does what it can do everywhere, and says what it cannot."""

import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf

import kvae
from kvae import gallery, inference, runs
from kvae.data import Dataset, Split
from kvae.evaluation import evaluate
from kvae.evaluation.compared import shown
from kvae.explore.explorer import Explorer
from kvae.models.base import (
    Bounds,
    Completes,
    Decodes,
    Embeds,
    Exact,
    Generates,
    Infers,
    Reconstructs,
    Trains,
)
from kvae.runs import saved_models
from kvae.training import fit_prior
from kvae_cli.encode import encode

OPTIONS = {
    "family": "pixel",
    "layers": 1,
    "filters": 4,
    "binarize": "dynamic",
    "epochs": 2,
    "weight_average": 0.5,
}


@pytest.fixture(scope="module")
def config(few_digits):
    return kvae.configure(few_digits, **OPTIONS)


@pytest.fixture(scope="module")
def run(few_digits, config, tmp_path_factory):
    place = tmp_path_factory.mktemp("run")
    return runs.start(few_digits, config, "whole", place / "runs", place / "saved_models")


def test_it_has_the_capabilities_of_a_model_without_latents(run):
    assert all(isinstance(run.model, c) for c in (Trains, Generates, Bounds, Exact, Completes))
    assert not isinstance(run.model, Embeds | Reconstructs | Infers | Decodes)


def test_it_learns_and_keeps_the_best_epoch(run):
    losses = [row["validation_elbo"] for row in run.history]
    # An untrained network gives each of 64 binary pixels one bit.
    assert -64 * np.log(2) < losses[0] < losses[1]
    assert run.results["validation_elbo"] == max(losses)


@pytest.mark.slow
def test_pixels_and_their_probabilities_are_shifted_alike(few_digits):
    # Where all pixels are black or white, their probabilities are the pixels.
    splits = few_digits.train, few_digits.validation, few_digits.test
    black = [Split(255 * (split.images > 127).astype(np.uint8)) for split in splits]
    dataset = Dataset("black", *black, "black and white")
    elbos = []
    for binarize in ("dynamic", "threshold"):
        options = {"layers": 2, "filters": 4, "shift": 2, "epochs": 2, "binarize": binarize}
        model = kvae.build(kvae.configure(dataset, family="pixel", **options))
        elbos.append([epoch["train_elbo"] for epoch in kvae.train(model, dataset)])
    np.testing.assert_allclose(*elbos, rtol=1e-4)


def test_it_resumes_bit_for_bit(few_digits, config, run, tmp_path):
    places = tmp_path / "runs", tmp_path / "saved_models"
    asked = iter([None, 15])
    with pytest.raises(KeyboardInterrupt):
        runs.start(few_digits, config, "cut", *places, asked_to_stop=lambda: next(asked))
    resumed = runs.resume(few_digits, "cut", *places)
    for ours, theirs in zip(resumed.model.get_weights(), run.model.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    rows = [{**row, "seconds": 0} for row in resumed.history]
    assert rows == [{**row, "seconds": 0} for row in run.history]


def test_it_is_saved_loaded_and_exported(few_digits, run):
    loaded = saved_models.load(run.saved_model)
    images = loaded.inputs(few_digits.test.images)
    np.testing.assert_array_equal(loaded.log_prob(images), run.model.log_prob(images))
    exported = tf.saved_model.load(str(run.saved_model))
    assert set(exported.signatures) == {"sample", "serving_default"}
    args = {"count": tf.constant(3), "seed": tf.constant([1, 0])}
    drawn = exported.signatures["sample"](**args)["images"]
    np.testing.assert_array_equal(drawn, loaded.sample(3, seed=1))


def test_the_report_calls_its_log_likelihood_exact(few_digits, run):
    report = evaluate(run.model, few_digits, importance_samples=2)
    expected = ["Likelihood", "Samples against data", "Rare modes", "Memorising"]
    assert list(report.groups) == expected
    likelihood, bits = report.groups["Likelihood"]
    assert (likelihood.name, likelihood.verdict) == (
        "log-likelihood",
        "log p(x) itself, not a bound",
    )
    assert bits.verdict == "of black and white pixels"
    expected = -likelihood.values["value"] / (64 * np.log(2))
    # Other random numbers made the pixels black or white.
    assert bits.values["value"] == pytest.approx(expected, rel=0.02)


def test_drawn_pixels_are_compared_with_drawn_pixels_and_means_with_grey_levels(few_digits, run):
    split = few_digits.train
    grey = split.images / np.float32(255)
    drawn = shown(run.model, split)
    assert set(np.unique(drawn)) == set(np.unique(run.model.sample(4).numpy())) == {0, 1}
    # A pixel is white with its grey level as the probability.
    spread = np.sqrt(np.sum(grey * (1 - grey)))
    assert abs(np.sum(drawn - grey)) < 4 * spread
    np.testing.assert_array_equal(drawn[grey == 1], 1)
    np.testing.assert_array_equal(drawn[grey == 0], 0)
    vae = kvae.build(kvae.configure(few_digits, "reference", binarize="dynamic", hidden=(4,)))
    np.testing.assert_allclose(shown(vae, split), grey)


def test_it_scores_and_refuses_what_it_cannot_do(few_digits, run):
    images = few_digits.test.images
    unusual = inference.score(run.model, 255 - images, images)
    assert np.median(unusual.percentiles) < 5
    encoded = inference.encode(run.model, images)
    assert (list(encoded.terms), encoded.means) == (["elbo"], None)
    with pytest.raises(kvae.UsageError, match="^no prior can be fitted to a model of family pixel"):
        fit_prior(run.model, few_digits, "mixture")
    with pytest.raises(kvae.UsageError, match="^this model has no reconstructions$"):
        inference.reconstruct(run.model, images)
    with pytest.raises(kvae.UsageError, match="^this model has no latents to encode images by"):
        encode.callback(
            str(run.saved_model), ("digits",), run.folder / "made.csv", None, None, False, None,
            run.saved_model.parent, None, 0, False,
        )  # fmt: skip


def test_what_is_explored_of_it(few_digits, run):
    explorer = Explorer("made", run.model, few_digits)
    assert (explorer.generates, explorer.describes, explorer.decodes) == (True, True, False)
    assert explorer.atlas.axes == ["ELBO"]
    assert explorer.atlas.kinds == []
    assert explorer.samples(2, 0).shape == (2, 8, 8, 1)


def test_its_pictures(few_digits, run, tmp_path):
    subject = gallery.Subject("made", run.model, few_digits)
    assert gallery.quick(subject) == ["curves", "samples", "completions", "animation"]
    assert gallery.draw(subject, ["completions"], tmp_path)["completions"].is_file()
    with pytest.raises(gallery.NotDrawnError, match="no reconstructions"):
        gallery.draw(subject, ["reconstructions"], tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pixel_levels": 256}, "binarized pixels have 2 levels and others 256, got "),
        ({"pixel_levels": 3}, "pixel_levels must be 2 or 256, got 3"),
        ({"layers": 0}, "layers must be 1 or more, got 0"),
        ({"dropout": 1.0}, "dropout must be 0 or more and below 1, got 1.0"),
        ({"latent": 3}, "`latent` needs `family=vae`"),
    ],
)
def test_options_that_do_not_go_together(few_digits, options, message):
    with pytest.raises(kvae.UsageError, match=f"^{re.escape(message)}"):
        kvae.configure(few_digits, **(OPTIONS | options))


def test_numbers_are_refused(few_digits, config):
    data = dataclasses.replace(config.data, binarize="none", numbers=True)
    from kvae.models.pixel.config import check_together

    with pytest.raises(kvae.UsageError, match="the pixel family is of pixels"):
        check_together(dataclasses.replace(config, data=data))


def test_the_recipe_chooses_the_levels_of_pixels(few_digits, grey_dataset):
    grey = kvae.configure(few_digits, family="pixel")
    assert (grey.model.pixel_levels, grey.data.binarize) == (256, "none")
    black = grey_dataset(255 * np.random.default_rng(0).integers(0, 2, (9, 4, 4, 1), np.uint8))
    two = kvae.configure(black, family="pixel")
    assert (two.model.pixel_levels, two.data.binarize) == (2, "dynamic")
