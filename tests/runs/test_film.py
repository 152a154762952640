"""Frames of the animation: samples of the model after some of the epochs."""

import numpy as np
import pytest

from kvae.errors import KvaeError
from kvae.runs.film import COUNT, FRAMES, Film, read_frames


def film(model, epochs, until):
    found = Film(model, epochs)
    for epoch in range(1, until + 1):
        found.shoot(epoch)
    return found


def test_a_run_keeps_frames_of_its_model(whole):
    frames = read_frames(whole.folder / "frames.npz")
    assert frames["epochs"].tolist() == [1, 2, 3, 4]
    assert frames["images"].shape == (4, COUNT, 8, 8, 1)
    last = np.round(255 * whole.model.sample(COUNT).numpy())
    np.testing.assert_array_equal(frames["images"][-1], last)
    assert not np.array_equal(frames["images"][0], last)


def test_the_first_frames_are_closest_to_each_other(whole):
    epochs = film(whole.model, 1000, 1000).frames()["epochs"]
    assert (epochs[0], epochs[-1]) == (1, 1000)
    assert len(epochs) <= FRAMES
    steps = np.diff(epochs)
    assert (np.diff(steps) >= -1).all()
    assert steps[0] < steps[-1]


def test_frames_of_epochs_that_are_trained_again_are_dropped(whole, tmp_path):
    before = film(whole.model, 4, 3)
    before.save(tmp_path / "frames.npz")
    resumed = Film(whole.model, 4)
    resumed.resume(tmp_path / "frames.npz", 2)
    np.testing.assert_array_equal(resumed.frames()["epochs"], [1, 2])
    np.testing.assert_array_equal(resumed.frames()["images"], before.frames()["images"][:2])
    resumed.shoot(3)
    assert resumed.frames()["epochs"].tolist() == [1, 2, 3]
    none = Film(whole.model, 4)
    none.resume(tmp_path / "missing.npz", 0)
    assert none.frames() == {}
    with pytest.raises(KvaeError, match="missing.npz is damaged"):
        none.resume(tmp_path / "missing.npz", 2)


@pytest.mark.parametrize("epochs", [1, 4])
def test_a_model_without_samples_has_no_frames(tmp_path, epochs):
    found = film(object(), epochs, epochs)
    found.save(tmp_path / "frames.npz")
    assert found.frames() == {}
    assert not list(tmp_path.iterdir())
