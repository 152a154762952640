"""The report says what was measured, and what it means."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

import kvae
from kvae.errors import UsageError
from kvae.evaluation import Evaluator, evaluate, importance_weighted_bound, sections
from kvae.evaluation.sections import likeness


@pytest.fixture(scope="module")
def model(few_digits):
    options = {"epochs": 150, "optimizer": "adam", "learning_rate": 0.01, "jit": False}
    config = kvae.configure(few_digits, hidden=(32,), latent=3, **options)
    model = kvae.build(config)
    kvae.train(model, few_digits)
    return model


@pytest.fixture(scope="module")
def found(model, few_digits):
    return evaluate(model, few_digits, importance_samples=20)


def rows(found, title):
    return {row.name: row for row in found.groups[title]}


def test_likelihood_rows_are_the_functions_figures(model, few_digits, found):
    images = few_digits.test.images
    elbo = Evaluator(model, seed=0, chunk=40)(images)
    bound = importance_weighted_bound(model, images, 20)
    likelihood = rows(found, "Likelihood")
    for name, each in (
        ("ELBO", elbo.terms["elbo"]),
        ("reconstruction", elbo.terms["reconstruction"]),
        ("KL", elbo.terms["kl"]),
        ("importance-weighted, 20 samples", bound),
    ):
        assert likelihood[name].unit == "nats"
        assert likelihood[name].values["value"] == pytest.approx(each.mean(), rel=1e-5)
        error = each.std() / np.sqrt(len(each))
        assert likelihood[name].values["standard error"] == pytest.approx(error, rel=1e-4)
    assert bound.mean() > elbo.means["elbo"]
    annealed = likelihood["annealed importance sampling, 40 images"].values["value"]
    gain = likelihood["its gain on those images"].values["value"]
    assert annealed == pytest.approx(bound.mean() + gain, abs=1e-3)
    assert 0 < likelihood["HMC acceptance"].values["value"] < 1


def test_bits_of_eight_bit_pixels(found, model, few_digits):
    bits = rows(found, "Likelihood")["bits per dimension"]
    assert "uniform dequantisation" in bits.verdict
    dense = importance_weighted_bound(model, few_digits.test.images, 20, dequantize=True)
    assert bits.values["value"] == pytest.approx(8 - dense.mean() / (64 * np.log(2)), rel=1e-5)
    assert 0 < bits.values["value"] < 8


@pytest.mark.slow
def test_bits_of_black_and_white_pixels_and_of_none(few_digits):
    for binarize, has in (("threshold", True), ("none", False)):
        config = kvae.configure(
            few_digits, hidden=(16,), epochs=1, likelihood="bernoulli", binarize=binarize,
            jit=False,
        )  # fmt: skip
        # As `kvae fit-prior` marks it.
        fitted = dataclasses.replace(config.model, prior_fitted=has)
        model = kvae.build(dataclasses.replace(config, model=fitted))
        found = evaluate(model, few_digits, importance_samples=5)
        assert ("standard prior, fitted after training, trained on: elbo" in found.model) == has
        bits = rows(found, "Likelihood")["bits per dimension"]
        assert bool(bits.values) == has
        if has:
            # An untrained Bernoulli says one bit a pixel, or a little more.
            assert bits.values["value"] == pytest.approx(1, abs=0.15)
        else:
            assert "`binarize=dynamic`" in bits.verdict
        assert "Against linear models" not in found.groups


def test_other_groups(found, few_digits):
    assert list(found.groups) == [
        "Likelihood", "Latent use", "Samples against data", "Rare modes", "Memorising",
        "Reconstruction", "Against linear models", "Labels",
    ]  # fmt: skip
    assert found.verdict == "healthy"
    active = rows(found, "Latent use")["active units, of 3"]
    assert active.values["value"] == 3
    assert active.verdict.startswith("healthy")
    samples = rows(found, "Samples against data")
    assert len(samples) == 6
    share, clusters = found.groups["Rare modes"]
    assert share.name == "share in the 3 rarest of 15 clusters"
    assert 0 < share.values["training"] < 0.2
    assert 0 < clusters.values["samples"] <= 15
    covered = samples["reconstructions, training images"].values["coverage"]
    assert covered > samples["prior samples, held-out images"].values["coverage"] * 0.5
    scores = rows(found, "Labels")
    assert scores["5 nearest neighbours, accuracy"].values["value"] > 0.3
    assert set(rows(found, "Against linear models")) == {
        "probabilistic PCA, 3 dimensions", "factor analysis, 3 dimensions",
    }  # fmt: skip


def test_the_report_is_json(found):
    printed = json.loads(json.dumps(found.to_json()))
    assert printed["groups"]["Likelihood"]["ELBO"]["unit"] == "nats"
    assert printed["verdict"] == "healthy"
    assert len(printed["kl_per_dimension"]) == 3


@pytest.mark.slow
def test_a_model_forced_to_collapse_is_called_collapsed(few_digits):
    options = {"beta": 1000.0, "epochs": 60, "learning_rate": 0.01, "jit": False}
    config = kvae.configure(few_digits, hidden=(16,), **options)
    model = kvae.build(config)
    kvae.train(model, few_digits)
    found = evaluate(model, few_digits, importance_samples=5)
    assert found.verdict == "collapsed"
    (active,) = [row for row in found.groups["Latent use"] if row.name.startswith("active")]
    assert "smaller `beta`" in active.verdict


def cloud(count, centre, seed=0):
    return np.random.default_rng(seed).normal(centre, 1, (count, 4, 4, 1))


def verdict_on(images, prior, aggregated=None, decoded=None):
    """The row on samples from the prior; `images` makes images from a count, a kind and a seed.

    A kind that is None is of images that the model cannot make.
    """
    kinds = {
        "prior samples": prior,
        "aggregated-posterior samples": aggregated,
        "reconstructions": decoded,
    }
    compared = SimpleNamespace(
        train=images(100, None, 0),
        held_out=images(30, None, 1),
        made={
            name: images(100, kind, seed)
            for seed, (name, kind) in enumerate(kinds.items(), 2)
            if kind is not None
        },
        reconstructions=None if decoded is None else images(30, decoded, 5),
    )
    return sections.samples_against_data(compared)[0]


@pytest.mark.parametrize(
    ("prior", "aggregated", "decoded", "verdict"),
    [
        (0, 0, 0, "as varied as the data"),
        (50, 0, 0, "the prior is to blame"),
        (50, 50, 50, "the decoder is to blame"),
        (50, 50, 0, "miss alike"),
    ],
)
def test_who_is_to_blame(prior, aggregated, decoded, verdict):
    def images(count, centre, seed):
        return cloud(count, centre or 0, seed)

    assert verdict in verdict_on(images, prior, aggregated, decoded).verdict


@pytest.mark.parametrize(
    ("prior", "verdict"),
    [
        (0.0, "as varied as the data"),
        (0.8, "some of the images are covered"),
        (50.0, "hardly any are covered"),
    ],
)
def test_a_model_without_reconstructions_has_no_decoder_to_blame(prior, verdict):
    row = verdict_on(lambda count, centre, seed: cloud(count, centre or 0, seed), prior)
    assert verdict in row.verdict


@pytest.mark.parametrize(
    ("prior", "aggregated", "decoded", "verdict"),
    [
        (1.0, 1.0, 1.0, "as varied as the data"),
        (0.3, 1.0, 1.0, "the prior is to blame; try fewer latents"),
        (0.3, 0.3, 1.0, "nearer to each other"),
        (0.3, 0.3, 0.3, "as reconstructions are"),
    ],
)
def test_blurred_samples_are_not_called_as_varied_as_the_data(prior, aggregated, decoded, verdict):
    def images(count, scale, seed):
        noise = np.random.default_rng(seed).normal(0, 1, (count, 8, 8, 1))
        return noise if scale is None else scale * noise

    row = verdict_on(images, prior, aggregated, decoded)
    assert row.values["coverage"] > likeness.GOOD_COVERAGE
    assert verdict in row.verdict


def test_copies_of_training_images_are_called_memorised():
    train, held_out = cloud(100, 0), cloud(50, 0, seed=1)
    for prior, copied in ((train + 0.01, True), (cloud(100, 0, seed=2), False)):
        made = {"prior samples": prior}
        compared = SimpleNamespace(train=train, held_out=held_out, made=made)
        rows = sections.memorising(compared)
        assert rows[0].verdict.endswith(": memorised") == copied


def test_images_of_another_shape_are_refused(model, grey_dataset):
    with pytest.raises(UsageError, match=r"\(8, 8, 1\), but made has \(4, 4, 1\)"):
        evaluate(model, grey_dataset(np.zeros((20, 4, 4, 1), np.uint8)))
