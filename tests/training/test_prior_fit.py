"""A prior fitted to a known aggregated posterior finds it."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import kvae
from kvae import runs
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.data import Dataset, Split
from kvae.errors import UsageError
from kvae.evaluation import Evaluator
from kvae.models.aggregated import SHRINKAGE, best_mixture, largest_mixture
from kvae.models.base import labels_of
from kvae.models.mixtures import fit_mixture
from kvae.models.vae.config import ModelConfig, ObjectiveConfig
from kvae.runs import saved_models
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
    order = np.argsort(three.weights())[::-1]
    found = three.components_distribution
    np.testing.assert_allclose(found.mean().numpy()[order], CENTRES, atol=0.05)
    np.testing.assert_allclose(found.stddev().numpy()[order], np.hypot(STDDEV, SPREAD), atol=0.03)
    np.testing.assert_allclose(three.weights().numpy()[order], SHARES, atol=0.03)


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


def of_digits(few_digits, prior, **options):
    components = {"components": 5} if prior in ("fitted", "mixture") else {}
    dimensions = {} if "levels" in options else {"latent": 3}
    options |= {"hidden": (16,), "jit": False, "batch_size": 64}
    options |= {"learning_rate": 0.001, "schedule": "constant"}
    return kvae.configure(few_digits, prior=prior, **dimensions, **components, **options)


def test_networks_are_trained_as_with_a_standard_prior(few_digits):
    models = {
        prior: kvae.build(of_digits(few_digits, prior, epochs=3))
        for prior in ("standard", "fitted")
    }
    points = tf.random.stateless_normal((50, 3), [0, 1])
    exact = tfd.MultivariateNormalDiag(tf.zeros(3)).log_prob(points)
    before = models["fitted"].prior.distribution().log_prob(points)
    np.testing.assert_allclose(before, exact, rtol=1e-5)
    histories = [kvae.train(model, few_digits) for model in models.values()]
    assert [{**row, "seconds": 0} for row in histories[0]] == [
        {**row, "seconds": 0} for row in histories[1]
    ]
    for part in "encoder", "decoder":
        weights = [getattr(model, part).get_weights() for model in models.values()]
        for left, right in zip(*weights, strict=True):
            np.testing.assert_array_equal(left, right)
    assert np.abs(models["fitted"].prior.distribution().log_prob(points) - exact).max() > 0.1
    elbo, fitted = (
        Evaluator(model, 0, 50)(few_digits.validation.images).means["elbo"]
        for model in models.values()
    )
    assert fitted > elbo


def test_a_fitted_prior_is_the_known_mixture(known):
    model, _, exact = known
    latents, held_out = (exact.sample(20_000, seed=[0, n]).numpy() for n in (2, 3))
    config = dataclasses.replace(model.config.model, prior="fitted", components=7)
    prior = kvae.build(dataclasses.replace(model.config, model=config)).prior
    prior.fit(latents, held_out, len(latents), 0)
    points = exact.sample(20_000, seed=[0, 1])
    loss = (exact.log_prob(points) - prior.distribution().log_prob(points)).numpy()
    # Seven components can be had, and five and N(0, I) are enough.
    assert 0 < loss.mean() < 0.01
    # No point is less probable than under N(0, I) by more than the logarithm of its weight.
    far = tf.constant([[4.0, 4.0], [-5.0, 3.0]])
    standard = tfd.MultivariateNormalDiag(tf.zeros(2)).log_prob(far)
    assert np.all(prior.distribution().log_prob(far) >= standard + np.log(0.001) - 1e-4)
    # If held-out latents are more probable under N(0, I), it stays.
    far_off = tf.random.stateless_normal((5000, 2), [0, 4]).numpy()
    prior.fit(latents + 30, far_off, len(latents), 0)
    standard = tfd.MultivariateNormalDiag(tf.zeros(2))
    np.testing.assert_allclose(
        prior.distribution().log_prob(points), standard.log_prob(points), rtol=1e-5
    )
    np.testing.assert_allclose(
        tf.math.reduce_std(prior.distribution().sample(50_000, seed=[0, 5]), 0), [1, 1], atol=0.02
    )


def test_a_trained_mixture_gives_way_to_a_fitted_one_that_is_no_worse(known):
    model, _, exact = known
    latents, held_out = (exact.sample(20_000, seed=[0, n]).numpy() for n in (2, 3))
    config = dataclasses.replace(model.config.model, prior="mixture", components=7)
    prior = kvae.build(dataclasses.replace(model.config, model=config)).prior
    points = exact.sample(20_000, seed=[0, 1])
    prior.fit(latents, held_out, len(latents), 0)
    loss = (exact.log_prob(points) - prior.distribution().log_prob(points)).numpy()
    assert 0 < loss.mean() < 0.01
    # No mixture that is fitted to samples is better than the one that they come from.
    factors = np.tile(np.eye(2) / np.hypot(STDDEV, SPREAD), (3, 1, 1))
    prior.assign(*(np.resize(each, (7, *each.shape[1:])) for each in (SHARES, CENTRES, factors)))
    prior.logits.assign(np.log([*SHARES, *[1e-30] * 4]))
    before = prior.get_weights()
    prior.fit(latents, held_out, len(latents), 0)
    for left, right in zip(before, prior.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_largest_mixture_that_is_good_enough(known):
    *_, exact = known
    latents, held_out = (exact.sample(5000, seed=[0, n]).numpy() for n in (2, 3))
    density = {
        size: fit_mixture(latents, size, 2 * SHRINKAGE, seed=0).log_density(held_out)
        for size in (1, 2, 3, 5)
    }
    assert density[1] < density[2] < density[5] < density[3]
    for enough, expected in (-99.0, 5), (density[5], 5), (density[3], 3), (density[3] + 1e-6, None):
        found = largest_mixture(latents, held_out, 5000, list(density), enough, seed=0)
        assert (found and found.components) == expected


@pytest.mark.parametrize(("sizes", "best"), [([2, 1, 1, 3], 3), ([2, 1, 1, 1, 3], 2)])
def test_two_mixtures_in_a_row_may_be_worse_and_three_end_the_search(known, sizes, best):
    *_, exact = known
    latents, held_out = (exact.sample(500, seed=[0, n]).numpy() for n in (2, 3))
    found, densities = best_mixture(latents, held_out, 500, sizes, seed=0)
    assert found.components == best
    assert densities[best] == max(densities.values())
    assert (3 in densities) == (best == 3)


def test_several_latents_of_one_image_count_as_one(known):
    *_, exact = known
    latents, held_out = (exact.sample(200, seed=[0, n]).numpy() for n in (2, 3))
    once = best_mixture(latents, held_out, 200, [3], seed=0)[1]
    often = best_mixture(np.repeat(latents, 10, axis=0), held_out, 200, [3], seed=0)[1]
    assert often[3] == pytest.approx(once[3], abs=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"condition": "labels"},
        {"family": "hierarchical", "levels": (4, 3)},
        {"family": "hierarchical", "levels": (4, 3), "inference": "bottom-up"},
    ],
    ids=str,
)
def test_the_elbo_does_not_fall_when_a_mixture_is_fitted(few_digits, options):
    model = kvae.build(of_digits(few_digits, "mixture", epochs=3, **options))
    rows = []
    kvae.train(model, few_digits, lambda row, _: rows.append((row, model.prior.get_weights())))
    (last, trained), images = rows[-1], few_digits.validation
    changed = any(
        not np.array_equal(left, right)
        for left, right in zip(trained, model.prior.get_weights(), strict=True)
    )
    assert changed == ("condition" not in options)
    found = Evaluator(model, 0, 50)(images.images, labels_of(model, few_digits, images))
    # Both are of the same samples of the latents.
    assert found.means["elbo"] >= last["validation_elbo"] - 1e-3


@pytest.mark.parametrize("prior", ["fitted", "mixture"])
def test_a_run_has_the_fitted_prior_and_can_be_trained_longer(few_digits, tmp_path, prior):
    config = of_digits(few_digits, prior, epochs=2)
    places = tmp_path / "runs", tmp_path / "saved_models"
    run = runs.start(few_digits, config, "a", *places)
    loaded = saved_models.load(run.saved_model)
    found = Evaluator(loaded, 0, 50)(few_digits.test.images).means["elbo"]
    assert run.results["elbo"] == pytest.approx(found, rel=1e-5)
    np.testing.assert_allclose(loaded.sample(5, seed=1), run.model.sample(5, seed=1), atol=1e-6)
    longer = runs.resume(few_digits, "a", *places, overwrite=True, epochs=4)
    whole = runs.start(few_digits, of_digits(few_digits, prior, epochs=4), "b", *places)
    for left, right in zip(longer.model.get_weights(), whole.model.get_weights(), strict=True):
        assert left.tobytes() == right.tobytes()


def test_a_fitted_prior_is_for_models_without_labels(few_digits):
    with pytest.raises(UsageError, match="is the same for all labels"):
        kvae.configure(few_digits, prior="fitted", condition="labels")
    with pytest.raises(UsageError, match="is the same for all labels"):
        kvae.configure(few_digits, prior="fitted", condition="labels", family="hierarchical")
