"""What a model says of images: exact values where there are closed forms, and tables of them."""

import csv

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import kvae
from kvae import inference
from kvae.errors import UsageError


@pytest.fixture(scope="module")
def linear(linear_gaussian):
    return linear_gaussian(300)


def test_latents_are_those_of_the_exact_posterior(linear):
    model, images, exact = linear
    found = kvae.encode(model, images)
    # Images are numbers of eight bits, so the exact posterior's mean is computed from these.
    posterior = model.encode(images / np.float32(255))
    np.testing.assert_allclose(found.means, posterior.mean(), atol=1e-5)
    np.testing.assert_allclose(found.stddevs, posterior.stddev(), rtol=1e-5)
    # The KL is exact, so that the ELBO of one sample of z is right in the mean.
    error = found.terms["elbo"] - exact
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(error))
    # With the exact posterior every importance weight is p(x) itself.
    weighted = kvae.encode(model, images, samples=1).terms["importance_weighted"]
    np.testing.assert_allclose(weighted, exact, atol=0.02)
    parts = found.terms["reconstruction"] - found.terms["kl"]
    np.testing.assert_allclose(found.terms["elbo"], parts, atol=1e-3)


def test_the_importance_weighted_bound_lies_between(linear_gaussian):
    model, images, exact = linear_gaussian(200, stretch=1.5)
    terms = kvae.encode(model, images, samples=64).terms
    assert terms["elbo"].mean() < terms["importance_weighted"].mean() < exact.mean() + 0.05
    np.testing.assert_allclose(terms["importance_weighted"], exact, atol=1)


def test_images_are_encoded_alike_however_many_there_are(linear, monkeypatch):
    model, images, _ = linear
    whole = kvae.encode(model, images)
    monkeypatch.setattr(inference.encoding, "CHUNK", 70)
    parts = kvae.encode(model, images)
    np.testing.assert_allclose(parts.means, whole.means, atol=1e-5)
    np.testing.assert_allclose(kvae.encode(model, images[7:8]).means, whole.means[7:8], atol=1e-5)
    np.testing.assert_allclose(
        kvae.reconstruct(model, images), model.reconstruct(images / np.float32(255)), atol=1e-5
    )


def test_percentiles_are_shares_of_validation_images(linear):
    model, images, exact = linear
    scores = kvae.score(model, images[:100], images[100:], samples=1)
    shares = [100 * np.mean(exact[100:] < each) for each in exact[:100]]
    np.testing.assert_allclose(scores.percentiles, shares, atol=1.01)
    assert (np.diff(scores.bounds[scores.order]) >= 0).all()


def test_inverted_images_are_unusual(linear):
    model, images, _ = linear
    both = np.concatenate([images, 255 - images // 2])
    bounds = kvae.score(model, both, images).bounds
    is_usual = np.arange(len(both)) < len(images)
    elbo = model.terms(model.inputs(both), np.array([0, 1])).elbo.numpy()
    independent = roc_auc_score(is_usual, elbo)
    assert independent > 0.9
    assert roc_auc_score(is_usual, bounds) == pytest.approx(independent, abs=0.01)


def test_ways_begin_and_end_at_the_images(linear):
    model, images, _ = linear
    for method in "linear", "spherical":
        between = kvae.interpolate(model, images[:3], 5, method)
        assert between.shape == (2, 5, *images.shape[1:])
        reconstructed = kvae.reconstruct(model, images[:3])
        np.testing.assert_allclose(between[:, 0], reconstructed[:2], atol=1e-5)
        np.testing.assert_allclose(between[:, -1], reconstructed[1:], atol=1e-5)


def test_an_arc_keeps_the_length_and_turns_evenly():
    first, last = np.array([[3.0, 0, 0]]), np.array([[0, 3.0, 0]])
    (points,) = inference.path(first, last, 4, "spherical")
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 3, rtol=1e-6)
    np.testing.assert_allclose(np.degrees(np.arctan2(points[:, 1], points[:, 0])), [0, 30, 60, 90])
    (straight,) = inference.path(first, last, 4)
    np.testing.assert_allclose(straight[1], [2, 1, 0], rtol=1e-6)
    # There is no arc between latents of one direction, or from the origin.
    for other in 2 * first, -first, 0 * first:
        np.testing.assert_allclose(
            inference.path(first, other, 3, "spherical"), inference.path(first, other, 3)
        )


def test_nearest_training_images_are_those_of_the_nearest_latents(linear):
    model, images, _ = linear
    found = kvae.nearest(model, images[:5], images, count=3)
    assert found.indices[:, 0].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(found.distances[:, 0], 0, atol=1e-3)
    latents = kvae.encode(model, images).means
    distances = np.linalg.norm(latents[:5, None] - latents, axis=2)
    np.testing.assert_array_equal(found.indices, np.argsort(distances, axis=1)[:, :3])


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
def test_tables_are_read_back_exactly(linear, tmp_path, suffix):
    model, images, _ = linear
    found = kvae.encode(model, images[:9])
    names, labels = np.array([f'{n}, "é".png' for n in range(9)]), np.arange(9) % 2
    path = tmp_path / f"table{suffix}"
    columns = found.columns(names, labels)
    assert list(columns) == [
        "image", "label", "elbo", "reconstruction", "kl",
        "mean_1", "mean_2", "mean_3", "stddev_1", "stddev_2", "stddev_3",
    ]  # fmt: skip
    if suffix == ".npz":
        arrays = found.arrays(names, labels)
        inference.write_table(arrays, path)
        with np.load(path) as read:
            assert set(read) == {*arrays}
            for name, values in arrays.items():
                np.testing.assert_array_equal(read[name], values)
        return
    inference.write_table(columns, path)
    if suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        read = {name: [row[name] for row in rows] for name in rows[0]}
    else:
        parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
        read = parquet.read_table(path).to_pydict()
    assert list(read) == list(columns)
    for name, values in columns.items():
        np.testing.assert_array_equal(np.array(read[name]).astype(values.dtype), values)


def test_what_cannot_be_asked(linear):
    model, images, _ = linear
    with pytest.raises(UsageError, match="the model takes images"):
        kvae.encode(model, images[:, :2])
    with pytest.raises(UsageError, match="there are no images"):
        kvae.encode(model, images[:0])
    with pytest.raises(UsageError, match="two images or more, but got 1"):
        kvae.interpolate(model, images[:1])
    with pytest.raises(UsageError, match="steps must be 2 or more"):
        kvae.interpolate(model, images[:2], 1)
    with pytest.raises(UsageError, match="method must be linear or spherical, got round"):
        kvae.interpolate(model, images[:2], 5, "round")
    with pytest.raises(UsageError, match="no bound on log p"):
        kvae.score(object(), images, images)
