"""What parts bring is measured of every combination, by the same evaluation."""

import itertools

import pytest

from benchmarks import parts

PLAIN = {"latent": 2, "hidden": (16,), "epochs": 3, "jit": False}


@pytest.mark.slow
def test_every_combination_is_measured(monkeypatch):
    monkeypatch.setattr(parts, "SETTINGS", {"digits": PLAIN | {"optimizer": "adam"}})
    mixture = {"prior": "mixture", "components": 3}
    monkeypatch.setattr(parts, "PRIORS", {"mixture": mixture})
    monkeypatch.setattr(parts, "POSTERIORS", ("diagonal",))
    # However busy the machine is, nothing is left out.
    monkeypatch.setattr(parts, "TOO_SLOW", float("inf"))
    rows = parts.measure("digits", None)
    made = [(row["bound"], row["posterior"], row["prior"]) for row in rows]
    assert made == list(itertools.product(parts.BOUNDS, ("diagonal",), ("mixture",)))
    for row in rows:
        assert row["elbo"] < row["log_likelihood"] < 100
        assert 0 <= row["coverage"] <= 1
        assert row["active_units"] in (0, 1, 2)
        assert row["seconds"] >= 0
    assert len({row["log_likelihood"] for row in rows}) == 2
    lines = parts.table(rows).splitlines()
    assert len(lines) == 2 + 2
    assert f"| iwae-5 | diagonal | mixture | {rows[1]['log_likelihood']:.2f} |" in lines[-1]


def test_what_takes_too_long_is_left_out(monkeypatch):
    monkeypatch.setattr(parts, "SETTINGS", {"digits": PLAIN})
    monkeypatch.setattr(parts, "PRIORS", {"standard": {}})
    monkeypatch.setattr(parts, "POSTERIORS", ("diagonal",))
    monkeypatch.setattr(parts, "TOO_SLOW", 0.0)
    lines = parts.table(parts.measure("digits", None)).splitlines()
    assert lines[2:] == [
        f"| {bound} | diagonal | standard |  |  |  |  | over 0 |" for bound in parts.BOUNDS
    ]
