"""What is concluded from the figures of contestants, and that these can be trained."""

import json
import math

import numpy as np
import pytest
from sklearn.decomposition import FactorAnalysis

import kvae
from kvae.reproduction import families
from kvae.reproduction.claim import FULL
from kvae.reproduction.contestants import BASELINE, CONTESTANTS


def run(rare, coverage, seconds=10.0, **bounds):
    return {
        "bounds": {
            kind: {"value": value, "standard error": 1.0, "how": kind}
            for kind, value in bounds.items()
        },
        "samples": {"rare": rare, "rare held-out": 0.1, "coverage": coverage},
        "seconds": seconds,
    }


def test_a_family_answers_if_it_is_better_in_both():
    plain = [run(0.02, 0.2), run(0.03, 0.21)]
    better = [run(0.08, 0.9, 20.0), run(0.09, 0.91, 20.0)]
    found = {BASELINE: plain, "quantized": better}
    part = families._answer("discrete latents", ["quantized"], found)
    assert part.holds
    assert "8.5% of the samples" in part.measured
    assert "90.5% of the training frames" in part.measured
    assert "in 2.0 times its training time" in part.measured
    for other in ([run(0.02, 0.9), run(0.03, 0.91)], [run(0.08, 0.2), run(0.09, 0.21)]):
        found = {BASELINE: plain, "quantized": other}
        assert not families._answer("discrete latents", ["quantized"], found).holds


def test_the_better_of_two_contestants_stands_for_a_family():
    found = {BASELINE: [run(0.0, 0.1)], "a": [run(0.1, 0.5)], "b": [run(0.1, 0.8)]}
    assert families._answer("normalizing flows", ["a", "b"], found).measured.startswith("b: ")


def test_the_summary_says_which_contestants_cover_the_data():
    found = {"narrow": [run(0.02, 0.2)], "wide": [run(0.08, 0.9, 20.0), run(0.1, 0.94, 40.0)]}
    text = families._in_words({"frey": found})
    wide, narrow = text.split("The samples of the others cover less: ")
    assert "Of the held-out Frey Faces 10.0% show a rare mode" in wide
    assert "wide 9.0%, in 30 s" in wide
    assert "narrow" not in wide
    assert narrow.startswith("narrow 20%")
    few = {"samples": {"coverage": 0.5}, "seconds": 1.0}
    assert not families._in_words({"frey": {"narrow": [few]}})


@pytest.mark.parametrize(
    ("bounds", "gain", "right"),
    [
        ({"elbo": -90.0, "weighted": -85.0}, None, True),
        ({"elbo": -90.0, "weighted": -93.0}, None, False),
        ({"elbo": -90.0, "weighted": -85.0}, 3.0, True),
        ({"elbo": -90.0, "weighted": -85.0}, -3.0, False),
    ],
)
def test_bounds_are_in_order(bounds, gain, right):
    made = run(0.1, 0.5, **bounds)
    if gain is not None:
        made["gain"] = {"value": gain, "standard error": 1.0}
    exact = run(0.1, 0.5, elbo=-80.0)
    part = families._ordered({"frey": {"a": [made], "exact": [exact]}})
    assert part.holds == right
    assert f"{int(right)} of 1 runs" in part.measured


@pytest.mark.parametrize("dataset", ["frey", "mnist"])
def test_contestants_can_be_configured(few_digits, dataset):
    taking_part = families._taking_part(FULL, dataset)
    assert len(taking_part) == len(CONTESTANTS) - (dataset == "frey")
    names = set()
    for run in families._runs(FULL):
        if run.options["dataset"] == dataset:
            options = {key: value for key, value in run.options.items() if key != "dataset"}
            assert kvae.configure(few_digits, **options).training.epochs == options["epochs"]
            names.add(run.name)
    assert len(names) == len(taking_part) * len(FULL.families[dataset])


def test_images_in_a_result_are_those_that_were_packed():
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 1)).astype(np.uint8)
    text = families.packed(images / np.float32(255))
    assert json.loads(json.dumps(text)) == text
    np.testing.assert_array_equal(families.unpacked(text, 5), images)


def test_factor_analysis_is_measured_exactly(monkeypatch, few_digits):
    monkeypatch.setattr(families.data, "load", lambda name, data_dir: few_digits)
    found = families.measure_factor_analysis("frey")
    train, test = (
        split.images.reshape(len(split), -1) / 255 for split in (few_digits.train, few_digits.test)
    )
    latent = kvae.configure(few_digits, "best").model.latent
    model = FactorAnalysis(latent, random_state=0).fit(train)
    # Pixels that never change have a noise of one grey level instead.
    noise = np.maximum(model.noise_variance_, 1 / 256**2)
    covariance = model.components_.T @ model.components_ + np.diag(noise)
    centred = test - model.mean_
    squares = np.einsum("ij,jk,ik->i", centred, np.linalg.inv(covariance), centred)
    log_p = -(squares + np.linalg.slogdet(2 * math.pi * covariance)[1]) / 2
    assert found["bounds"]["elbo"]["value"] == pytest.approx(log_p.mean(), rel=1e-3)
    assert found["parameters"] == (latent + 2) * train.shape[1]
    assert 0 < found["samples"]["coverage"] <= 1
    # So many bits are needed for a pixel of grey levels from 0 to 255.
    assert 1 < found["bits"] < 8
