"""Conditional models: their bounds are of log p(x|y), and each part sees the label."""

import copy
import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import multivariate_normal
from sklearn.neighbors import KNeighborsClassifier

import kvae
from kvae import runs
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.data import Dataset, Split
from kvae.errors import KvaeError, UsageError
from kvae.evaluation import (
    Evaluator,
    annealed_importance_sampling,
    compare_models,
    evaluate,
    importance_weighted_bound,
)
from kvae.models.base import Bounds, Conditional, Decodes, Embeds, Infers, Reconstructs, given
from kvae.models.estimates import mean, stddev
from kvae.models.likelihoods import MIN_LOG_VARIANCE
from kvae.models.vae.config import ModelConfig, ObjectiveConfig

SIDE, LATENT, NOISE = 4, 3, 0.08
CLASSES = ("red", "green", "blue")
TINY = {"hidden": (8,), "latent": 2, "epochs": 3, "batch_size": 50, "jit": False}
PRIORS = {
    "standard": {},
    "mixture": {"components": 3},
    "vamp": {"components": 3},
    "flow": {"flow_layers": 2, "flow_units": 6},
}


@pytest.fixture(scope="module")
def linear():
    """Makes a conditional linear Gaussian model, its images, labels and exact log p(x|y).

    The mean of an image is W z + b_y, and z is N(s_y, diag(c_y)^2): the density of an image is
    N(W s_y + b_y, W diag(c_y)^2 W^T + noise^2 I). The loadings W are orthogonal. The encoder is the
    true posterior if c_y is the same for all labels, since it is linear.
    """

    def make(count=60, scales=(0.7, 0.7, 0.7)):
        rng, classes, pixels = np.random.default_rng(0), len(CLASSES), SIDE * SIDE
        config = Config(
            "reference",
            "vae",
            DataConfig("made"),
            ModelConfig(
                (SIDE, SIDE, 1), LATENT, (), "normal-shared", "linear",
                condition="labels", classes=CLASSES, class_counts=(1, 2, 3),
            ),
            ObjectiveConfig(),
            TrainingConfig(epochs=1, batch_size=100, jit=False),
        )  # fmt: skip
        model = kvae.build(config)
        loadings = np.linalg.qr(rng.standard_normal((pixels, LATENT)))[0] * [0.2, 0.15, 0.1]
        offsets = rng.uniform(0.3, 0.7, (classes, pixels))
        shifts = rng.uniform(-1, 1, (classes, LATENT))
        scales = np.array(scales)[:, None] * np.ones(LATENT)
        labels = rng.integers(0, classes, count)
        latents = shifts[labels] + scales[labels] * rng.standard_normal((count, LATENT))
        draws = (
            offsets[labels] + latents @ loadings.T + NOISE * rng.standard_normal((count, pixels))
        )
        images = np.round(np.clip(draws, 0, 1) * 255).astype(np.uint8)

        model.prior.shift.assign(shifts)
        model.prior.log_scale.assign(np.log(scales))
        likelihood, posterior = model.decoder.likelihood, model.encoder.posterior
        likelihood.mean.kernel.assign(np.concatenate([loadings.T, offsets]))
        likelihood.mean.bias.assign(np.zeros(pixels))
        excess = np.log(NOISE**2) - MIN_LOG_VARIANCE
        likelihood.log_variance.assign(MIN_LOG_VARIANCE + np.log(np.expm1(excess)))
        # A label's image is white in one pixel, so that the encoder's kernel has a row for it.
        own = np.zeros((classes, pixels), np.float32)
        own[np.arange(classes), np.arange(classes)] = 1
        model.encoder.label_images.assign(own.reshape(classes, SIDE, SIDE))
        precision = (loadings**2).sum(axis=0) / NOISE**2 + 1 / scales[0] ** 2
        slope = loadings / NOISE**2 / precision
        kernel = np.zeros((pixels, 2, LATENT))
        kernel[:, 0] = slope
        kernel[:classes, 1] = -offsets @ slope + shifts / scales[0] ** 2 / precision
        posterior.mean.kernel.assign(kernel.reshape(-1, LATENT))
        posterior.mean.bias.assign(np.zeros(LATENT))
        posterior.log_variance.kernel.assign(np.zeros((2 * pixels, LATENT)))
        posterior.log_variance.bias.assign(-np.log(precision))
        exact = np.array(
            [
                multivariate_normal(
                    offsets[y] + loadings @ shifts[y],
                    loadings @ np.diag(scales[y] ** 2) @ loadings.T + NOISE**2 * np.eye(pixels),
                ).logpdf(image / 255)
                for y, image in zip(labels, images, strict=True)
            ]
        )
        return model, images.reshape(count, SIDE, SIDE, 1), labels, exact

    return make


@pytest.fixture(scope="module")
def lamps():
    """Images of three lamps, of which the label says which is on, in unequal numbers."""
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 400, p=[0.5, 0.4, 0.1])
    images = rng.integers(0, 30, (400, 3, 3, 1))
    images[np.arange(400), labels, labels] += 200
    everything = Split(images.astype(np.uint8), labels)
    parts = [everything.take(part) for part in np.split(np.arange(400), [300, 350])]
    return Dataset("lamps", *parts, "made", label_names=CLASSES)


# The bound -----------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 7])
def test_with_the_exact_posterior_any_samples_give_the_exact_log_density(linear, samples):
    model, images, labels, exact = linear()
    bound = importance_weighted_bound(model, images, samples, labels=labels)
    np.testing.assert_allclose(bound, exact, atol=2e-3)


def test_the_elbo_is_exact_for_every_chunk_and_lower_with_other_labels(linear):
    model, images, labels, exact = linear()
    for chunk in 7, 100:
        elbo = Evaluator(model, 0, chunk)(images, labels).terms["elbo"]
        # One sample of z, under the exact KL.
        assert elbo.mean() == pytest.approx(exact.mean(), abs=5 * elbo.std() / np.sqrt(len(elbo)))
    wrong = importance_weighted_bound(model, images, 50, labels=(labels + 1) % 3)
    assert np.all(wrong < exact - 1)


@pytest.mark.slow
@pytest.mark.parametrize("from_prior", [False, True])
def test_annealing_meets_the_exact_log_density(linear, from_prior):
    # With other scales of each label, the encoder is not the true posterior.
    model, images, labels, exact = linear(30, scales=(0.5, 1.0, 1.4))
    options = {"chains": 8, "steps": 100, "from_prior": from_prior}
    annealed = annealed_importance_sampling(model, images, labels=labels, **options)
    assert (annealed.bound - exact).mean() == pytest.approx(0, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prior", "posterior"),
    [("standard", "full"), ("mixture", "diagonal"), ("vamp", "diagonal"), ("flow", "iaf")],
)
def test_importance_weights_agree_with_many_draws_of_the_prior(lamps, prior, posterior):
    flow = PRIORS["flow"] if posterior == "iaf" else {}
    options = TINY | {"likelihood": "normal-shared", "epochs": 15} | flow | PRIORS[prior]
    options |= {"optimizer": "adam", "learning_rate": 0.02}
    config = kvae.configure(lamps, condition="labels", prior=prior, posterior=posterior, **options)
    model = kvae.build(config, lamps.train.images)
    kvae.train(model, lamps)
    # So that it is not near what the encoder gives.
    rng = np.random.default_rng(0)
    for weight in model.prior.trainable_variables:
        weight.assign_add(0.2 * rng.standard_normal(weight.shape))
    some = lamps.test.take(slice(6))
    found = importance_weighted_bound(model, some.images, 5000, labels=some.labels)
    view = model.given(some.labels)
    prior_of = view.prior.distribution()
    latents = prior_of.sample(20_000, seed=[0, 0])
    images = tf.tile(model.inputs(some.images), (20_000, 1, 1, 1))
    each = view.decode(tf.reshape(latents, (-1, 2))).log_prob(images)
    drawn = tf.reduce_logsumexp(tf.reshape(each, (20_000, -1)), axis=0) - np.log(20_000)
    np.testing.assert_allclose(found, drawn, atol=0.1)


# The views -----------------------------------------------------------------------------------


def test_a_view_has_every_capability_and_the_model_says_what_it_lacks(linear):
    model, images, labels, _ = linear()
    floats = model.inputs(images)
    view = model.given(labels)
    assert isinstance(model, Conditional)
    assert not isinstance(view, Conditional)
    for capability in Bounds, Decodes, Embeds, Infers, Reconstructs:
        assert isinstance(view, capability)
    for call in (
        lambda: model.encode(floats),
        lambda: model.decode(tf.zeros((2, LATENT))),
        lambda: model.reconstruct(floats),
        lambda: model.embed(floats),
        lambda: model(floats),
        lambda: model.log_weights(floats),
        lambda: model.prior.distribution(),
        lambda: Evaluator(model, 0)(images),
    ):
        with pytest.raises(UsageError, match="this model is conditional: give"):
            call()


def test_labels_that_are_none_are_refused(linear, few_digits):
    model, images, labels, _ = linear()
    for wrong in 3, -1, [0, 3]:
        with pytest.raises(UsageError, match="labels must be from 0 to 2"):
            model.given(wrong)
    for wrong in 1.0, [[0, 1]], ["red"]:
        with pytest.raises(UsageError, match="labels are integers"):
            model.given(wrong)
    floats = model.inputs(images)
    with pytest.raises(UsageError, match="there are 3 labels for 60 images"):
        model.given([0, 1, 2]).encode(floats)
    with pytest.raises(UsageError, match="there are 3 labels for 4 latents"):
        model.given([0, 1, 2]).decode(tf.zeros((4, LATENT)))
    with pytest.raises(UsageError, match="are not those of 60 images"):
        importance_weighted_bound(model, images, 1, labels=labels[:5])
    plain = kvae.build(kvae.configure(few_digits, **TINY))
    with pytest.raises(UsageError, match="not conditional: leave the labels out"):
        given(plain, [0])


def test_one_label_is_that_of_all_images(linear):
    model, images, _, _ = linear(6)
    floats, latents = model.inputs(images), tf.random.stateless_normal((6, LATENT), [0, 0])
    one, each = model.given(2), model.given([2] * 6)
    assert one.prior.distribution().batch_shape == ()
    assert each.prior.distribution().batch_shape == (6,)
    np.testing.assert_array_equal(one.reconstruct(floats), each.reconstruct(floats))
    np.testing.assert_array_equal(one.mean_images(latents), each.mean_images(latents))
    np.testing.assert_array_equal(one.sample(4, seed=1), each.sample(4, seed=1))


@pytest.mark.parametrize("prior", PRIORS)
def test_every_prior_depends_on_the_label(lamps, assert_law, prior):
    options = TINY | PRIORS[prior] | {"prior": prior, "condition": "labels"}
    model = kvae.build(kvae.configure(lamps, **options), lamps.train.images)
    rng = np.random.default_rng(0)
    for weight in model.prior.trainable_variables:
        weight.assign(weight + 0.3 * rng.standard_normal(weight.shape).astype(np.float32))
    several = model.given([0, 1, 2, 1]).prior.distribution()
    points = tf.random.stateless_normal((5, 4, several.event_shape[0]), [0, 0])
    found = several.log_prob(points).numpy()
    for row, label in enumerate([0, 1, 2, 1]):
        one = model.given(label).prior.distribution()
        np.testing.assert_allclose(found[:, row], one.log_prob(points[:, row]), rtol=1e-4)
        np.testing.assert_allclose(mean(several)[row], mean(one), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(stddev(several)[row], stddev(one), rtol=1e-4)
        other = model.given((label + 1) % 3).prior.distribution().log_prob(points[:, row])
        assert np.abs(found[:, row] - other).min() > 1e-3
    assert_law(one.log_prob, one.sample(20_000, seed=[1, 2]))
    samples = several.sample(20_000, seed=[1, 2])
    assert_law(one.log_prob, samples[:, 3])
    np.testing.assert_allclose(
        tf.reduce_mean(samples, axis=0), mean(several), atol=0.3 if prior == "flow" else 0.05
    )
    np.testing.assert_allclose(
        tf.math.reduce_std(samples, axis=0), stddev(several), rtol=0.3 if prior == "flow" else 0.05
    )


def test_latents_of_several_samples_have_the_labels_of_their_images(linear):
    model, _, labels, _ = linear(6)
    view = model.given(labels)
    latents = tf.random.stateless_normal((5, 6, LATENT), [0, 0])
    flat = view.mean_images(tf.reshape(latents, (-1, LATENT)))
    rows = [view.mean_images(sample) for sample in latents]
    np.testing.assert_allclose(flat, tf.concat(rows, axis=0), atol=1e-6)


# Training ------------------------------------------------------------------------------------


def test_a_label_that_decides_everything(lamps):
    options = TINY | {"epochs": 20, "optimizer": "adam", "learning_rate": 0.02}
    config = kvae.configure(lamps, condition="labels", likelihood="normal-shared", **options)
    assert config.model.classes == CLASSES
    assert config.model.class_counts == tuple(np.bincount(lamps.train.labels))
    model = kvae.build(config, lamps.train.images)
    history = kvae.train(model, lamps)
    # The latents have nothing to add.
    assert history[-1]["validation_kl"] < 0.3

    def lit(images):
        return np.diagonal(images[..., 0], axis1=1, axis2=2).argmax(axis=1)

    for label in range(3):
        assert np.all(lit(model.given(label).sample(50).numpy()) == label)
    np.testing.assert_array_equal(lit(model.given([2, 0, 1]).sample(6).numpy()), [2, 0, 1, 2, 0, 1])
    shares = np.bincount(lit(model.sample(2000).numpy()), minlength=3) / 2000
    expected = np.array(config.model.class_counts) / 300
    np.testing.assert_allclose(shares, expected, atol=4 * np.sqrt(0.25 / 2000))
    # An image of the wrong label is a surprise.
    right, wrong = (
        Evaluator(model, 0, 50)(lamps.test.images, labels).means["elbo"]
        for labels in (lamps.test.labels, (lamps.test.labels + 1) % 3)
    )
    assert right > wrong + 5


@pytest.mark.slow
def test_a_flow_with_convolutions_trains_resumes_saves_and_loads(lamps, tmp_path):
    """Interrupted and resumed, saved and loaded, it is the same bit for bit."""
    from ...runs.making import assert_same_outcome, cut, start

    places = {"runs": tmp_path / "runs", "models": tmp_path / "models"}
    options = TINY | {"condition": "labels", "likelihood": "normal", "prior": "flow"}
    options |= {"network": "conv"} | PRIORS["flow"]
    whole = start(lamps, places, "whole", **options)
    cut(lamps, places, 2, checkpoint_every=1, **options)
    resumed = runs.resume(lamps, "cut", **places)
    assert_same_outcome(whole, resumed)
    loaded = kvae.load(whole.saved_model)
    np.testing.assert_array_equal(loaded.sample(3), whole.model.sample(3))
    test = [Evaluator(m, 0, 10)(lamps.test.images, lamps.test.labels).means["elbo"]
            for m in (whole.model, loaded)]  # fmt: skip
    assert test[0] == test[1]
    assert np.isfinite(test[0])
    assert (whole.folder / "figures/labels.png").is_file()


@pytest.mark.slow
def test_other_labels_than_the_run_began_with(lamps, tmp_path):
    from ...runs.making import cut

    places = {"runs": tmp_path / "runs", "models": tmp_path / "models"}
    cut(lamps, places, 2, checkpoint_every=1, condition="labels", **TINY)
    turned = dataclasses.replace(
        lamps, train=Split(lamps.train.images, np.roll(lamps.train.labels, 1))
    )
    with pytest.raises(KvaeError, match="the images or their labels are not those"):
        runs.resume(turned, "cut", **places)


PARTS = {
    **{f"posterior {name}": {"posterior": name} for name in ("full", "iaf")},
    "wake-sleep, vamp": {"estimator": "wake-sleep", "prior": "vamp", "components": 3},
    "iwae, dreg": {"bound": "iwae", "importance_samples": 3, "doubly_reparameterized": True},
    "free bits, mixture": {"free_bits": 0.5, "prior": "mixture", "components": 3},
    "regularised": {"dropout": 0.2, "input_noise": 0.1, "weight_decay": 0.01},
    "dynamic": {"binarize": "dynamic", "likelihood": "bernoulli"},
    "XLA": {"jit": True},
}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_part_trains_with_labels(lamps, part):
    options = TINY | {"optimizer": "adam", "learning_rate": 0.01, "epochs": 15} | PARTS[part]
    config = kvae.configure(lamps, condition="labels", **options)
    model = kvae.build(config, lamps.train.images)
    history = kvae.train(model, lamps)
    elbos = [row["validation_elbo"] for row in history]
    assert elbos[-1] > elbos[0] + 0.3
    assert np.isfinite(model.sample(5).numpy()).all()


@pytest.mark.slow
def test_monte_carlo_em_sees_the_labels(lamps):
    from functools import partial

    from kvae.reproduction.mcem import MonteCarloEM
    from kvae.training.optimizers import new_optimizer

    options = TINY | {"epochs": 30, "optimizer": "adam", "learning_rate": 0.01}
    config = kvae.configure(lamps, condition="labels", likelihood="normal-shared", **options)
    model = kvae.build(config)
    new = partial(new_optimizer, config.training, len(lamps.train))
    history = kvae.train(model, lamps, plan=MonteCarloEM(model, lamps, new))
    assert history[-1]["train_joint"] > history[0]["train_joint"] + 1
    for label in range(3):
        images = model.given(label).sample(20).numpy()[..., 0]
        assert np.all(np.diagonal(images, axis1=1, axis2=2).argmax(axis=1) == label)


@pytest.mark.slow
def test_a_reader_of_mnist_reads_the_label_that_was_asked_for(mnist_dir):
    """A nearest-neighbour classifier of training images reads 97 % of samples rightly."""
    mnist = kvae.data.load("mnist", mnist_dir)
    options = {"latent": 2, "epochs": 3, "optimizer": "adam"}
    model = kvae.build(kvae.configure(mnist, condition="labels", **options))
    kvae.train(model, mnist)
    train = mnist.train.take(slice(20_000))
    reader = KNeighborsClassifier(5).fit(train.images.reshape(len(train), -1) / 255, train.labels)
    samples = [model.given(label).sample(100, label) for label in range(10)]
    asked = np.repeat(np.arange(10), 100)
    assert reader.score(np.reshape(samples, (1000, -1)), asked) >= 0.97


def test_it_is_saved_and_loaded(lamps, tmp_path):
    model = kvae.build(kvae.configure(lamps, condition="labels", **TINY))
    loaded = kvae.load(kvae.save(model, tmp_path / "model"))
    assert loaded.config == model.config
    np.testing.assert_array_equal(loaded.sample(4, seed=1), model.sample(4, seed=1))
    copied = copy.deepcopy(model)
    np.testing.assert_array_equal(copied.given(1).sample(4), model.given(1).sample(4))


# The report ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_report_says_what_is_given(lamps):
    # At least as many images as the comparison needs, and of a size that SSIM takes.
    config = kvae.configure(lamps, condition="labels", likelihood="normal", **TINY)
    model = kvae.build(config)
    kvae.train(model, lamps)
    report = evaluate(model, lamps, importance_samples=20)
    lines = {row.name: row for group in report.groups.values() for row in group}
    assert lines["ELBO"].verdict == "a lower bound on log p(x|y)"
    elbo = Evaluator(model, 0, 50)(lamps.test.images, lamps.test.labels).means["elbo"]
    assert lines["ELBO"].values["value"] == pytest.approx(elbo)
    assert "KL(q(z|y) || p(z|y))" in lines
    assert not {"Labels", "Against linear models"} & set(report.groups)
    names = [q.name for q in compare_models({"a": model, "b": model}, lamps, importance_samples=5)]
    assert "log p(x|y), 5 samples" in names


# What is refused -----------------------------------------------------------------------------


def test_a_dataset_without_labels(grey_dataset, lamps):
    bare = grey_dataset(lamps.train.images)
    with pytest.raises(UsageError, match="`condition=labels` needs a label of each image"):
        kvae.configure(bare, condition="labels")
    config = kvae.configure(lamps, condition="labels", **TINY)
    with pytest.raises(KvaeError, match="conditional, but the images of made have no labels"):
        kvae.train(kvae.build(config), bare)
    other = dataclasses.replace(lamps, label_names=("red", "green", "violet"))
    with pytest.raises(KvaeError, match="unknown label 'violet': known are blue, green, red"):
        kvae.train(kvae.build(config), other)


def test_labels_are_known_by_their_names(lamps):
    config = kvae.configure(lamps, condition="labels", **TINY)
    model = kvae.build(config)
    from kvae.models.base import labels_of

    turned = dataclasses.replace(lamps, label_names=("blue", "red", "green"))
    np.testing.assert_array_equal(
        labels_of(model, turned, turned.test), (lamps.test.labels + 2) % 3
    )
    nameless = dataclasses.replace(lamps, label_names=())
    assert kvae.configure(nameless, condition="labels").model.classes == ("0", "1", "2")


def test_configurations_keep_their_labels(lamps, few_digits):
    config = kvae.configure(lamps, condition="labels", **TINY)
    assert Config.from_json(config.to_json()) == config
    assert config.model.label == "z2-labels"
    assert config.model.summary.endswith("given one of 3 labels")
    for wrong in {"classes": []}, {"class_counts": [1, 2]}, {"class_counts": [0, 0, 0]}:
        values = config.to_json()
        values["model"] |= wrong
        with pytest.raises(KvaeError, match="classes|counts"):
            Config.from_json(values)
    # A run that starts from a conditional model has the labels of its own images.
    counted = dataclasses.replace(lamps, train=lamps.train.take(slice(30)))
    again = kvae.configure(counted, like=config, **TINY)
    assert again.model.classes == CLASSES
    assert sum(again.model.class_counts) == 30
    assert kvae.configure(few_digits, **TINY).model.classes == ()
