"""Checkpoints: the newest that can be read is used, and none has weights that are not finite."""

import logging

import numpy as np
import pytest

import kvae
from kvae import runs
from kvae.errors import KvaeError, NotFiniteError
from kvae.models.weights import variables
from kvae.runs.checkpoints import Checkpoints, load_weights
from kvae.runs.saved_models import export_run
from kvae.training import State

from .making import assert_same_outcome, cut, start


def damage(path):
    path.write_bytes(path.read_bytes()[:-200] + bytes(200))


@pytest.mark.slow
def test_a_damaged_checkpoint_falls_back_to_the_one_before(few_digits, places, whole, caplog):
    folder = cut(few_digits, places, 4, checkpoint_every=1)
    checkpoints = folder / "checkpoints"
    # The last two are kept.
    assert {path.name for path in checkpoints.glob("*.index")} == {"ckpt-6.index", "ckpt-9.index"}
    damage(checkpoints / "ckpt-9.data-00000-of-00001")
    (checkpoints / "checkpoint").write_bytes(b"")
    seen = []
    caplog.set_level(logging.WARNING, "kvae")
    run = runs.resume(few_digits, "cut", on_epoch=lambda row: seen.append(row["epoch"]), **places)
    assert seen[0] == 3
    assert "ckpt-9 is damaged" in caplog.text
    assert_same_outcome(run, whole)


@pytest.mark.slow
def test_no_checkpoint_that_can_be_read(few_digits, places):
    folder = cut(few_digits, places, 5, checkpoint_every=2, batch_size=150, epochs=6)
    for path in (folder / "checkpoints").glob("*.index"):
        path.write_bytes(b"nothing")
    with pytest.raises(KvaeError, match="cannot resume from .*ckpt-2"):
        runs.resume(few_digits, "cut", **places)
    with pytest.raises(KvaeError, match="cannot load the weights"):
        export_run("cut", **places)


def test_the_best_weights_are_kept_with_patience(few_digits, places):
    options = {"optimizer": "adam", "learning_rate": 0.05, "latent": 8, "epochs": 60}
    options["likelihood"] = "normal-shared"
    run = start(few_digits, places, "mine", patience=3, **options)
    elbos = [row["validation_elbo"] for row in run.history]
    best = int(np.argmax(elbos)) + 1
    assert len(elbos) == best + 3
    assert run.results["epoch"] == best
    checkpoints = run.folder / "checkpoints"
    assert (checkpoints / "best.index").is_file()
    model = kvae.build(run.model.config)
    load_weights(checkpoints, model)
    for left, right in zip(variables(model), variables(run.model), strict=True):
        np.testing.assert_array_equal(left, right)


def test_weights_that_are_not_finite_are_not_saved(few_digits, places):
    config = kvae.configure(few_digits, hidden=(16,), epochs=4, jit=False)
    state = State(kvae.build(config), few_digits)
    checkpoints = Checkpoints(places["runs"], state, few_digits)
    checkpoints.save()
    state.model.weights[0].assign(np.full(state.model.weights[0].shape, np.nan))
    with pytest.raises(NotFiniteError, match="after epoch 0: a weight is not finite; try"):
        checkpoints.save()
    assert [path.name for path in places["runs"].glob("*.index")] == ["ckpt-0.index"]
