"""Runs that are trained longer, and runs that start from another model's networks."""

import numpy as np
import pytest

import kvae
from kvae import runs
from kvae.config import read_config
from kvae.errors import UsageError
from kvae.runs.history import read_history

from .making import Killed, start


def same_weights(one, other):
    for left, right in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.slow
def test_a_run_that_is_trained_longer_is_the_longer_run(few_digits, tmp_path):
    places = {"runs": tmp_path / "runs", "models": tmp_path / "models"}
    options = {"optimizer": "adam", "learning_rate": 0.01}
    whole = start(few_digits, places, "whole", **options)
    start(few_digits, places, "longer", **options | {"epochs": 2})

    def kill(row):
        raise Killed

    # Killed on the way, it is resumed as what it has become.
    with pytest.raises(Killed):
        runs.resume(few_digits, "longer", **places, epochs=4, on_epoch=kill)
    assert read_config(places["runs"] / "longer") == read_config(whole.folder)
    longer = runs.resume(few_digits, "longer", **places)
    same_weights(longer.model, whole.model)
    same_weights(kvae.load(longer.saved_model), whole.model)
    histories = [read_history(run.folder) for run in (longer, whole)]
    for history in histories:
        history.pop("seconds")
    assert histories[0] == histories[1]


def test_what_cannot_be_trained_longer(few_digits, tmp_path):
    places = {"runs": tmp_path / "runs", "models": tmp_path / "models"}
    options = {"patience": 1, "learning_rate": 1e-30, "likelihood": "bernoulli"}
    run = start(few_digits, places, "run", epochs=3, **options)
    with pytest.raises(UsageError, match="has 3 epochs: give 3 `epochs` or more"):
        runs.resume(few_digits, "run", **places, epochs=2)
    done = len(read_history(run.folder)["epoch"])
    assert done < 3
    with pytest.raises(
        UsageError, match=f"stopped after {done} of 3 epochs, by its `patience` of 1"
    ):
        runs.resume(few_digits, "run", **places, epochs=9)
    assert (run.folder / "results.json").is_file()
    assert read_config(run.folder).training.epochs == 3


def test_networks_are_those_of_the_model_that_a_run_starts_from(digits):
    other = kvae.configure(
        digits, hidden=(7, 5), latent=3, prior="mixture", components=4, likelihood="bernoulli",
        binarize="threshold",
    )  # fmt: skip
    config = kvae.configure(digits, like=other, epochs=2)
    assert config.model == other.model
    assert config.data.binarize == "threshold"
    assert (config.training.epochs, config.objective) == (2, kvae.configure(digits).objective)
    assert kvae.configure(digits, like=other, latent=9).model.latent == 9
