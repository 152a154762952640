"""TensorBoard's events: scalars of each epoch once, images, and the Projector."""

import time

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kvae import runs

from .making import cut


def test_tensorboard_events(whole):
    for part in "train", "validation":
        events = EventAccumulator(str(whole.folder / part)).Reload()
        for term in "elbo", "reconstruction", "kl":
            values = [tf.make_ndarray(e.tensor_proto).item() for e in events.Tensors(term)]
            expected = [row[f"{part}_{term}"] for row in whole.history]
            np.testing.assert_allclose(values, expected, rtol=1e-6)
            assert [event.step for event in events.Tensors(term)] == [1, 2, 3, 4]
    assert "active_units" in events.Tags()["tensors"]
    events = EventAccumulator(str(whole.folder)).Reload()
    tags = set(events.Tags()["tensors"])
    assert tags >= {"kl_per_dimension", "reconstructions", "samples", "configuration"}
    assert tags >= {"figures/curves", "figures/samples", "figures/kl", "figures/traversals"}
    assert any(tag.startswith("_hparams_/session_start_info") for tag in tags)
    width, height, png = events.Tensors("samples")[-1].tensor_proto.string_val[:3]
    assert (int(width), int(height)) == (466, 466)
    assert png.startswith(b"\x89PNG")


def test_projector(whole, few_digits):
    latents = np.loadtxt(whole.folder / "projector" / "latents.tsv", delimiter="\t")
    expected = whole.model.encode(few_digits.test.images / np.float32(255)).mean()
    np.testing.assert_allclose(latents[:, :2], expected, rtol=1e-4, atol=1e-5)
    # The Projector draws nothing of fewer than three dimensions.
    assert latents.shape == (40, 3)
    assert not latents[:, 2].any()
    labels = (whole.folder / "projector" / "labels.tsv").read_text().split()
    assert labels == [str(label) for label in few_digits.test.labels]
    sprite = np.asarray(Image.open(whole.folder / "projector" / "thumbnails.png"))
    np.testing.assert_array_equal(sprite[:8, 8:16], few_digits.test.images[1].squeeze())
    config = (whole.folder / "projector_config.pbtxt").read_text()
    for path in "latents.tsv", "labels.tsv", "thumbnails.png":
        assert f"projector/{path}" in config


def test_tensorboard_has_each_step_once(few_digits, places, monkeypatch, whole):
    folder = cut(few_digits, places, 3, checkpoint_every=2)
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
