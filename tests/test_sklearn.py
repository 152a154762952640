"""`kvae.sklearn.VAE` is an estimator as scikit-learn expects, and its figures are true."""

import dataclasses
import inspect
import io
import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import FactorAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import kvae
from kvae.config import DataConfig, TrainingConfig, family
from kvae.data import as_pixels
from kvae.sklearn import CHUNK, NOT_OPTIONS, VAE

IRIS = load_iris().data
# Two columns that do not change are among the others; the units are very different.
TABLE = np.insert(IRIS * [1, 1000, 0.01, 1] + [0, 5000, 0, -3], [1, 4], [7.0, 0.1], axis=1)
VARYING = [0, 2, 3, 4]
IMAGES = {
    "latent": 3, "image_shape": (8, 8, 1), "network": "mlp", "hidden": (16,), "epochs": 5,
    "jit": False, "random_state": 0,
}  # fmt: skip
QUICK = {"latent": 2, "epochs": 15, "random_state": 0}


@pytest.fixture(scope="module")
def fitted() -> VAE:
    return VAE(**QUICK).fit(TABLE)


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    """120 digits as uint8, a row each."""
    return np.round(load_digits().data[:120] / 16 * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def fitted_images(digits) -> VAE:
    return VAE(**IMAGES).fit(digits)


def test_every_option_of_a_configuration_is_a_parameter():
    # Runs and files have options that an estimator has no use for.
    other = {"dataset", "image_size", "split_seed", "reading", "numbers", "start_from", "seed"}
    other |= {"column_names", "column_means", "column_stddevs"}
    hidden = {"initial_stddev", "prior_fitted", "shared_step", "weight_prior"}
    # An estimator is given no labels.
    hidden |= {"condition", "classes", "class_counts"}
    of = family("vae")
    fields = {
        field.name
        for cls in (DataConfig, of.model, of.objective, TrainingConfig)
        for field in dataclasses.fields(cls)
    }
    parameters = inspect.signature(VAE).parameters
    assert set(parameters) - set(NOT_OPTIONS) == fields - other - hidden - {"image_shape"}
    assert all(parameters[name].default is None for name in fields & set(parameters))
    documented = VAE.__doc__.split("Args:")[1].split("Attributes:")[0]
    assert all(f"\n        {name}: " in documented for name in parameters)


def test_importing_the_module_does_not_import_tensorflow():
    code = "import sys, kvae; kvae.sklearn.VAE(latent=3); sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_shapes_names_and_attributes(fitted):
    latents = fitted.transform(TABLE)
    assert latents.shape == (150, 2)
    assert fitted.inverse_transform(latents).shape == TABLE.shape
    assert fitted.score_samples(TABLE).shape == (150,)
    assert fitted.score(TABLE) == fitted.score_samples(TABLE).mean()
    assert list(fitted.get_feature_names_out()) == ["vae0", "vae1"]
    assert fitted.n_iter_ == len(fitted.history_) == 15
    np.testing.assert_allclose(fitted.mean_, TABLE.mean(axis=0))
    np.testing.assert_allclose(fitted.scale_[VARYING], TABLE.std(axis=0)[VARYING])
    np.testing.assert_array_equal(fitted.scale_[[1, 5]], 1)
    # A tenth of the rows was held out.
    assert fitted.model_.config.model.image_shape == (4, 1, 1)


def test_transform_is_the_posterior_mean_of_standardised_rows(fitted):
    standard = ((TABLE - TABLE.mean(axis=0)) / fitted.scale_)[:, VARYING].astype(np.float32)
    expected = fitted.model_.embed(standard[:, :, None, None])
    np.testing.assert_allclose(fitted.transform(TABLE), expected, atol=1e-5)
    means = fitted.model_.mean_images(expected).numpy()[..., 0, 0]
    rows = fitted.inverse_transform(expected.numpy().astype(np.float64))
    decoded = means * fitted.scale_[VARYING] + fitted.mean_[VARYING]
    np.testing.assert_allclose(rows[:, VARYING], decoded, rtol=1e-5)
    np.testing.assert_array_equal(rows[:, [1, 5]], TABLE[:, [1, 5]])


def test_rows_do_not_depend_on_each_other(fitted):
    rows = np.concatenate([TABLE, TABLE])[: 2 * CHUNK + 30]
    order = np.random.default_rng(0).permutation(len(rows))
    for method in fitted.transform, fitted.score_samples:
        whole = method(rows)
        np.testing.assert_array_equal(whole[:80], whole[150:230])
        np.testing.assert_array_equal(method(rows[order]), whole[order])
        np.testing.assert_array_equal(method(rows[7:8]), whole[7:8])


def test_other_units_change_the_score_by_the_log_of_their_ratio(fitted):
    # Powers of two change no digit of the standardised columns.
    scaled = VAE(**QUICK).fit(TABLE * 16)
    difference = fitted.score_samples(TABLE) - scaled.score_samples(TABLE * 16)
    np.testing.assert_allclose(difference, len(VARYING) * np.log(16), rtol=1e-6)
    np.testing.assert_array_equal(scaled.transform(TABLE * 16), fitted.transform(TABLE))


def test_constant_columns_are_not_modelled(fitted):
    alone = VAE(**QUICK).fit(TABLE[:, VARYING])
    np.testing.assert_array_equal(fitted.transform(TABLE), alone.transform(TABLE[:, VARYING]))
    scores = alone.score_samples(TABLE[:, VARYING])
    np.testing.assert_array_equal(fitted.score_samples(TABLE), scores)
    np.testing.assert_array_equal(fitted.score_samples(TABLE + np.eye(6)[1]), scores)


@pytest.mark.slow
def test_a_generator_gives_other_numbers_in_each_fit(fitted):
    generator = np.random.RandomState(0)
    vae = VAE(**QUICK | {"random_state": generator})
    first, second = vae.fit(TABLE).transform(TABLE), vae.fit(TABLE).transform(TABLE)
    np.testing.assert_array_equal(first, fitted.transform(TABLE))
    assert not np.array_equal(first, second)
    assert not np.array_equal(fitted.sample(5, 1), fitted.sample(5, 2))
    assert not np.array_equal(fitted.sample(5, generator), fitted.sample(5, generator))


@pytest.mark.parametrize("how", ["pickle", "joblib", "clone"])
def test_copies_are_equal_byte_for_byte(fitted, how):
    if how == "pickle":
        copy = pickle.loads(pickle.dumps(fitted))
    elif how == "joblib":
        file = io.BytesIO()
        joblib.dump(fitted, file)
        copy = joblib.load(file)
    else:
        copy = clone(fitted)
        with pytest.raises(NotFittedError):
            copy.transform(TABLE)
        copy.fit(TABLE)
        assert copy.history_[-1]["validation_elbo"] == fitted.history_[-1]["validation_elbo"]
    assert copy.get_params() == fitted.get_params()
    np.testing.assert_array_equal(copy.transform(TABLE), fitted.transform(TABLE))
    np.testing.assert_array_equal(copy.score_samples(TABLE), fitted.score_samples(TABLE))
    np.testing.assert_array_equal(copy.sample(3, 0), fitted.sample(3, 0))


@pytest.mark.slow
def test_pipelines_and_grids(fitted):
    labels = load_iris().target
    pipeline = make_pipeline(VAE(**QUICK), LogisticRegression()).fit(TABLE, labels)
    assert pipeline.score(TABLE, labels) > 0.8
    one = [(np.arange(0, 150, 2), np.arange(1, 150, 2))]
    grid = GridSearchCV(VAE(**QUICK), {"latent": np.array([1, 2])}, cv=one).fit(TABLE)
    assert grid.best_score_ == max(grid.cv_results_["mean_test_score"])
    assert grid.best_estimator_.transform(TABLE).shape[1] == grid.best_params_["latent"]
    assert type(grid.best_estimator_.model_.config.model.latent) is int


def test_frames_of_pandas(fitted):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(TABLE, columns=list("abcdef"), index=np.arange(150) + 7)
    vae = VAE(**QUICK).fit(frame).set_output(transform="pandas")
    found = vae.transform(frame)
    assert list(found.columns) == ["vae0", "vae1"]
    assert list(found.index) == list(frame.index)
    np.testing.assert_array_equal(found, fitted.transform(TABLE))
    assert list(vae.feature_names_in_) == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        vae.transform(frame[list("fedcba")])


def test_single_precision_stays_single(fitted):
    found = fitted.transform(TABLE.astype(np.float32))
    assert found.dtype == fitted.inverse_transform(found).dtype == np.float32
    np.testing.assert_allclose(found, fitted.transform(TABLE), atol=2e-3)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"latent": 0}, "latent must be 1 or more, got 0"),
        ({"latent": "two"}, "latent must be a whole number"),
        ({"likelihood": "normall"}, "did you mean 'normal'"),
        ({"likelihood": "bernoulli"}, "needs a likelihood of normal"),
        ({"mean_activation": "sigmoid"}, "real numbers need a likelihood of normal"),
        ({"components": 3}, "`components` needs `prior=mixture`"),
        ({"recipe": "mine"}, "unknown recipe 'mine'"),
        ({"scoring_samples": 0}, "scoring_samples must be a whole number of 1 or more, got 0"),
        ({"scoring_samples": 1.5}, "got 1.5"),
        ({"image_shape": (2, 2)}, "image_shape is a height, a width and channels"),
        ({"image_shape": (2, 2, 1)}, "X has 6 features, but images of 2 x 2 x 1 have 4 numbers"),
    ],
)
def test_parameters_that_are_not_allowed(parameters, message):
    with pytest.raises(ValueError, match=message):
        VAE(**parameters).fit(TABLE)


def test_rows_that_are_not_allowed(fitted):
    with pytest.raises(ValueError, match="all rows of X are the same"):
        VAE().fit(TABLE[[3, 3, 3]])
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        VAE().fit(TABLE[:1])
    with pytest.raises(ValueError, match="squares are too large"):
        VAE().fit(TABLE * 1e200)
    with pytest.raises(ValueError, match="X has 3 features, but VAE has 2 latents"):
        fitted.inverse_transform(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="n_samples must be a whole number"):
        fitted.sample(0)
    for method in "transform", "inverse_transform", "score_samples", "score":
        with pytest.raises(NotFittedError):
            getattr(VAE(), method)(TABLE)
    with pytest.raises(NotFittedError):
        VAE().sample()


def test_a_linear_model_is_factor_analysis():
    rng = np.random.default_rng(0)
    loadings, noise = rng.normal(size=(6, 2)), rng.uniform(0.3, 0.8, 6)
    mean, units = 100 * rng.normal(size=6), 10.0 ** rng.integers(-2, 3, 6)
    draws = rng.normal(size=(2000, 2)) @ loadings.T + noise * rng.normal(size=(2000, 6))
    rows, held_out = np.split((mean + draws) * units, 2)
    vae = VAE(
        2, hidden=(), network="mlp", likelihood="normal-pixelwise", learning_rate=0.03,
        weight_decay=0.0, epochs=120, batch_size=100, jit=False, random_state=0,
    ).fit(rows)  # fmt: skip
    covariance = (loadings @ loadings.T + np.diag(noise**2)) * units[:, None] * units
    exact = multivariate_normal(mean * units, covariance).logpdf(held_out)
    scores = vae.score_samples(held_out)
    factors = FactorAnalysis(2).fit(rows / units).score(held_out / units) - np.log(units).sum()
    assert abs(factors - exact.mean()) < 0.05
    # A lower bound, and a tight one, of the likelihood of rows in their own units.
    assert -0.15 < scores.mean() - exact.mean() < 0.02
    assert np.corrcoef(scores, exact)[0, 1] > 0.97
    sampled = vae.sample(20_000, 0)
    deviations = units * np.sqrt((loadings**2).sum(axis=1) + noise**2)
    np.testing.assert_allclose(sampled.std(axis=0), deviations, rtol=0.08)
    correlations = covariance / deviations[:, None] / deviations
    np.testing.assert_allclose(np.corrcoef(sampled.T), correlations, atol=0.08)
    assert np.abs(sampled.mean(axis=0) - mean * units).max() < 0.15 * deviations.max()


def test_one_sample_is_the_elbo_and_many_are_the_importance_weighted_bound(fitted):
    standard = ((TABLE - fitted.mean_) / fitted.scale_)[:, VARYING].astype(np.float32)
    images = standard[:, :, None, None]
    one = pickle.loads(pickle.dumps(fitted)).set_params(scoring_samples=1)
    elbo = kvae.evaluation.Evaluator(fitted.model_, 0)(images).terms["elbo"]
    weighted = kvae.evaluation.importance_weighted_bound(fitted.model_, images, 100)
    for vae, expected in (one, elbo), (fitted, weighted):
        differences = vae.score_samples(TABLE) - expected
        assert abs(differences.mean()) < 4 * differences.std() / np.sqrt(len(TABLE))


def test_images_are_those_of_kvae(fitted_images, digits):
    images = as_pixels(digits.reshape(-1, 8, 8))
    model = fitted_images.model_
    found = fitted_images.transform(digits)
    np.testing.assert_allclose(found, model.embed(model.inputs(images)), atol=1e-5)
    decoded = fitted_images.inverse_transform(found)
    expected = model.reconstruct(model.inputs(images)).numpy().reshape(120, -1)
    np.testing.assert_allclose(decoded, expected, atol=1e-5)
    sampled = fitted_images.sample(4, 0)
    assert sampled.shape == (4, 64)
    assert sampled.min() >= 0
    assert sampled.max() <= 1
    bound = kvae.evaluation.importance_weighted_bound(model, images, 100)
    error = np.std(bound) / np.sqrt(len(bound))
    assert abs(fitted_images.score(digits) - bound.mean()) < error
    assert fitted_images.white_ == 255


def test_pixels_are_read_as_in_fit(fitted_images, digits):
    floats = VAE(**IMAGES)
    np.testing.assert_allclose(
        floats.fit(digits / 255).transform(digits / 255), fitted_images.transform(digits)
    )
    with pytest.raises(ValueError, match="pixels of float64, but those in `fit` were of another"):
        fitted_images.transform(digits / 255)
    with pytest.raises(ValueError, match="must be within 0 and 1: divide them by 255"):
        clone(floats).fit(digits.astype(float))
    # All pixels of the second half are below 256, but ten bits are white.
    deep = digits.astype(np.uint16) * np.repeat([4, 1], 60)[:, None].astype(np.uint16)
    vae = clone(floats).fit(deep)
    assert vae.white_ == 1023
    np.testing.assert_array_equal(vae.transform(deep[60:]), vae.transform(deep)[60:])
    with pytest.raises(ValueError, match="but in `fit` 0 was black and 1023 white"):
        vae.transform(deep * 2)


CHECKS = """
from sklearn.utils.estimator_checks import check_estimator
from kvae.sklearn import VAE

def tell(check_name, status, exception, **rest):
    if status != "passed":
        print(check_name, status, exception, flush=True)

results = check_estimator(VAE(), on_skip=None, on_fail=None, callback=tell)
print(len(results), "checks", {result["status"] for result in results})
"""


@pytest.mark.slow
def test_every_check_of_scikit_learn_passes():
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    # SciPy reads this when it is imported. Without it the check of array namespaces is skipped.
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CHECKS], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("checks {'passed'}\n"), done.stdout
