"""Runs: a folder that explains itself, names, and what is found again."""

import csv
import json
import logging

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import kvae
from kvae import runs
from kvae.errors import KvaeError, UsageError
from kvae.training import COLUMNS


@pytest.fixture
def places(tmp_path):
    return {"runs": tmp_path / "runs", "models": tmp_path / "models"}


def start(few_digits, places, name=None, overwrite=False, on_epoch=None, **options):
    options = {"hidden": (16,), "epochs": 4, **options}
    config = kvae.configure(few_digits, **options)
    return runs.start(few_digits, config, name, overwrite=overwrite, on_epoch=on_epoch, **places)


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
    for row, epoch in zip(rows, run.history, strict=True):
        assert row["objective"] == epoch.objective == "elbo"
        numbers = [name for name in COLUMNS if name != "objective"]
        assert {name: float(row[name]) for name in numbers} == {
            name: float(getattr(epoch, name)) for name in numbers
        }
    results = json.loads((run.folder / "results.json").read_text())
    assert results == run.results
    assert results["images"] == 40
    assert results["elbo"] == pytest.approx(results["reconstruction"] - results["kl"], rel=1e-5)
    assert sum(results["kl_per_dimension"]) == pytest.approx(results["kl"], rel=1e-5)
    loaded = kvae.load(run.saved_model)
    np.testing.assert_array_equal(loaded.sample(3), run.model.sample(3))


def test_tensorboard_events(few_digits, places):
    run = start(few_digits, places)
    for part in "train", "validation":
        events = EventAccumulator(str(run.folder / part)).Reload()
        for term in "elbo", "reconstruction", "kl":
            values = [tf.make_ndarray(e.tensor_proto).item() for e in events.Tensors(term)]
            expected = [getattr(epoch, f"{part}_{term}") for epoch in run.history]
            np.testing.assert_allclose(values, expected, rtol=1e-6)
            assert [event.step for event in events.Tensors(term)] == [1, 2, 3, 4]
    events = EventAccumulator(str(run.folder)).Reload()
    tags = set(events.Tags()["tensors"])
    assert tags >= {"kl_per_dimension", "reconstructions", "samples", "configuration"}
    assert tags >= {"figures/curves", "figures/samples", "figures/kl", "figures/traversals"}
    assert any(tag.startswith("_hparams_/session_start_info") for tag in tags)
    width, height, png = events.Tensors("samples")[-1].tensor_proto.string_val[:3]
    assert (int(width), int(height)) == (466, 466)
    assert png.startswith(b"\x89PNG")


def test_projector(few_digits, places):
    run = start(few_digits, places)
    latents = np.loadtxt(run.folder / "projector" / "latents.tsv", delimiter="\t")
    expected = run.model.encode(few_digits.test.images / np.float32(255)).mean()
    np.testing.assert_allclose(latents[:, :2], expected, rtol=1e-4, atol=1e-5)
    # The Projector draws nothing of fewer than three dimensions.
    assert latents.shape == (40, 3)
    assert not latents[:, 2].any()
    labels = (run.folder / "projector" / "labels.tsv").read_text().split()
    assert labels == [str(label) for label in few_digits.test.labels]
    sprite = np.asarray(Image.open(run.folder / "projector" / "thumbnails.png"))
    np.testing.assert_array_equal(sprite[:8, 8:16], few_digits.test.images[1].squeeze())
    config = (run.folder / "projector_config.pbtxt").read_text()
    for path in "latents.tsv", "labels.tsv", "thumbnails.png":
        assert f"projector/{path}" in config


def test_a_collapsed_model_says_so(few_digits, places, caplog):
    with caplog.at_level(logging.WARNING, "kvae"):
        start(few_digits, places, beta=1000.0, epochs=60, learning_rate=0.01)
    (record,) = caplog.records
    assert "the posterior has collapsed" in record.message
    assert "smaller --beta" in record.message
    caplog.clear()
    with caplog.at_level(logging.WARNING, "kvae"):
        start(few_digits, places, epochs=60, learning_rate=0.01)
    assert not caplog.records


def test_names(few_digits, places):
    assert start(few_digits, places, epochs=1).name == "digits-z2"
    assert start(few_digits, places, epochs=1).name == "digits-z2-2"
    assert start(few_digits, places, "mine", epochs=1).name == "mine"
    with pytest.raises(KvaeError, match="runs/mine exists already: .*--overwrite"):
        start(few_digits, places, "mine", epochs=1)
    for name in "", "../x", "a/b", ".hidden", "-x", "a b", "x" * 101:
        with pytest.raises(UsageError, match="must be letters, digits"):
            start(few_digits, places, name)
    for name, stem in (
        ("frey/blocks", "frey-blocks"),
        ("tfds:a/b", "tfds-a-b"),
        ("/a/c d.npz", "c-d"),
    ):
        assert runs.choose_name(name, 5, None, **places, overwrite=False) == f"{stem}-z5"


def test_overwrite_replaces_run_and_model(few_digits, places):
    first = start(few_digits, places, "mine", epochs=1)
    second = start(few_digits, places, "mine", overwrite=True, epochs=2, seed=1)
    assert len(runs.read_history(second.folder)["epoch"]) == 2
    assert not np.array_equal(first.model.sample(2), kvae.load(second.saved_model).sample(2))
    assert sorted(p.name for p in places["runs"].iterdir()) == ["mine"]
    assert sorted(p.name for p in places["models"].iterdir()) == ["mine"]


def test_a_run_starts_from_the_weights_of_another(few_digits, places):
    first = start(few_digits, places, "first", prior="mixture", components=3)
    # Adam's first steps are as long as the rate, whatever the gradient: these change no float.
    still = {"optimizer": "adam", "learning_rate": 1e-30, "epochs": 1, "dropout": 0.1}
    second = start(
        few_digits, places, "second", prior="mixture", components=3, start_from="first", seed=5,
        **still,
    )  # fmt: skip
    for weight, other in zip(first.model.weights, second.model.weights, strict=True):
        np.testing.assert_array_equal(weight, other)
    assert json.loads((second.folder / "config.json").read_text())["training"]["start_from"] == (
        "first"
    )
    with pytest.raises(KvaeError, match=r"its hidden is \(16,\), that of the new run \(8,\); give"):
        start(few_digits, places, "third", hidden=(8,), start_from="first")
    with pytest.raises(KvaeError, match="its prior is mixture, that of the new run standard"):
        start(few_digits, places, "third", start_from="first")
    with pytest.raises(KvaeError, match="no saved model 'fisrt' .*did you mean 'first'"):
        start(few_digits, places, "third", start_from="fisrt")
    assert not (places["runs"] / "third").exists()


@pytest.mark.parametrize("patience", [None, 20])
def test_an_interrupted_run_goes_on(few_digits, places, monkeypatch, patience):
    options = {"optimizer": "adam", "learning_rate": 0.03, "epochs": 60, "patience": patience}
    whole = start(few_digits, places, "whole", **options)
    monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", 0.0)

    def interrupt(epoch):
        if epoch.epoch == 30:
            # The epochs from here on are in the history, but in no checkpoint.
            monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", 1e9)
        if epoch.epoch == 33:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(few_digits, places, "cut", on_epoch=interrupt, **options)
    assert len(runs.read_history(places["runs"] / "cut")["epoch"]) == 33
    seen = []
    run = runs.resume(few_digits, "cut", on_epoch=lambda epoch: seen.append(epoch.epoch), **places)
    assert seen[0] == 31
    for left, right in zip(run.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    histories = [runs.read_history(each.folder) for each in (run, whole)]
    for history in histories:
        history.pop("seconds")
    assert histories[0] == histories[1]
    frames = [np.load(each.folder / "frames.npz") for each in (run, whole)]
    for name in "epochs", "images":
        np.testing.assert_array_equal(frames[0][name], frames[1][name])
    with pytest.raises(KvaeError, match="runs/cut is complete"):
        runs.resume(few_digits, "cut", **places)


def test_a_run_without_a_checkpoint_starts_again(few_digits, places):
    def interrupt(epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(few_digits, places, "cut", on_epoch=interrupt)
    run = runs.resume(few_digits, "cut", **places)
    assert [epoch.epoch for epoch in run.history] == [1, 2, 3, 4]


def test_a_run_that_fails_leaves_what_it_was_to_replace(few_digits, places):
    first = start(few_digits, places, "mine", epochs=1)
    before = {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}
    with pytest.raises(KvaeError, match="not finite"):
        start(few_digits, places, "mine", overwrite=True, optimizer="sgd", learning_rate=1e30)
    after = {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}
    assert after == before
    np.testing.assert_array_equal(kvae.load(first.saved_model).sample(2), first.model.sample(2))


def test_export_of_a_run(few_digits, places):
    run = start(few_digits, places, "mine")
    with pytest.raises(KvaeError, match="models/mine exists already"):
        runs.export_run("mine", **places)
    other = places["models"].with_name("others")
    saved = runs.export_run("mine", places["runs"], other)
    np.testing.assert_array_equal(kvae.load(saved).sample(3), run.model.sample(3))
    assert json.loads((saved / "results.json").read_text()) == run.results


def test_find(few_digits, places, tmp_path):
    with pytest.raises(KvaeError, match="no saved model in .*models yet: kvae train makes one"):
        runs.find(None, places["models"], "saved model")
    one = start(few_digits, places, "one", epochs=1)
    two = start(few_digits, places, "two", epochs=1)
    assert runs.find(None, places["models"], "saved model") == two.saved_model
    assert runs.find("one", places["models"], "saved model") == one.saved_model
    assert runs.find(str(one.saved_model), tmp_path, "saved model") == one.saved_model
    with pytest.raises(KvaeError, match="no saved model 'ones' .*did you mean 'one'"):
        runs.find("ones", places["models"], "saved model")
    assert [path.name for path in runs.listing(places["runs"])] == ["one", "two"]


def test_damaged_history(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,seconds\n1,0.5\n2\n")
    with pytest.raises(KvaeError, match="history.csv is damaged"):
        runs.read_history(tmp_path)
    with pytest.raises(KvaeError, match="cannot read"):
        runs.read_history(tmp_path / "nothing")
