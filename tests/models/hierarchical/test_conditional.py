"""Conditional hierarchical models: bounds of log p(x|y), and each part sees the label."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import multivariate_normal

import kvae
from kvae.errors import UsageError
from kvae.evaluation import importance_weighted_bound
from kvae.gallery import Subject, draw
from kvae.models.base import Bounds, Conditional, Decodes, Embeds, Infers, Layered
from kvae.runs import saved_models

CONV = {"network": "conv", "channels": (4, 6)}


@pytest.fixture(scope="module")
def trained(few_digits, tiny):
    model = kvae.build(tiny(condition="labels", epochs=1))
    kvae.train(model, few_digits)
    return model


@pytest.mark.parametrize(
    "inference", ["top-down", pytest.param("bottom-up", marks=pytest.mark.slow)]
)
def test_the_bound_converges_to_log_p_given_the_label(linear, inference):
    plain, images, _ = linear(count=60, stretch=1.3, inference=inference)
    config = plain.config
    conditional = dataclasses.replace(
        config.model, condition="labels", classes=("a", "b"), class_counts=(1, 1)
    )
    model = kvae.build(dataclasses.replace(config, model=conditional))
    rng = np.random.default_rng(1)
    for ours, theirs in zip(model.decoder.weights, plain.decoder.weights, strict=True):
        value = theirs.numpy()
        if ours.shape != theirs.shape:
            # Rows for the label follow those for the latents above.
            value = np.concatenate([value, 0.05 * rng.standard_normal((2, value.shape[1]))])
        ours.assign(value)
    for ours, theirs in zip(model.encoder.heads, plain.encoder.heads, strict=True):
        for new, old in zip(ours.weights, theirs.weights, strict=True):
            old = old.numpy()
            value, pixels = np.zeros(new.shape), 9 if len(old) >= 9 else 0
            # Each pixel is followed by that of the label's image, and the rest by the label.
            value[: 2 * pixels : 2] = old[:pixels]
            value[2 * pixels : len(old) + pixels] = old[pixels:]
            new.assign(value)
    model.prior.top.shift.assign([[0.4], [-0.3]])
    labels, noise = rng.integers(0, 2, len(images)), 0.1
    exact = np.empty(len(images))
    for label in range(2):
        given = model.given(label)
        # The image is linear in u, and u is N(m, diag(s)^2) given the label.
        means = given.decode(tf.concat([tf.zeros((1, 3)), tf.eye(3)], axis=0)).mean().numpy()
        rows = means.reshape(4, -1)
        slopes, prior = rows[1:] - rows[0], given.prior.distribution()
        scaled = slopes * prior.stddev().numpy()[:, None]
        density = multivariate_normal(
            rows[0] + prior.mean().numpy() @ slopes,
            scaled.T @ scaled + noise**2 * np.eye(rows.shape[1]),
        )
        exact[labels == label] = density.logpdf(images.reshape(60, -1)[labels == label] / 255)
    found = importance_weighted_bound(model, images, 3000, labels=labels)
    np.testing.assert_allclose(found, exact, atol=0.3)
    assert found.mean() == pytest.approx(exact.mean(), abs=0.03)
    other = importance_weighted_bound(model, images, 3000, labels=1 - labels)
    assert abs(other - exact).mean() > 0.3


def test_it_has_the_capabilities_once_labels_are_given(trained, few_digits):
    assert isinstance(trained, Conditional)
    given = trained.given(few_digits.test.labels)
    for capability in Bounds, Decodes, Embeds, Infers, Layered:
        assert isinstance(given, capability)
    images = trained.inputs(few_digits.test.images)
    latents, log_q = given.encode(images).experimental_sample_and_log_prob(2, seed=[0, 1])
    np.testing.assert_allclose(given.encode(images).log_prob(latents), log_q, atol=1e-3)
    others = trained.given((few_digits.test.labels + 1) % 10)
    assert np.abs(given.embed(images) - others.embed(images)).max() > 1e-3
    with pytest.raises(UsageError, match="conditional"):
        trained.encode(images)


@pytest.mark.slow
def test_it_samples_labels_and_loads(trained, few_digits, tmp_path):
    loaded = saved_models.load(kvae.save(trained, tmp_path / "model"))
    assert loaded.config.model.label == "z3-2-labels"
    samples = loaded.given(3).sample(4, seed=1)
    np.testing.assert_array_equal(samples, trained.given(3).sample(4, seed=1))
    assert np.abs(samples - loaded.given(5).sample(4, seed=1)).max() > 1e-3
    exported = tf.saved_model.load(str(tmp_path / "model"))
    args = {"labels": tf.fill([4], 3), "seed": tf.constant([1, 0])}
    found = exported.signatures["sample"](**args)["images"]
    np.testing.assert_allclose(found, samples, atol=1e-5)
    paths = draw(Subject("made", trained, few_digits), ["levels", "labels", "kl"], tmp_path)
    assert all(path.is_file() for path in paths.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"inference": "bottom-up", "prior": "mixture", "components": 3},
        {"prior": "vamp", "components": 3, "image_from": "lowest"},
        {"doubly_reparameterized": True, "bound": "iwae", "importance_samples": 3},
        {"map_sides": (4, 2), "image_from": "lowest"} | CONV,
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_every_part_becomes_conditional(few_digits, tiny, options):
    model = kvae.build(tiny(condition="labels", epochs=1, **options), few_digits.train.images)
    (row,) = kvae.train(model, few_digits)
    assert np.isfinite(row["validation_elbo"])
    one, other = (model.given(label).sample(3).numpy() for label in (0, 1))
    assert np.abs(one - other).max() > 1e-4
