"""Models that start as probabilistic PCA, on images whose exact likelihood is known."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import multivariate_normal

import kvae
from kvae.data import Dataset, Split
from kvae.errors import UsageError
from kvae.models.base import seed_pair
from kvae.models.build import build
from kvae.models.evaluator import Evaluator
from kvae.models.likelihoods import MIN_VARIANCE
from kvae.models.vae.linear import LinearStart, linear_start

from ...runs.making import assert_same_outcome, cut, start

SHAPE = (8, 9, 1)
LINEAR = {"linear": True, "mean_activation": "linear", "likelihood": "normal-pixelwise"}


@pytest.fixture(scope="module")
def waves() -> Dataset:
    """Images that are sums of three patterns and a little noise."""
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((3, 72)) * 0.08
    noise = rng.uniform(0.01, 0.03, 72) * rng.standard_normal((300, 72))
    flat = 0.5 + rng.standard_normal((300, 3)) @ patterns + noise
    images = np.round(255 * flat).clip(0, 255).astype(np.uint8).reshape(-1, *SHAPE)
    return Dataset("waves", Split(images[:240]), Split(images[240:270]), Split(images[270:]), "")


def exact(linear: LinearStart, images: np.ndarray) -> np.ndarray:
    """log p(x) in the linear model, by the dense covariance matrix."""
    covariance = linear.loadings.T @ linear.loadings + np.diag(linear.variances)
    return multivariate_normal(linear.mean, covariance).logpdf(images.reshape(len(images), -1))


@pytest.mark.parametrize("options", [{}, {"network": "mlp", "hidden": (16,)}, {"latent": 2}])
def test_the_elbo_at_the_start_is_the_log_likelihood_of_probabilistic_pca(waves, options):
    config = kvae.configure(waves, "own", **{"latent": 4, **LINEAR, **options})
    model = build(config, waves.train.images)
    images = waves.test.images.astype(np.float32) / 255
    linear = linear_start(waves.train.images, config.model.latent)
    expected = exact(linear, images)
    # The posterior is exact, so that every sample of z gives log p(x) and not only their mean.
    latents = model.encode(images).sample(seed=seed_pair(0))
    weights = (
        model.decode(latents).log_prob(images)
        + model.prior.distribution().log_prob(latents)
        - model.encode(images).log_prob(latents)
    )
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=0.01)
    rest = images.reshape(len(images), -1) - linear.mean
    means = linear.mean + rest @ linear.projection @ linear.loadings
    reconstructed = model.reconstruct(images).numpy().reshape(len(images), -1)
    np.testing.assert_allclose(reconstructed, means.clip(0, 1), atol=1e-4)


def test_the_start_of_one_variance_is_tipping_and_bishops(waves):
    config = kvae.configure(waves, "own", latent=3, **LINEAR | {"likelihood": "normal-shared"})
    model = build(config, waves.train.images)
    linear = linear_start(waves.train.images, 3)
    flat = waves.train.images.reshape(240, -1) / 255
    values = np.linalg.eigvalsh(np.cov(flat.T))[::-1]
    lengths = np.linalg.eigvalsh(linear.loadings @ linear.loadings.T)[::-1]
    # Their equation 7: each squared length is an eigenvalue without the noise.
    np.testing.assert_allclose(lengths, values[:3] - values[3:].mean(), rtol=1e-3)
    stddev = model.decode(tf.zeros((1, 3))).distribution.scale.numpy()
    assert stddev.reshape(-1)[0] ** 2 == pytest.approx(linear.variances.mean(), rel=1e-4)


def test_few_images_leave_latents_unused():
    rng = np.random.default_rng(0)
    linear = linear_start(rng.integers(0, 256, (13, 8, 9, 1), np.uint8), 10)
    assert (np.abs(linear.loadings).max(1) > 1e-6).sum() == 3
    assert np.sum(np.isclose(linear.stddev, 1)) == 7
    alone = linear_start(np.full((1, 8, 9, 1), 51, np.uint8), 2)
    np.testing.assert_allclose(alone.mean, 0.2)
    assert not alone.loadings.any()
    np.testing.assert_allclose(alone.variances, 1.1 * MIN_VARIANCE)


def test_training_makes_it_better_and_resumes_bit_for_bit(waves, tmp_path):
    places = {"runs": tmp_path / "runs", "models": tmp_path / "models"}
    options = {"recipe": "own", "latent": 3, "batch_size": 32, "epochs": 4, **LINEAR}
    whole = start(waves, places, "whole", **options)
    cut(waves, places, 2, checkpoint_every=1, **options)
    assert_same_outcome(kvae.runs.resume(waves, "cut", **places), whole)
    loaded = kvae.load(whole.saved_model)
    np.testing.assert_array_equal(loaded.sample(3), whole.model.sample(3))
    before = build(whole.model.config, waves.train.images)
    elbo = [
        Evaluator(model, 0, 10)(waves.validation.images).means["elbo"] for model in (before, loaded)
    ]
    assert elbo[0] < elbo[1]


@pytest.mark.parametrize(
    "options",
    [
        {"likelihood": "normal"},
        {"mean_activation": "sigmoid"},
        {"posterior": "full"},
        {"likelihood": "bernoulli", "mean_activation": "sigmoid"},
    ],
)
def test_other_models_cannot_start_so(waves, options):
    with pytest.raises(UsageError, match="`linear` needs a likelihood of normal-pixelwise"):
        kvae.configure(waves, "own", **LINEAR | options)
    with pytest.raises(UsageError, match="does not go with `prior=vamp`"):
        kvae.configure(waves, "own", prior="vamp", components=5, **LINEAR)


def test_the_own_recipe_starts_so_where_pca_explains_the_images(waves):
    config = kvae.configure(waves)
    assert config.model.linear
    assert config.model.mean_activation == "linear"
    # What a person chooses goes before.
    for chosen in (
        {"likelihood": "normal"},
        {"posterior": "full"},
        {"binarize": "threshold"},
        {"prior": "vamp"},
    ):
        other = kvae.configure(waves, **chosen)
        assert not other.model.linear
        # Such a model has weight decay, as others of few images have.
        assert other.training.weight_decay
    assert not config.training.weight_decay
    assert not kvae.configure(waves, mean_activation="sigmoid").model.linear
    assert kvae.configure(waves, linear=False).model.mean_activation == "sigmoid"
    # The number of latents that counts is the one that a person chose.
    assert not kvae.configure(waves, latent=1).model.linear
    assert kvae.configure(waves, latent=1, linear=True).model.mean_activation == "linear"
    noise = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 1), np.uint8)
    split = Split(noise)
    assert not kvae.configure(Dataset("noise", split, split, split, "")).model.linear
