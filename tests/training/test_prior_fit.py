"""A prior fitted to a known aggregated posterior finds it."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import kvae
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.data import Dataset, Split
from kvae.errors import UsageError
from kvae.evaluation import Evaluator
from kvae.models.vae.config import ModelConfig, ObjectiveConfig
from kvae.training import fit_prior

STDDEV, SPREAD = 0.3, 0.4
CENTRES = np.array([[-2.0, -1.0], [0.5, 2.0], [2.0, -1.5]], np.float32)
SHARES = np.array([0.5, 0.3, 0.2], np.float32)


@pytest.fixture(scope="module")
def known() -> tuple[kvae.VAE, Dataset, tfd.Distribution]:
    """A model whose aggregated posterior is a mixture of three Gaussians, and that mixture.

    Images of two pixels, each a latent on a scale of its own, come from three clusters; the
    posterior's mean is the latent, its standard deviation the same everywhere.
    """
    rng = np.random.default_rng(0)
    kinds = rng.choice(3, 4000, p=SHARES)
    latents = CENTRES[kinds] + SPREAD * rng.standard_normal((4000, 2))
    # One grey level is a 64th: far less than the spread.
    images = np.clip(np.round(128 + 32 * latents), 0, 255).astype(np.uint8).reshape(-1, 1, 2, 1)
    dataset = Dataset("made", Split(images[:3000]), *[Split(images[3000:])] * 2, "clusters")
    model = kvae.build(
        Config(
            "reference",
            "vae",
            DataConfig("made"),
            ModelConfig((1, 2, 1), 2, (), "normal-shared"),
            ObjectiveConfig(),
            TrainingConfig(epochs=1, batch_size=100),
        )
    )
    heads = model.encoder.posterior
    heads.mean.kernel.assign(np.eye(2) * 255 / 32)
    heads.mean.bias.assign([-4.0, -4.0])
    heads.log_variance.kernel.assign(np.zeros((2, 2)))
    heads.log_variance.bias.assign(np.full(2, 2 * np.log(STDDEV)))
    scale = np.float32(np.hypot(STDDEV, SPREAD))
    exact = tfd.MixtureSameFamily(
        tfd.Categorical(probs=SHARES), tfd.MultivariateNormalDiag(CENTRES, [scale, scale])
    )
    return model, dataset, exact


def test_a_mixture_finds_the_known_mixture(known):
    model, dataset, exact = known
    fit = fit_prior(model, dataset, "mixture")
    prior = fit.model.prior.distribution()
    # The likelihood of held-out latents chooses few components over many, and not too few.
    assert 2 in fit.held_out
    assert fit.model.config.model.components == 5
    points = exact.sample(20_000, seed=[0, 1])
    loss = (exact.log_prob(points) - prior.log_prob(points)).numpy()
    # KL(exact || fitted), of which the images, few as they are, leave some.
    assert 0 < loss.mean() < 0.01
    three = fit_prior(model, dataset, "mixture", components=3).model.prior.distribution()
    order = np.argsort(three.mixture_distribution.probs_parameter())[::-1]
    found = three.components_distribution
    np.testing.assert_allclose(found.mean().numpy()[order], CENTRES, atol=0.05)
    np.testing.assert_allclose(found.stddev().numpy()[order], np.hypot(STDDEV, SPREAD), atol=0.03)
    np.testing.assert_allclose(
        three.mixture_distribution.probs_parameter().numpy()[order], SHARES, atol=0.03
    )


@pytest.mark.slow
def test_a_flow_comes_near_the_known_mixture(known, monkeypatch):
    model, dataset, exact = known
    monkeypatch.setattr("kvae.training.prior_fit.FLOW_STEPS", 4000)
    fit = fit_prior(model, dataset, "flow")
    points = exact.sample(20_000, seed=[0, 1])
    standard = model.prior.distribution()
    losses = [
        float(tf.reduce_mean(exact.log_prob(points) - prior.log_prob(points)))
        for prior in (standard, fit.model.prior.distribution())
    ]
    assert losses[0] > 1
    assert 0 < losses[1] < 0.3


def test_only_the_prior_changes_and_the_bound_with_it(known):
    model, dataset, exact = known
    before = model.get_weights()
    fit = fit_prior(model, dataset, "mixture", components=3)
    for left, right in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    for part in "encoder", "decoder":
        for left, right in zip(
            getattr(model, part).get_weights(), getattr(fit.model, part).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(left, right)
    assert fit.model.config.model == dataclasses.replace(
        model.config.model, prior="mixture", components=3, prior_fitted=True
    )
    old, new = (Evaluator(each, seed=0)(dataset.test.images) for each in (model, fit.model))
    np.testing.assert_array_equal(old.terms["reconstruction"], new.terms["reconstruction"])
    # KL(q(z|x) || p(z)) averaged is the mutual information and KL(q(z) || p(z)): what is gained is
    # the whole of the latter.
    points = exact.sample(100_000, seed=[2, 3])
    gap = (exact.log_prob(points) - model.prior.distribution().log_prob(points)).numpy()
    assert old.terms["kl"].mean() - new.terms["kl"].mean() == pytest.approx(gap.mean(), abs=0.1)


def test_what_cannot_be_fitted(known):
    model, dataset, _ = known
    with pytest.raises(UsageError, match="needs `prior=mixture`"):
        fit_prior(model, dataset, "flow", components=3)
    with pytest.raises(UsageError, match="unknown name 'vamp'"):
        fit_prior(model, dataset, "vamp")
