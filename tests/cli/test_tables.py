"""The commands on tables of numbers."""

import csv
import json

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import kvae
from kvae import registry
from kvae.data.tables import read_table, write_table
from kvae.evaluation import annealed_importance_sampling, importance_weighted_bound
from kvae.models.likelihoods import MIN_LOG_VARIANCE
from kvae.models.vae.bounds import Weighting
from kvae.sklearn import VAE

NAMES = ("height", "year", "always", "weight")
LINEAR = {"latent": 1, "hidden": (), "network": "mlp", "likelihood": "normal-shared"}
LOADINGS, NOISE, MEANS = np.array([[0.8], [-0.5], [0.3]]), 0.6, np.array([0.1, -0.2, 0.3])


def made(count: int) -> np.ndarray:
    """Rows whose third column is constant, and whose other units are very different."""
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(count, 1)) @ LOADINGS.T + NOISE * rng.normal(size=(count, 3))
    return np.insert(draws * [0.1, 100, 2] + [1.7, 5e4, 70], 2, 3.0, axis=1)


def make_exact(model: kvae.VAE):
    """Give a linear model weights whose posterior is exact.

    Tipping & Bishop (1999), Equations 6 to 8. Every importance weight is then p(x), for all random
    numbers, and the expectation of the ELBO is log p(x).

    Returns:
        The distribution of the columns that are not constant, in their own units.
    """
    m = (LOADINGS**2).sum() + NOISE**2
    encoder, likelihood = model.encoder.posterior, model.decoder.likelihood
    encoder.mean.kernel.assign(LOADINGS / m)
    encoder.mean.bias.assign(-(MEANS @ LOADINGS) / m)
    encoder.log_variance.kernel.assign(np.zeros((3, 1)))
    encoder.log_variance.bias.assign([np.log(NOISE**2 / m)])
    likelihood.mean.kernel.assign(LOADINGS.T)
    likelihood.mean.bias.assign(MEANS)
    likelihood.log_variance.assign(
        MIN_LOG_VARIANCE + np.log(np.expm1(np.log(NOISE**2) - MIN_LOG_VARIANCE))
    )
    columns = model.config.data.columns
    varying = columns.varying
    scales = np.array(columns.stddevs)[varying]
    covariance = (LOADINGS @ LOADINGS.T + NOISE**2 * np.eye(3)) * scales * scales[:, None]
    return multivariate_normal(np.array(columns.means)[varying] + scales * MEANS, covariance)


def close(estimates, exact):
    """Require that estimates with random errors are those of exact values."""
    errors = np.asarray(estimates) - exact
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(len(errors))


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def place(tmp_path_factory, in_process):
    """A folder with a table and a model of it: `exact`, whose bounds are log p(x)."""
    folder = tmp_path_factory.mktemp("tables")
    write_table(made(60), NAMES, folder / "table.csv")
    dataset = kvae.data.load(folder / "table.csv")
    model = kvae.build(kvae.configure(dataset, **LINEAR, jit=False))
    make_exact(model)
    kvae.save(model, folder / "saved_models/exact")
    return folder


@pytest.fixture
def run(place, in_process):
    return lambda *arguments: in_process(place, *arguments)


@pytest.fixture(scope="module")
def exact(place):
    """The exact model, its dataset, and the distribution of its rows."""
    model = kvae.load(place / "saved_models/exact")
    columns = model.config.data.columns
    return model, kvae.data.load(place / "table.csv", columns=columns), make_exact(model)


def test_every_log_likelihood_is_that_of_the_columns_in_their_own_units(exact):
    model, dataset, truth = exact
    images = dataset.train.images
    expected = truth.logpdf(np.delete(dataset.columns.rows(images), 2, axis=1))
    terms = kvae.encode(model, images, samples=3).terms
    for found in terms["importance_weighted"], importance_weighted_bound(model, images, 4):
        np.testing.assert_allclose(found, expected, atol=1e-3)
    np.testing.assert_allclose(terms["reconstruction"] - terms["kl"], terms["elbo"], atol=1e-4)
    close(terms["elbo"], expected)
    close(kvae.score(model, images, images).bounds, expected)
    for estimator in registry.ESTIMATORS:
        of = registry.resolve(registry.ESTIMATORS, estimator)
        found = of(model, images, np.array([0, 1], np.int32), Weighting())
        close(found.elbo, expected)
        close(found.reconstruction - found.kl, expected)
    of_training = model.terms(images, np.array([0, 1], np.int32), Weighting()).objective
    close(of_training, expected)


@pytest.mark.slow
def test_annealing_and_the_report_are_in_those_units_too(run, exact):
    model, dataset, truth = exact
    images = dataset.test.images
    expected = truth.logpdf(np.delete(dataset.columns.rows(images), 2, axis=1))
    annealed = annealed_importance_sampling(model, images, chains=64, steps=50)
    np.testing.assert_allclose(annealed.bound, expected, atol=0.2)
    done = run("evaluate", "exact", "--importance-samples", 3, "--json")
    assert done.returncode == 0, done.stderr
    groups = json.loads(done.stdout)["groups"]
    assert set(groups) == {
        "Likelihood", "Latent use", "Reconstruction", "Against linear models"
    }  # fmt: skip
    bound = groups["Likelihood"]["importance-weighted, 3 samples"]["value"]
    assert bound == pytest.approx(expected.mean(), abs=1e-3)
    for name, row in groups["Against linear models"].items():
        # Six rows say little, but the logs of the units are 2 + 7 + 3.
        assert row["value"] == pytest.approx(expected.mean(), abs=2), name


def test_scores_are_those_of_the_estimator(run, place):
    table = made(60)
    vae = VAE(**LINEAR, epochs=1, jit=False, random_state=0, scoring_samples=2).fit(table)
    truth = make_exact(vae.model_)
    kvae.save(vae.model_, place / "saved_models/estimator", overwrite=True)
    done = run("encode", "estimator", "table.csv", "--output", "e.csv", "--samples", 2)
    assert done.returncode == 0, done.stderr
    bounds = [float(row["importance_weighted"]) for row in rows_of(place / "e.csv")]
    np.testing.assert_allclose(bounds, truth.logpdf(np.delete(table, 2, axis=1)), atol=1e-3)
    np.testing.assert_allclose(bounds, vae.score_samples(table), atol=1e-3)
    means = [float(row["mean_1"]) for row in rows_of(place / "e.csv")]
    np.testing.assert_allclose(means, vae.transform(table)[:, 0], atol=1e-5)
    assert run("reconstruct", "estimator", "table.csv", "--output", "e.npy").returncode == 0
    expected = vae.inverse_transform(vae.transform(table))
    np.testing.assert_allclose(np.load(place / "e.npy"), expected, rtol=1e-6)


def test_encode_score_and_nearest(run, place, exact):
    model, dataset, truth = exact
    expected = truth.logpdf(np.delete(made(60), 2, axis=1))
    done = run("encode", "exact", "table.csv", "--samples", 2)
    assert done.stdout == "60 rows through exact in latents.csv\n", done.stderr
    rows = rows_of(place / "latents.csv")
    assert [row["row"] for row in rows] == [str(number) for number in range(60)]
    bounds = [float(row["importance_weighted"]) for row in rows]
    np.testing.assert_allclose(bounds, expected, atol=1e-3)
    done = run("score", "exact", "table.csv", "--samples", 2, "--top", 2, "--json")
    found = json.loads(done.stdout)
    assert found["rows"] == 60
    assert [each["row"] for each in found["least usual"]] == [
        str(number) for number in np.argsort(expected)[:2]
    ]
    assert not (place / "unusual.png").exists()
    done = run("nearest", "exact", "table.csv", "--count", 1, "--json")
    assert not (place / "nearest.png").exists()
    first = json.loads(done.stdout)[0]
    which, distance = int(first["training row"]), first["distance"]
    means = [model.embed(each).numpy() for each in (dataset.train.images,)]
    own = model.embed(dataset.columns.images(made(60)[:1])).numpy()
    assert distance == pytest.approx(abs(means[0][which] - own[0])[0], abs=1e-6)


def test_rows_are_made_in_the_units_and_with_the_names_of_the_table(run, place, exact):
    truth = exact[2]
    done = run("sample", "exact", "--count", 4000)
    assert done.stdout == "4,000 samples of exact in samples.csv\n", done.stderr
    found = read_table(place / "samples.csv")
    assert found.names == NAMES
    np.testing.assert_array_equal(found.rows[:, 2], 3)
    samples = np.delete(found.rows, 2, axis=1)
    scales = np.sqrt(np.diag(truth.cov))
    np.testing.assert_allclose((samples.mean(axis=0) - truth.mean) / scales, 0, atol=0.08)
    np.testing.assert_allclose(samples.std(axis=0), scales, rtol=0.08)
    assert run("sample", "exact", "--count", 5, "--output", "five.npy").returncode == 0
    np.testing.assert_array_equal(np.load(place / "five.npy").shape, (5, 4))
    # What was made is a table that the commands take.
    assert run("encode", "exact", "samples.csv", "--output", "n.npz").returncode == 0
    done = run("interpolate", "exact", "table.csv", "--steps", 3)
    assert done.stdout.startswith("59 ways of 3 steps"), done.stderr
    between = np.load(place / "interpolation.npy")
    assert between.shape == (59, 3, 4)
    assert run("reconstruct", "exact", "table.csv").returncode == 0
    restored = read_table(place / "reconstructions.csv").rows
    np.testing.assert_allclose(between[:, 0], restored[:-1], rtol=1e-6)
    np.testing.assert_allclose(between[:, 1], (between[:, 0] + between[:, 2]) / 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sample", "exact", "--output", "a.png"], "no picture of it: give an --output that ends"),
        (["reconstruct", "exact", "--output", "a.png"], "in .csv or .npy"),
        (["interpolate", "exact", "table.csv", "--output", "a.png"], "that ends in .npy"),
        (["score", "exact", "table.csv", "--picture", "a.png"], "leave out --picture"),
        (["nearest", "exact", "table.csv", "--output", "a.png"], "leave out --output"),
        (["explore", "exact", "--port", "0"], "this model is of numbers, not of images"),
        (["encode", "exact", "digits", "--overwrite"], "the model is of a table of numbers"),
        (["evaluate", "exact", "--dataset", "digits"], "is of a table of numbers, but digits is"),
        (
            ["encode", "exact", "narrow.csv", "--overwrite"],
            "narrow.csv has 3 columns, but the model is of",
        ),
        (["train", "--dataset", "text.csv"], "text.csv: line 2, column 'b' is 'x'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(run, place, arguments, message):
    write_table(made(20)[:, :3], NAMES[:3], place / "narrow.csv")
    (place / "text.csv").write_text("a,b\n1,x\n")
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (place / "a.png").exists()


def test_train_and_resume(run, place):
    done = run("data", "show", "table.csv", "--json")
    shown = json.loads(done.stdout)
    assert shown["rows"] == {"train": 48, "validation": 6, "test": 6}
    assert [column["column"] for column in shown["columns"]] == list(NAMES)
    table = made(60)
    np.testing.assert_allclose([c["highest"] for c in shown["columns"]], table.max(axis=0))
    quick = "--no-jit", "--latent", 1, "--hidden", 8
    done = run("train", "--dataset", "table.csv", "--epochs", 2, "--name", "own", *quick)
    assert done.returncode == 0, done.stderr
    assert "own on 6 test rows, nats a row:" in done.stdout
    assert "'always' is 3 in all training rows, and is left out" in done.stderr
    figures = {path.name for path in (place / "runs/own/figures").iterdir()}
    assert figures == {"curves.png", "kl.png"}
    done = run("train", "--resume", "own", "--epochs", 3)
    assert done.returncode == 0, done.stderr
    before = kvae.config.read_config(place / "saved_models/own").data.columns
    write_table(table * 1.001, NAMES, place / "table.csv")
    try:
        done = run("train", "--resume", "own", "--epochs", 4)
        assert (done.returncode, "are not those that the run was" in done.stderr) == (1, True)
        # The weights are for columns that are standardised as before.
        done = run("train", "--start-from", "own", "--dataset", "table.csv", "--epochs", 1,
                   "--name", "more", "--no-jit")  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert kvae.config.read_config(place / "runs/more").data.columns == before
    finally:
        write_table(table, NAMES, place / "table.csv")
