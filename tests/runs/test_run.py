"""A run from its configuration to its folder: started, interrupted, resumed, replaced."""

import csv
import dataclasses
import json
import logging
import signal

import numpy as np
import pytest

import kvae
from kvae import runs
from kvae.data import Split
from kvae.errors import Interrupted, KvaeError
from kvae.runs.history import read_history
from kvae.training import epochs

from .making import assert_same_outcome, cut, start


def test_a_run_explains_itself(few_digits, places):
    seen = []
    run = start(few_digits, places, on_epoch=seen.append)
    assert run.name == "digits-z2"
    assert seen == run.history
    assert {path.name for path in run.folder.iterdir()} >= {
        "config.json", "history.csv", "results.json", "checkpoints", "figures", "frames.npz",
        "train", "validation", "projector", "projector_config.pbtxt",
    }  # fmt: skip
    assert json.loads((run.folder / "config.json").read_text()) == run.model.config.to_json()
    with (run.folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]) == (
        "epoch,seconds,train_elbo,train_reconstruction,train_kl,validation_elbo,"
        "validation_reconstruction,validation_kl,active_units,objective,train_objective"
    )
    assert [{name: str(value) for name, value in row.items()} for row in run.history] == rows
    assert {row["objective"] for row in rows} == {"elbo"}
    results = json.loads((run.folder / "results.json").read_text())
    assert results == run.results
    assert results["images"] == 40
    assert results["elbo"] == pytest.approx(results["reconstruction"] - results["kl"], rel=1e-5)
    assert sum(results["kl_per_dimension"]) == pytest.approx(results["kl"], rel=1e-5)
    loaded = kvae.load(run.saved_model)
    np.testing.assert_array_equal(loaded.sample(3), run.model.sample(3))


@pytest.mark.slow
def test_a_collapsed_model_says_so(few_digits, places, caplog):
    def said():
        # TensorFlow may have something to say, too.
        return [record for record in caplog.records if record.name.startswith("kvae")]

    options = {"epochs": 15, "optimizer": "adam", "learning_rate": 0.01}
    with caplog.at_level(logging.WARNING, "kvae"):
        start(few_digits, places, beta=1000.0, **options)
    (record,) = said()
    assert "the posterior has collapsed" in record.message
    assert "smaller `beta`" in record.message
    caplog.clear()
    with caplog.at_level(logging.WARNING, "kvae"):
        start(few_digits, places, **options)
    assert not said()


@pytest.mark.slow
def test_a_run_starts_from_the_weights_of_another(few_digits, places):
    vamp = {"prior": "vamp", "components": 3}
    first = kvae.build(kvae.configure(few_digits, hidden=(16,), seed=4, **vamp))
    kvae.save(first, places["models"] / "first")
    # Adam's first steps are as long as the rate, whatever the gradient.
    still = {"optimizer": "adam", "learning_rate": 1e-30, "shared_step": 0.0}
    still |= {"epochs": 1, "dropout": 0.1}
    second = start(few_digits, places, "second", start_from="first", seed=5, **vamp, **still)
    for weight, other in zip(first.weights, second.model.weights, strict=True):
        np.testing.assert_allclose(weight, other, rtol=0, atol=1e-29)
    config = json.loads((second.folder / "config.json").read_text())
    assert config["training"]["start_from"] == "first"
    with pytest.raises(KvaeError, match=r"its hidden is \(16,\), that of the new run \(8,\); give"):
        start(few_digits, places, "third", hidden=(8,), start_from="first")
    with pytest.raises(KvaeError, match="its prior is vamp, that of the new run standard"):
        start(few_digits, places, "third", start_from="first")
    with pytest.raises(KvaeError, match="no saved model 'fisrt' .*did you mean 'first'"):
        start(few_digits, places, "third", start_from="fisrt")
    assert not (places["runs"] / "third").exists()


@pytest.mark.slow
def test_an_interrupted_run_resumes(few_digits, places):
    options = {"optimizer": "adam", "learning_rate": 0.03, "epochs": 30}
    options |= {"patience": 10}
    whole = start(few_digits, places, "whole", **options)
    # The last three epochs are in the history, but in no checkpoint.
    folder = cut(few_digits, places, 18, checkpoint_every=15, **options)
    assert len(read_history(folder)["epoch"]) == 18
    seen = []
    run = runs.resume(few_digits, "cut", on_epoch=lambda row: seen.append(row["epoch"]), **places)
    assert seen[0] == 16
    assert_same_outcome(run, whole)
    with pytest.raises(KvaeError, match="runs/cut is complete"):
        runs.resume(few_digits, "cut", **places)


@pytest.mark.slow
def test_a_run_without_a_checkpoint_starts_again(few_digits, places, whole):
    cut(few_digits, places, 2)
    run = runs.resume(few_digits, "cut", **places)
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4]
    assert_same_outcome(run, whole)


@pytest.mark.slow
def test_a_run_that_is_interrupted_within_an_epoch_resumes(few_digits, places, monkeypatch):
    options = {"epochs": 2, "batch_size": 2}
    whole = start(few_digits, places, "whole", **options)
    # Parts of one step.
    monkeypatch.setattr(epochs, "PART_SECONDS", 0.0)
    asked = iter([None] * 100)
    stopped = r"after epoch 1, and 26 of 75 steps: resume it with `resume=cut`"
    with pytest.raises(Interrupted, match=stopped) as raised:
        start(
            few_digits, places, "cut", asked_to_stop=lambda: next(asked, signal.SIGTERM), **options
        )
    assert raised.value.signal == signal.SIGTERM
    assert_same_outcome(runs.resume(few_digits, "cut", **places), whole)


def test_other_images_than_the_run_began_with(few_digits, places):
    cut(few_digits, places, 3, checkpoint_every=2)
    images = few_digits.train.images.copy()
    images[0, 0, 0] ^= 1
    other = dataclasses.replace(few_digits, train=Split(images))
    with pytest.raises(KvaeError, match="images are not those that the run was started"):
        runs.resume(other, "cut", **places)


def test_a_run_that_cannot_be_trained_leaves_nothing(few_digits, places):
    with pytest.raises(KvaeError, match="not finite.*nothing is kept of mine"):
        start(few_digits, places, "mine", optimizer="sgd", learning_rate=1e30)
    assert list(places["runs"].iterdir()) == list(places["models"].iterdir()) == []


# Overwriting ------------------------------------------------------------------------------------


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_overwrite_replaces_the_run_at_once_and_the_model_at_the_end(few_digits, places):
    old = start(few_digits, places, "mine", epochs=1)
    model = contents(old.saved_model)
    seen = []

    def look(row):
        seen.append(len(read_history(old.folder)["epoch"]))
        assert json.loads((old.folder / "config.json").read_text())["training"]["seed"] == 1
        assert not (old.folder / "results.json").exists()
        assert contents(old.saved_model) == model

    new = start(few_digits, places, "mine", overwrite=True, epochs=2, seed=1, on_epoch=look)
    assert seen == [1, 2]
    assert (new.folder, new.saved_model) == (old.folder, old.saved_model)
    assert len(read_history(new.folder)["epoch"]) == 2
    loaded = kvae.load(new.saved_model)
    np.testing.assert_array_equal(loaded.sample(2), new.model.sample(2))
    assert loaded.config.training.seed == 1
    assert [path.name for path in places["runs"].iterdir()] == ["mine"]
    assert [path.name for path in places["models"].iterdir()] == ["mine"]


def test_a_run_that_cannot_be_built_replaces_nothing(few_digits, places):
    old = start(few_digits, places, "mine", epochs=1)
    before = contents(places["runs"].parent)
    for options in {"start_from": "nothing"}, {"start_from": "mine", "hidden": (8,)}:
        with pytest.raises(KvaeError, match="no saved model 'nothing'|cannot start from"):
            start(few_digits, places, "mine", overwrite=True, **options)
    assert contents(places["runs"].parent) == before
    assert [path.name for path in places["runs"].iterdir()] == ["mine"]
    np.testing.assert_array_equal(kvae.load(old.saved_model).sample(2), old.model.sample(2))


@pytest.mark.slow
def test_a_run_that_replaces_another_can_be_resumed(few_digits, places, whole):
    old = start(few_digits, places, "cut", epochs=1, seed=5)
    cut(few_digits, places, 3, checkpoint_every=2, overwrite=True)
    # As a process that was killed leaves the folder that it has just replaced.
    (places["runs"] / ".cut.abcdefgh").mkdir()
    np.testing.assert_array_equal(kvae.load(old.saved_model).sample(2), old.model.sample(2))
    with pytest.raises(KvaeError, match="models/cut is another model: `overwrite` it"):
        runs.resume(few_digits, "cut", **places)
    run = runs.resume(few_digits, "cut", overwrite=True, **places)
    assert_same_outcome(run, whole)
    np.testing.assert_array_equal(kvae.load(old.saved_model).sample(2), whole.model.sample(2))
    assert [path.name for path in places["runs"].iterdir()] == ["cut"]


def test_a_run_in_use(few_digits, places):
    def intrude(row):
        for attempt in (
            lambda: runs.resume(few_digits, "mine", **places),
            lambda: start(few_digits, places, "mine", overwrite=True),
        ):
            with pytest.raises(KvaeError, match="runs/mine is in use by another process"):
                attempt()
        with pytest.raises(KvaeError, match="`resume=mine`"):
            start(few_digits, places, "mine")

    start(few_digits, places, "mine", epochs=1, on_epoch=intrude)
    assert (places["runs"] / "mine/results.json").is_file()
