"""Runs: a folder that explains itself, names, and what is found again."""

import csv
import dataclasses
import json
import logging
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import kvae
from kvae import runs
from kvae.data.dataset import Split
from kvae.errors import Interrupted, KvaeError, NotFiniteError, UsageError
from kvae.io import files
from kvae.runs import folders
from kvae.runs.checkpoints import Checkpoints
from kvae.runs.history import COLUMNS
from kvae.training import epochs
from kvae.training.loop import State


@pytest.fixture
def places(tmp_path):
    return {"runs": tmp_path / "runs", "models": tmp_path / "models"}


OF_START = ("overwrite", "on_epoch", "checkpoint_every", "asked_to_stop")


def start(few_digits, places, name=None, **options):
    further = {key: options.pop(key) for key in OF_START if key in options}
    # Compiling takes most of the time, and does not matter to what becomes of most runs.
    options = {"hidden": (16,), "epochs": 4, "jit": False, **options}
    config = kvae.configure(few_digits, **options)
    return runs.start(few_digits, config, name, **places, **further)


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
        assert row["objective"] == epoch["objective"] == "elbo"
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
        assert folders.choose_name(name, 5, None, **places, overwrite=False) == f"{stem}-z5"


def test_overwrite_replaces_run_and_model(few_digits, places):
    first = start(few_digits, places, "mine", epochs=1)
    second = start(few_digits, places, "mine", overwrite=True, epochs=2, seed=1)
    assert len(folders.read_history(second.folder)["epoch"]) == 2
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


class Killed(BaseException):
    """What nothing handles, as nothing does SIGKILL."""


def cut(few_digits, places, epoch, name="cut", **options):
    """A run that is killed after an epoch that no checkpoint has."""

    def kill(done):
        if done["epoch"] == epoch:
            raise Killed

    with pytest.raises(Killed):
        start(few_digits, places, name, on_epoch=kill, **options)
    return places["runs"] / name


def same_outcome(one, other):
    for left, right in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    histories = [folders.read_history(each.folder) for each in (one, other)]
    for history in histories:
        history.pop("seconds")
    assert histories[0] == histories[1]
    frames = [np.load(each.folder / "frames.npz") for each in (one, other)]
    for name in "epochs", "images":
        np.testing.assert_array_equal(frames[0][name], frames[1][name])
    return True


@pytest.mark.parametrize(("patience", "jit"), [(None, True), (20, False)])
def test_an_interrupted_run_goes_on(few_digits, places, patience, jit):
    options = {"optimizer": "adam", "learning_rate": 0.03, "epochs": 60}
    options |= {"patience": patience, "jit": jit}
    whole = start(few_digits, places, "whole", **options)
    # The last three epochs are in the history, but in no checkpoint.
    folder = cut(few_digits, places, 33, checkpoint_every=15, **options)
    assert len(folders.read_history(folder)["epoch"]) == 33
    seen = []
    run = runs.resume(
        few_digits, "cut", on_epoch=lambda epoch: seen.append(epoch["epoch"]), **places
    )
    assert seen[0] == 31
    assert same_outcome(run, whole)
    with pytest.raises(KvaeError, match="runs/cut is complete"):
        runs.resume(few_digits, "cut", **places)


def test_a_run_without_a_checkpoint_starts_again(few_digits, places):
    cut(few_digits, places, 2)
    run = runs.resume(few_digits, "cut", **places)
    assert [epoch["epoch"] for epoch in run.history] == [1, 2, 3, 4]


def test_a_run_that_is_interrupted_within_an_epoch_goes_on(few_digits, places, monkeypatch):
    options = {"epochs": 3, "batch_size": 2, "jit": True}
    whole = start(few_digits, places, "whole", **options)
    # Parts of one step.
    monkeypatch.setattr(epochs, "PART_SECONDS", 0.0)
    asked = iter([None] * 100)
    with pytest.raises(Interrupted, match=r"after epoch 1, and 26 of 75 steps: .*--resume cut"):
        start(
            few_digits, places, "cut", asked_to_stop=lambda: next(asked, signal.SIGTERM), **options
        )
    assert same_outcome(runs.resume(few_digits, "cut", **places), whole)


def test_tensorboard_has_each_step_once(few_digits, places, monkeypatch):
    options = {"epochs": 6}
    whole = start(few_digits, places, "whole", **options)
    folder = cut(few_digits, places, 4, checkpoint_every=2, **options)
    for path in folder.rglob("events.*"):
        path.write_bytes(path.read_bytes()[:-3])
    clock = time.time()
    monkeypatch.setattr(time, "time", lambda: clock - 86_400)
    run = runs.resume(few_digits, "cut", **places)
    for part in "train", "validation", ".":
        found = [EventAccumulator(str(each.folder / part)).Reload() for each in (run, whole)]
        tags = [set(events.Tags()["tensors"]) for events in found]
        assert tags[0] == tags[1]
        for tag in tags[0]:
            steps = [[event.step for event in events.Tensors(tag)] for events in found]
            assert steps[0] == steps[1], tag
        if part != ".":
            for left, right in zip(*(events.Tensors("elbo") for events in found), strict=True):
                assert left.tensor_proto == right.tensor_proto


def damage(path):
    path.write_bytes(path.read_bytes()[:-200] + bytes(200))


def test_a_damaged_checkpoint_falls_back_to_the_one_before(few_digits, places, monkeypatch, caplog):
    options = {"epochs": 6, "batch_size": 150}
    whole = start(few_digits, places, "whole", **options)
    folder = cut(few_digits, places, 5, checkpoint_every=2, **options)
    checkpoints = folder / "checkpoints"
    assert {path.name for path in checkpoints.glob("*.index")} == {"ckpt-2.index", "ckpt-4.index"}
    damage(checkpoints / "ckpt-4.data-00000-of-00001")
    (checkpoints / "checkpoint").write_bytes(b"")
    seen = []
    caplog.set_level(logging.WARNING, "kvae")
    run = runs.resume(
        few_digits, "cut", on_epoch=lambda epoch: seen.append(epoch["epoch"]), **places
    )
    assert seen[0] == 3
    assert "ckpt-4 is damaged" in caplog.text
    assert same_outcome(run, whole)


def test_no_checkpoint_that_can_be_read(few_digits, places):
    folder = cut(few_digits, places, 5, checkpoint_every=2, batch_size=150, epochs=6)
    for path in (folder / "checkpoints").glob("*.index"):
        path.write_bytes(b"nothing")
    with pytest.raises(KvaeError, match="cannot go on from .*ckpt-2"):
        runs.resume(few_digits, "cut", **places)
    with pytest.raises(KvaeError, match="cannot load the weights"):
        runs.export_run("cut", **places)


def test_other_images_than_the_run_began_with(few_digits, places):
    cut(few_digits, places, 3, checkpoint_every=2)
    images = few_digits.train.images.copy()
    images[0, 0, 0] ^= 1
    other = dataclasses.replace(few_digits, train=Split(images))
    with pytest.raises(KvaeError, match="images are not those that the run was started"):
        runs.resume(other, "cut", **places)


def test_a_run_that_fails_leaves_what_it_was_to_replace(few_digits, places):
    first = start(few_digits, places, "mine", epochs=1)
    before = {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}
    with pytest.raises(KvaeError, match="not finite.*nothing is kept of mine"):
        start(few_digits, places, "mine", overwrite=True, optimizer="sgd", learning_rate=1e30)
    after = {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}
    assert after == before
    assert [path.name for path in places["runs"].iterdir()] == ["mine"]
    np.testing.assert_array_equal(kvae.load(first.saved_model).sample(2), first.model.sample(2))


def test_a_run_that_is_to_replace_another_can_be_gone_on_with(few_digits, places):
    old = start(few_digits, places, "cut", epochs=1)
    weights = old.model.get_weights()
    cut(few_digits, places, 3, checkpoint_every=2, overwrite=True)
    # What is complete is there until the new one is.
    assert len(folders.read_history(old.folder)["epoch"]) == 1
    for left, right in zip(kvae.load(old.saved_model).get_weights(), weights, strict=True):
        np.testing.assert_array_equal(left, right)
    run = runs.resume(few_digits, "cut", **places)
    assert run.folder == old.folder
    assert len(folders.read_history(old.folder)["epoch"]) == 4
    assert [path.name for path in places["runs"].iterdir()] == ["cut"]
    assert same_outcome(run, start(few_digits, places, "whole"))


@pytest.mark.parametrize("then", ["resume", "overwrite"])
def test_a_run_that_was_killed_as_it_replaced_another(few_digits, places, then, monkeypatch):
    start(few_digits, places, "mine", epochs=1)
    whole = start(few_digits, places, "whole")

    def move_folder(*arguments, **options):
        files.move_folder(*arguments, **options)
        raise Killed

    with monkeypatch.context() as patch:
        # The two have changed places, and the old one is not gone yet.
        patch.setattr(runs, "move_folder", move_folder)
        with pytest.raises(Killed):
            start(few_digits, places, "mine", overwrite=True)
    assert same_outcome(SimpleNamespace(folder=places["runs"] / "mine", model=whole.model), whole)
    if then == "resume":
        run = runs.resume(few_digits, "mine", **places)
        assert same_outcome(run, whole)
    else:
        cut(few_digits, places, 3, name="mine", checkpoint_every=2, overwrite=True, seed=1)
        run = runs.resume(few_digits, "mine", **places)
        assert run.model.config.training.seed == 1
    assert sorted(path.name for path in places["runs"].iterdir()) == ["mine", "whole"]
    assert not (run.folder / ".replaces").exists()
    with pytest.raises(KvaeError, match="runs/mine is complete"):
        runs.resume(few_digits, "mine", **places)


def test_a_run_in_use(few_digits, places):
    def intrude(epoch):
        for attempt in (
            lambda: runs.resume(few_digits, "mine", **places),
            lambda: start(few_digits, places, "mine", overwrite=True),
        ):
            with pytest.raises(KvaeError, match="runs/mine is in use by another process"):
                attempt()
        with pytest.raises(KvaeError, match="--resume mine"):
            start(few_digits, places, "mine")

    start(few_digits, places, "mine", epochs=1, on_epoch=intrude)


def test_weights_that_are_not_finite_are_not_saved(few_digits, places):
    config = kvae.configure(few_digits, hidden=(16,), epochs=4)
    state = State(kvae.build(config), few_digits)
    checkpoints = Checkpoints(places["runs"], state, few_digits)
    checkpoints.save()
    state.model.weights[0].assign(np.full(state.model.weights[0].shape, np.nan))
    with pytest.raises(NotFiniteError, match="after epoch 0: a weight is not finite; try"):
        checkpoints.save()
    assert [path.name for path in places["runs"].glob("*.index")] == ["ckpt-0.index"]


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
        folders.find(None, places["models"], "saved model")
    one = start(few_digits, places, "one", epochs=1)
    two = start(few_digits, places, "two", epochs=1)
    assert folders.find(None, places["models"], "saved model") == two.saved_model
    assert folders.find("one", places["models"], "saved model") == one.saved_model
    assert folders.find(str(one.saved_model), tmp_path, "saved model") == one.saved_model
    with pytest.raises(KvaeError, match="no saved model 'ones' .*did you mean 'one'"):
        folders.find("ones", places["models"], "saved model")
    assert [path.name for path in folders.listing(places["runs"])] == ["one", "two"]


def test_damaged_history(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,seconds\n1,0.5\n2\n")
    with pytest.raises(KvaeError, match="history.csv is damaged"):
        folders.read_history(tmp_path)
    with pytest.raises(KvaeError, match="cannot read"):
        folders.read_history(tmp_path / "nothing")
