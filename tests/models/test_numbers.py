"""Images of real numbers, such as the rows of a table, instead of pixels."""

import copy
import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import kvae
from kvae.data import Dataset, Split
from kvae.errors import UsageError
from kvae.evaluation import Evaluator, evaluate, importance_weighted_bound
from kvae.training import State
from kvae.training.epochs import CompiledEpoch

OPTIONS = {"latent": 2, "hidden": (8,), "epochs": 3, "batch_size": 16}
ROWS = np.random.default_rng(0).normal(0.5, 1.5, (60, 4, 1, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def table() -> Dataset:
    """Numbers that no pixel could have."""
    everything = Split(ROWS, numbers=True)
    return Dataset("made", everything.take(slice(40)), *[everything.take(slice(40, 60))] * 2, "")


@pytest.fixture(scope="module")
def model(table):
    return kvae.build(kvae.configure(table, **OPTIONS))


def test_numbers_are_asked_for(table):
    # Floats in [0, 1] may be pictures, which are not to be taken for numbers by mistake.
    with pytest.raises(UsageError, match="must be uint8 .*float32 .*kvae.data.as_pixels"):
        Split(ROWS)
    for wrong in ROWS.astype(np.float64), ROWS.astype(np.uint8), ROWS[..., 0]:
        with pytest.raises(UsageError, match="numbers must be float32"):
            Split(wrong, numbers=True)
    with pytest.raises(UsageError, match="not finite"):
        Split(np.where(ROWS > 2, np.float32(np.nan), ROWS), numbers=True)
    with pytest.raises(UsageError, match="some splits of made have pixels, and others"):
        Dataset("made", table.train, table.test, Split(np.zeros((5, 4, 1, 1), np.uint8)), "")
    assert table.train.spread(3).numbers
    assert table.kind == "numbers"
    with pytest.raises(UsageError, match="made has real numbers and no pixels"):
        kvae.data.look(table)


@pytest.mark.parametrize("recipe", [None, "reference", "paper", "best"])
def test_every_recipe_has_a_gaussian_with_a_free_mean(table, recipe):
    config = kvae.configure(table, recipe)
    assert config.data.numbers
    assert config.model.mean_activation == "linear"
    assert config.model.likelihood.startswith("normal")
    assert type(config).from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"likelihood": "bernoulli"}, "linear"),
        ({"likelihood": "discretized-logistic"}, "real numbers need a likelihood of normal"),
        ({"mean_activation": "sigmoid"}, "with mean_activation 'linear'"),
        ({"binarize": "threshold"}, "the data are real numbers"),
        ({"prior": "vamp"}, "pseudo-inputs of prior 'vamp' are images"),
        ({"shift": 1}, "cannot be shifted by 1 pixel"),
    ],
)
def test_what_is_for_pixels_is_refused(table, options, message):
    with pytest.raises(UsageError, match=message):
        kvae.configure(table, **options)


def test_a_model_takes_any_finite_numbers(model):
    np.testing.assert_array_equal(model.inputs(ROWS), ROWS)
    for wrong, message in [
        (ROWS.astype(int), "takes floats, but these are int64"),
        (np.where(ROWS > 2, np.inf, ROWS), "takes finite numbers"),
        (ROWS[:, :3], r"takes images \[batch, 4, 1, 1\]"),
    ]:
        for method in model.inputs, model.embed:
            with pytest.raises(UsageError, match=message):
                method(wrong)


def test_numbers_are_not_clipped(table):
    config = kvae.configure(table, **OPTIONS | {"hidden": (), "likelihood": "normal-shared"})
    model = kvae.build(config)
    model.decoder.likelihood.mean.bias.assign([-7.0, 0.5, 3.0, 80.0])
    means = model.mean_images(np.zeros((1, 2), np.float32))
    np.testing.assert_array_equal(means[0, :, 0, 0], [-7, 0.5, 3, 80])


def test_training_is_the_same_from_a_mapped_file(table, tmp_path):
    config = kvae.configure(table, **OPTIONS, jit=False)
    np.save(tmp_path / "rows.npy", table.train.images)
    outcomes = []
    for images, limits in (
        (table.train.images, {}),
        # Chunks of two steps, of four numbers of four bytes for each row.
        (np.load(tmp_path / "rows.npy", mmap_mode="r"), {"resident_bytes": 0, "chunk_bytes": 512}),
    ):
        model = kvae.build(config)
        run = CompiledEpoch(State(model, table).plan, images, config.training, "none", **limits)
        assert run._feed.chunk_steps == (2 if limits else 3)
        outcomes.append(([run(number) for number in (1, 2)], model.get_weights()))
    assert outcomes[0][0] == outcomes[1][0]
    for left, right in zip(outcomes[0][1], outcomes[1][1], strict=True):
        np.testing.assert_array_equal(left, right)


def test_pixels_and_numbers_are_not_mixed_up(model, table):
    pixels = Split(np.arange(80, dtype=np.uint8).reshape(20, 4, 1, 1))
    dataset = Dataset("made", pixels, pixels, pixels, "")
    with pytest.raises(UsageError, match="is for real numbers, but made has pixels"):
        kvae.train(model, dataset)
    with pytest.raises(UsageError, match="is for pixels, but made has real numbers"):
        kvae.train(kvae.build(kvae.configure(dataset, **OPTIONS)), table)
    with pytest.raises(UsageError, match="not read as the model's data were"):
        evaluate(model, dataset)


def test_the_bound_reaches_the_exact_likelihood_of_a_linear_gaussian():
    rng = np.random.default_rng(0)
    loadings, noise, mean = 0.8 * rng.normal(size=(5, 2)), 0.5, rng.uniform(-1, 1, 5)
    rows = mean + rng.normal(size=(3000, 2)) @ loadings.T + noise * rng.normal(size=(3000, 5))
    split = Split(rows.astype(np.float32)[:, :, None, None], numbers=True)
    dataset = Dataset("made", split.take(slice(2000)), *[split.take(slice(2000, 3000))] * 2, "")
    config = kvae.configure(
        dataset, latent=2, hidden=(), likelihood="normal-shared", posterior="full", epochs=30,
        learning_rate=0.01, weight_decay=0.0, batch_size=50, jit=False, patience=30,
    )  # fmt: skip
    model = kvae.build(config)
    history = kvae.train(model, dataset)
    covariance = loadings @ loadings.T + noise**2 * np.eye(5)
    held_out = dataset.test.images
    exact = multivariate_normal(mean, covariance).logpdf(held_out.reshape(1000, -1)).mean()
    bound = importance_weighted_bound(model, held_out, 100)
    assert bound.mean() == pytest.approx(exact, abs=0.05)
    assert history[-1]["validation_elbo"] == pytest.approx(exact, abs=0.1)
    assert math.isclose(Evaluator(model, 0)(held_out).means["elbo"], exact, abs_tol=0.1)
    copied = copy.deepcopy(model)
    np.testing.assert_array_equal(copied.embed(held_out), model.embed(held_out))
