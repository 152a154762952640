"""A prior that is defined here, in five lines, does everything that kvae's own priors do."""

import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import kvae
from kvae import gallery, registry, runs
from kvae.evaluation import compare_models, evaluate
from kvae.models.priors import Prior
from kvae.runs import saved_models
from kvae.runs.pictures import subject

DRAWN = {
    "curves",
    "samples",
    "reconstructions",
    "manifold",
    "kl",
    "traversals",
    "interpolation",
    "pca",
    "nearest",
    "tsne",
    "animation",
}
"""The pictures of a variational autoencoder with one level of latents."""


class Skewed(Prior):
    def make_weights(self, config, initialization, images):
        self.skewness = self.add_weight(shape=(config.latent,), initializer="zeros")

    def distribution(self):
        normal = tfd.Independent(tfd.Normal(tf.zeros(self.latent), tf.ones(self.latent)), 1)
        return tfd.TransformedDistribution(normal, tfb.SinhArcsinh(skewness=self.skewness))


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The one line that a new prior takes."""
    monkeypatch.setitem(sys.modules, "skewed", sys.modules[__name__])
    monkeypatch.setitem(registry.PRIORS, "skewed", "skewed:Skewed")


@pytest.fixture
def config(few_digits):
    """A small model with that prior."""
    return kvae.configure(
        few_digits, prior="skewed", latent=2, hidden=(8,), epochs=4, patience=4, jit=False
    )


def test_a_new_prior_has_no_moments_in_closed_form(few_digits, config):
    prior = kvae.build(config).prior.distribution()
    with pytest.raises(NotImplementedError):
        prior.mean()


@pytest.mark.slow
def test_a_new_prior_trains_evaluates_draws_exports_and_resumes(few_digits, config, tmp_path: Path):
    places = {"runs": tmp_path / "runs", "models": tmp_path / "saved_models"}
    run = runs.start(few_digits, config, "whole", **places)
    assert run.model.prior.skewness.numpy().any()
    assert all(row["validation_elbo"] < 0 for row in run.history)

    report = evaluate(run.model, few_digits, importance_samples=10)
    assert {"Likelihood", "Latent use", "Samples against data"} <= report.groups.keys()
    other = kvae.build(kvae.configure(few_digits, latent=2, hidden=(8,)))
    assert compare_models({"new": run.model, "standard": other}, few_digits)

    drawn_from = subject(run.saved_model, few_digits, places["runs"])
    pictures = {}
    for name in gallery.PICTURES:
        # The pictures of other families are refused.
        with contextlib.suppress(gallery.NotDrawnError):
            pictures |= gallery.draw(drawn_from, [name], tmp_path / "figures")
    assert pictures.keys() >= DRAWN
    assert all(path.stat().st_size > 1000 for path in pictures.values())

    loaded = saved_models.load(run.saved_model)
    exported = tf.saved_model.load(str(run.saved_model))
    count, seed = tf.constant(3), tf.constant([1, 0])
    samples = exported.signatures["sample"](count=count, seed=seed)["images"]
    np.testing.assert_allclose(samples, loaded.sample(3, seed=1), atol=1e-6)


@pytest.mark.slow
def test_a_run_with_a_new_prior_resumes_bit_for_bit(few_digits, config, tmp_path: Path):
    places = {"runs": tmp_path / "runs", "models": tmp_path / "saved_models"}
    whole = runs.start(few_digits, config, "whole", **places)
    asked = iter([None, None, 15])
    with pytest.raises(KeyboardInterrupt):
        runs.start(few_digits, config, "cut", **places, asked_to_stop=lambda: next(asked))
    resumed = runs.resume(few_digits, "cut", **places)
    assert [w.tobytes() for w in resumed.model.get_weights()] == [
        w.tobytes() for w in whole.model.get_weights()
    ]
