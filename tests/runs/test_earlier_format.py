"""What kvae 0.1 saved still loads, and an interrupted run of it can be resumed.

`fixtures/earlier` was made by kvae 0.1: a run of four epochs that is complete, of which only the
saved model is kept, and the same run interrupted after two epochs.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import kvae
from kvae import runs
from kvae.evaluation import Evaluator
from kvae.runs.folders import dataset_of, read_results
from kvae.runs.history import read_history

EARLIER = Path(__file__).parents[1] / "fixtures/earlier"
COMPLETE = EARLIER / "saved_models/complete"


def test_an_earlier_saved_model_has_its_bound(digits):
    model = kvae.load(COMPLETE)
    assert model.config.family == "vae"
    assert model.config.objective.name_in(2) == "iwae-2 beta=0.5"
    found = Evaluator(model, model.config.training.seed, 179)(digits.test.images)
    results = read_results(COMPLETE)
    for name in "elbo", "reconstruction", "kl":
        assert found.means[name] == pytest.approx(results[name], abs=1e-3)
    assert found.scalars["active_units"] == results["active_units"]


@pytest.mark.slow
def test_an_earlier_run_resumes(digits, tmp_path):
    shutil.copytree(EARLIER / "runs", tmp_path / "runs")
    before = read_history(tmp_path / "runs/interrupted")
    seen = []
    run = runs.resume(
        digits, "interrupted", tmp_path / "runs", tmp_path / "models",
        on_epoch=lambda row: seen.append(row["epoch"]),
    )  # fmt: skip
    assert seen == [3, 4]
    complete = kvae.load(COMPLETE)
    # Earlier versions did not fit the mixture in the end.
    for part in "encoder", "decoder":
        weights = [getattr(model, part).weights for model in (run.model, complete)]
        for weight, expected in zip(*weights, strict=True):
            np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-6)
    history = read_history(run.folder)
    assert list(history) == list(before)
    assert history["epoch"] == [1, 2, 3, 4]
    assert {name: values[:2] for name, values in history.items()} == before
    assert history["objective"] == ["iwae-2 beta=0.25", *3 * ["iwae-2 beta=0.5"]]
    results = read_results(COMPLETE)
    assert run.results["reconstruction"] == pytest.approx(results["reconstruction"], abs=1e-3)
    # Earlier versions had no verdict.
    assert run.results.keys() == {*results, "verdict"}


def test_random_splits_of_an_earlier_version_are_warned_about(tmp_path, caplog):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, (40, 4, 4), np.uint8))
    config = kvae.configure(kvae.data.load(tmp_path / "a.npy"), hidden=(4,), latent=1)
    saved = kvae.save(kvae.build(config), tmp_path / "saved")

    def said():
        # TensorFlow may log what it finds in what other tests left.
        return [each.getMessage() for each in caplog.records if each.name.startswith("kvae")]

    dataset_of(saved)
    assert said() == []
    written = json.loads((saved / "config.json").read_text())
    assert written["data"].pop("reading") == 2
    (saved / "config.json").write_text(json.dumps(written))
    dataset_of(saved)
    (message,) = said()
    assert message.startswith(
        "saved was trained by another version of kvae, which may have read or"
    )
    # Built-in datasets have splits that never changed.
    caplog.clear()
    dataset_of(COMPLETE)
    assert said() == []
