"""The random splits of a dataset share its images out anew, each to one split."""

import numpy as np
import pytest

import kvae
from benchmarks import splits


def test_every_image_is_in_one_split_and_which_one_is_random():
    dataset = kvae.data.load("digits")
    before = {name: dataset.split(name).images for name in splits.NAMES}
    found = {seed: splits.split(dataset, seed) for seed in (1, 2)}
    for divided in found.values():
        after = {name: divided.split(name).images for name in splits.NAMES}
        assert {name: len(images) for name, images in after.items()} == {
            name: len(images) for name, images in before.items()
        }
        rows = [np.concatenate(list(each.values())).reshape(1797, -1) for each in (before, after)]
        expected, got = (np.unique(each, axis=0, return_counts=True) for each in rows)
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[1], expected[1])
    assert not np.array_equal(found[1].test.images, found[2].test.images)
    np.testing.assert_array_equal(found[1].test.images, splits.split(dataset, 1).test.images)


def test_the_table_has_the_mean_and_the_spread_of_the_splits():
    def row(split, nats, bits, coverage):
        return {
            "split": split,
            "log_likelihood": {"value": nats, "standard error": 2.0},
            "bits": {"value": bits, "standard error": 0.01},
            "coverage": coverage,
        }

    lines = splits.table([row(1, 1400.0, 4.3, 0.9), row(2, 1410.0, 4.5, 0.8)]).splitlines()
    assert lines[2:] == [
        "| 1 | 1400.0 ± 2.0 | 4.300 ± 0.010 | 0.900 |",
        "| 2 | 1410.0 ± 2.0 | 4.500 ± 0.010 | 0.800 |",
        "| mean | 1405.0 | 4.400 | 0.850 |",
        "| standard deviation | 7.1 | 0.141 | 0.071 |",
    ]


@pytest.mark.slow
def test_a_split_of_the_frey_faces_is_measured(frey_dir, monkeypatch):
    configure = kvae.configure

    def quick(dataset, **options):
        small = {"epochs": 2, "hidden": (16,), "channels": (4, 8), "components": 2}
        return configure(dataset, **options | small)

    monkeypatch.setattr(kvae, "configure", quick)
    monkeypatch.setattr(splits, "IMPORTANCE_SAMPLES", 20)
    (row,) = splits.measure("vae", "discretized-logistic", [1], frey_dir)
    nats, bits = row["log_likelihood"]["value"], row["bits"]["value"]
    # A grey level has a probability, so that bits are nats in other units.
    assert bits == pytest.approx(-nats / (560 * np.log(2)), rel=1e-5)
    assert bits > 0
    assert 0 <= row["coverage"] <= 1
