"""A Boltzmann machine is trained in stages, and does what it can do everywhere."""

import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf

import kvae
from kvae import gallery, inference, runs
from kvae.data import Dataset, Split
from kvae.errors import NotFiniteError
from kvae.evaluation import evaluate
from kvae.explore.explorer import Explorer
from kvae.models.base import (
    Bounds,
    Decodes,
    Embeds,
    EnergyBased,
    Exact,
    Filters,
    Generates,
    Infers,
    Reconstructs,
)
from kvae.models.boltzmann import partition, plan
from kvae.models.boltzmann.config import check_together
from kvae.models.plan import Evaluation
from kvae.runs import saved_models
from kvae.runs.checkpoints import Checkpoints
from kvae.runs.history import read_history
from kvae.training import State, epochs, fit_prior

OPTIONS = {
    "family": "boltzmann",
    "hidden": (15, 10),
    "layer_epochs": 1,
    "epochs": 4,
    "batch_size": 25,
    "chains": 20,
    "binarize": "threshold",
}


@pytest.fixture(scope="module")
def config(few_digits):
    return kvae.configure(few_digits, **OPTIONS)


@pytest.fixture(scope="module")
def run(few_digits, config, tmp_path_factory):
    place = tmp_path_factory.mktemp("run")
    return runs.start(few_digits, config, "whole", place / "runs", place / "saved_models")


def bars_and_stripes():
    """The images of 3 x 3 pixels all of whose rows, or all of whose columns, are of one colour."""
    lines = np.indices((2, 2, 2)).reshape(3, -1).T
    rows = np.repeat(lines[:, :, None], 3, axis=2)
    images = np.unique(np.concatenate([rows, rows.transpose(0, 2, 1)]), axis=0)
    split = Split((255 * np.tile(images, (10, 1, 1))[..., None]).astype(np.uint8))
    return Dataset("bars", split, split, split, "bars and stripes")


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [(20,), (20, 6)])
def test_it_learns_a_distribution_that_is_known(hidden):
    """No model can give 14 equally frequent images more than 1/14 each."""
    bars = bars_and_stripes()
    options = {"hidden": hidden, "batch_size": 14, "epochs": 200, "learning_rate": 1.0}
    model = kvae.build(kvae.configure(bars, family="boltzmann", **options), bars.train.images)
    history = kvae.train(model, bars)
    assert model.log_partition.standard_error == 0
    # Independent pixels give 9 bits, 6.24 nats.
    best = -np.log(14)
    assert best - 0.5 < max(row["validation_elbo"] for row in history) <= best


def test_it_has_the_capabilities_of_a_model_without_a_latent_space(few_digits, run):
    can = Bounds, Embeds, EnergyBased, Filters, Generates, Reconstructs
    assert all(isinstance(run.model, capability) for capability in can)
    assert not isinstance(run.model, Infers | Decodes | Exact)
    options = OPTIONS | {"hidden": (9,), "layer_epochs": 0}
    restricted = kvae.build(kvae.configure(few_digits, **options))
    assert all(isinstance(restricted, capability) for capability in (*can, Exact))


def test_layers_are_trained_alone_and_then_together(run):
    trained = read_history(run.folder)["objective"]
    assert trained == ["layer 1", "layer 2", "all layers", "all layers"]
    losses = [row["validation_elbo"] for row in run.history]
    assert run.results["validation_elbo"] == max(losses) == losses[-1]
    assert run.results["objective"] == "all layers"


def test_the_best_epoch_is_one_that_trains_all_layers(few_digits, config):
    state = State(kvae.build(config, few_digits.train.images), few_digits)
    kept = []
    for number, value in enumerate((-9.0, -1.0, -5.0, -6.0), 1):
        state.end_epoch({"epoch": number, "validation_elbo": value})
        kept.append(state.kept["epoch"])
    assert kept == [1, 2, 3, 3]
    # No probability is above 1: chains have left the images.
    impossible = Evaluation({"elbo": np.array([-3.0, 4.0])})
    assert state.plan.row(2, {}, impossible)["validation_elbo"] == 0.5
    with pytest.raises(NotFiniteError, match="after epoch 3: the chains have left the images; try"):
        state.plan.row(3, {}, impossible)


@pytest.mark.parametrize("step", [pytest.param(3, marks=pytest.mark.slow), 15])
def test_it_resumes_bit_for_bit_in_all_stages(few_digits, config, run, tmp_path, step, monkeypatch):
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
    assert 0 < state.step < state.steps
    resumed = State(kvae.build(config, few_digits.train.images), few_digits)
    Checkpoints(tmp_path, resumed, few_digits).restore()
    kvae.train(resumed.model, few_digits, state=resumed)
    for ours, theirs in zip(resumed.model.get_weights(), run.model.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    rows = [{**row, "seconds": 0} for row in resumed.history]
    assert rows == [{**row, "seconds": 0} for row in run.history]


def test_log_z_is_estimated_anew_for_the_weights_that_are_kept(few_digits, monkeypatch):
    monkeypatch.setattr(partition, "COUNTED", 0)
    monkeypatch.setattr(plan, "EPOCH", (50, 30))
    monkeypatch.setattr(plan, "LAST", (60, 90))
    options = OPTIONS | {"hidden": (9,), "layer_epochs": 0, "epochs": 2}
    state = State(
        kvae.build(kvae.configure(few_digits, **options), few_digits.train.images), few_digits
    )
    kvae.train(state.model, few_digits, state=state)
    annealed = state.model.log_partition
    assert annealed.method == "annealed importance sampling, 60 chains of 90 temperatures"
    monkeypatch.setattr(partition, "COUNTED", 9)
    state.model.estimate_log_partition(2, 2, 0)
    exact = state.model.log_partition.value
    for value, error in (
        (annealed.value, annealed.standard_error),
        (state.kept["log_partition"], state.kept["log_partition_error"]),
    ):
        assert 0 < error < 0.2
        assert abs(value - exact) < 4 * error


def test_it_is_saved_loaded_and_exported(few_digits, run):
    loaded = saved_models.load(run.saved_model)
    images = loaded.inputs(few_digits.test.images)
    found = (model.statistics(images, tf.constant([0, 0])) for model in (loaded, run.model))
    np.testing.assert_array_equal(*(each.terms["elbo"] for each in found))
    assert loaded.log_partition == run.model.log_partition
    exported = tf.saved_model.load(str(run.saved_model)).signatures
    assert set(exported) == {"embed", "reconstruct", "sample", "serving_default"}
    embedding = exported["embed"](images=images)["embedding"]
    np.testing.assert_allclose(embedding, loaded.embed(images), atol=1e-6)
    drawn = exported["sample"](count=tf.constant(3), seed=tf.constant([1, 0]))["images"]
    np.testing.assert_allclose(drawn, loaded.sample(3, seed=1), atol=1e-6)


def test_its_report_says_what_log_z_is_and_whether_chains_mix(few_digits, run):
    report = evaluate(run.model, few_digits, importance_samples=50)
    assert "Latent use" not in report.groups
    bound, tighter, _, log_z = report.groups["Likelihood"]
    assert bound.verdict == "a lower bound on log p(x)"
    assert tighter.values["value"] > bound.values["value"]
    assert log_z.values["value"] == pytest.approx(run.model.log_partition.value)
    assert log_z.verdict.startswith("exact: all states are counted")
    mixing, dead = report.groups["Chains and units"]
    # So little training leaves one mode.
    assert "end alike" in mixing.verdict
    assert dead.name == "dead hidden units, of 25"
    assert len(report.per_dimension["unit_activity"]) == 25


def test_it_scores_and_refuses_what_it_cannot_do(few_digits, run):
    images = few_digits.test.images
    assert np.median(inference.score(run.model, 255 - images, images).percentiles) < 5
    encoded = inference.encode(run.model, images)
    assert encoded.means.shape == (40, 10)
    assert encoded.stddevs is None
    with pytest.raises(kvae.UsageError, match="^no prior can be fitted to a model of family boltz"):
        fit_prior(run.model, few_digits, "mixture")


def test_what_is_explored_of_it(few_digits, run):
    explorer = Explorer("made", run.model, few_digits)
    assert (explorer.generates, explorer.describes, explorer.decodes) == (True, True, False)
    assert explorer.atlas.means.shape == (40, 10)
    assert explorer.samples(2, 0).shape == (2, 8, 8, 1)


def test_its_pictures(few_digits, run, tmp_path):
    subject = gallery.Subject("made", run.model, few_digits)
    assert gallery.quick(subject) == [
        "curves",
        "samples",
        "filters",
        "reconstructions",
        "animation",
    ]
    assert gallery.draw(subject, ["filters"], tmp_path)["filters"].is_file()
    (axes,) = gallery.PICTURES["filters"].plot(subject).axes
    shown = np.asarray(axes.images[0].get_array())
    # Each unit's largest weight is black or white, and no weight is grey.
    assert (shown.min(), shown.max()) == (0, 255)
    with pytest.raises(gallery.NotDrawnError, match="no posterior"):
        gallery.draw(subject, ["traversals"], tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"binarize": "none"}, "the boltzmann family is of black and white pixels: choose `binar"),
        ({"hidden": (5,)}, "layer_epochs must be 0 with one hidden layer, which is trained alone"),
        ({"layer_epochs": 2}, "layer_epochs must leave some of 4 epochs for all 2 layers together"),
        ({"patience": 2}, "patience must be at least all epochs, 4, got 2"),
        ({"hidden": ()}, "hidden has 1 to 10 layers, each of 1 unit or more, got none"),
        ({"chains": 0}, "chains must be 1 or more, got 0"),
        ({"latent": 3}, "`latent` needs `family=vae`"),
    ],
)
def test_options_that_do_not_go_together(few_digits, options, message):
    with pytest.raises(kvae.UsageError, match=f"^{re.escape(message)}"):
        kvae.configure(few_digits, **(OPTIONS | options))


def test_numbers_are_refused(config):
    data = dataclasses.replace(config.data, binarize="none", numbers=True)
    with pytest.raises(kvae.UsageError, match="the boltzmann family is of pixels"):
        check_together(dataclasses.replace(config, data=data))


def test_grey_pixels_are_made_black_or_white(few_digits, grey_dataset):
    of = kvae.config.family("boltzmann")
    config, facts = kvae.configure(few_digits, family="boltzmann"), kvae.config.facts(few_digits)
    assert config.data.binarize == "dynamic"
    assert len(of.reasons(config, facts, [])) == 1
    assert of.reasons(config, facts, ["binarize"]) == []
    black = grey_dataset(255 * np.random.default_rng(0).integers(0, 2, (9, 4, 4, 1), np.uint8))
    assert of.reasons(config, kvae.config.facts(black), []) == []
