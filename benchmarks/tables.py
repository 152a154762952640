"""Held-out log-likelihoods of tables: kvae's estimator against linear models of scikit-learn."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.model_selection import RepeatedKFold
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

TABLES: dict[str, Callable[[], np.ndarray]] = {
    "breast cancer": lambda: load_breast_cancer().data,
    "wine": lambda: load_wine().data,
}
"""Functions that load each table, `[rows, columns]`."""
LATENTS = (2, 5, 10)
"""The numbers of latent dimensions of all models."""
FOLDS = 5

Score = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def _linear(kind: type[Any]) -> Score:
    """The log-likelihood of a linear model of standardised columns, in the columns' own units."""

    def score(train: np.ndarray, test: np.ndarray, latent: int) -> np.ndarray:
        scaler = StandardScaler().fit(train)
        model = kind(latent, random_state=0).fit(scaler.transform(train))
        return model.score_samples(scaler.transform(test)) - np.log(scaler.scale_).sum()

    return score


def _vae(**options: Any) -> Score:
    def score(train: np.ndarray, test: np.ndarray, latent: int) -> np.ndarray:
        from kvae.sklearn import VAE

        vae = VAE(latent, random_state=0, scoring_samples=500, **options)
        return vae.fit(train).score_samples(test)

    return score


MODELS: dict[str, Score] = {
    "PCA": _linear(PCA),
    "factor analysis": _linear(FactorAnalysis),
    "kvae": _vae(),
    "kvae, normal-pixelwise": _vae(likelihood="normal-pixelwise"),
}
"""Functions from training rows, test rows and the number of latent dimensions to the
log-likelihood of each test row, `[rows]`, in nats. That of kvae is a lower bound."""


def measure(
    names: Sequence[str], repeats: int, latents: Sequence[int] = LATENTS
) -> dict[str, list[dict[str, Any]]]:
    """Fit every model to four fifths of each table, and score the others, so that each row is held
    out once in each repetition.

    Args:
        names: Names in `TABLES`.
        repeats: How often each table is split anew into five parts.
        latents: The numbers of latent dimensions.

    Returns:
        For each table, an entry for each number of latent dimensions and each model: the mean over
        rows, its standard error, the mean and the standard error of the difference from factor
        analysis, all in nats a row, and the seconds of a fit.
    """
    results: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        rows, found = TABLES[name](), []
        splits = list(RepeatedKFold(n_splits=FOLDS, n_repeats=repeats, random_state=0).split(rows))
        for latent in latents:
            scores, seconds = {}, {}
            for model, score in MODELS.items():
                total, start = np.zeros(len(rows)), time.perf_counter()
                progress = tqdm(splits, f"{name}, {latent}, {model}", disable=None, leave=False)
                for train, test in progress:
                    total[test] += score(rows[train], rows[test], latent)
                scores[model] = total / repeats
                seconds[model] = (time.perf_counter() - start) / len(splits)
            for model, of_rows in scores.items():
                gain = of_rows - scores["factor analysis"]
                found.append(
                    {
                        "latent": latent,
                        "model": model,
                        "mean": float(of_rows.mean()),
                        "error": _error(of_rows),
                        "gain": float(gain.mean()),
                        "gain error": _error(gain),
                        "seconds": seconds[model],
                    }
                )
        results[name] = found
    return results


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """The results as a Markdown table.

    Args:
        results: What `measure` returned.
    """
    lines = [
        "| table | latents | model | held-out log-likelihood | against factor analysis | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, rows in results.items():
        for row in rows:
            gain = f"{row['gain']:+.2f} ± {row['gain error']:.2f}"
            lines.append(
                f"| {name} | {row['latent']} | {row['model']} "
                f"| {row['mean']:.2f} ± {row['error']:.2f} "
                f"| {gain if row['model'] != 'factor analysis' else ''} | {row['seconds']:.1f} |"
            )
    return "\n".join(lines)
