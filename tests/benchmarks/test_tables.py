"""The linear models that tables are compared with have the likelihoods of the columns as given."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from benchmarks import tables

RNG = np.random.default_rng(0)
UNITS = np.array([1.0, 100.0, 0.01, 5.0])
MIXING = RNG.standard_normal((4, 4))


def rows(count: int) -> np.ndarray:
    return 7 + UNITS * (RNG.standard_normal((count, 4)) @ MIXING)


@pytest.mark.parametrize("model", ["PCA", "factor analysis"])
def test_linear_models_count_the_standardisation(model):
    # With one latent fewer than columns, both can have any covariance, or nearly.
    train, test = rows(5000), rows(2000)
    covariance = UNITS[:, None] * (MIXING.T @ MIXING) * UNITS
    exact = multivariate_normal(np.full(4, 7.0), covariance).logpdf(test).mean()
    assert tables.MODELS[model](train, test, 3).mean() == pytest.approx(exact, abs=0.1)


def test_every_row_is_held_out_once_in_each_repetition(monkeypatch):
    table = np.arange(20.0)[:, None]
    models = {
        "factor analysis": lambda train, test, latent: np.zeros(len(test)),
        "kvae": lambda train, test, latent: latent + test[:, 0] - np.isin(test, train)[:, 0],
    }
    monkeypatch.setattr(tables, "MODELS", models)
    monkeypatch.setitem(tables.TABLES, "counts", lambda: table)
    found = tables.measure(["counts"], repeats=2, latents=[3])["counts"]
    assert found[1]["mean"] == found[1]["gain"] == 3 + table.mean()
    assert found[1]["gain error"] == pytest.approx(table.std(ddof=1) / np.sqrt(20))
    lines = tables.table({"counts": found}).splitlines()
    assert lines[2] == "| counts | 3 | factor analysis | 0.00 ± 0.00 |  | 0.0 |"
    assert lines[3] == "| counts | 3 | kvae | 12.50 ± 1.32 | +12.50 ± 1.32 | 0.0 |"
