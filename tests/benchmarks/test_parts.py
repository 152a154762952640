"""What parts bring is measured of every combination, by the same evaluation."""

import itertools

from benchmarks import parts


def test_every_combination_is_measured(monkeypatch):
    plain = {"latent": 2, "hidden": (16,), "optimizer": "adam", "epochs": 3}
    monkeypatch.setattr(parts, "SETTINGS", {"digits": plain})
    monkeypatch.setattr(parts, "PRIORS", {"standard": {}, "flow": {"prior": "flow"}})
    monkeypatch.setattr(parts, "POSTERIORS", ("diagonal",))
    rows = parts.measure("digits", None)
    made = [(row["bound"], row["posterior"], row["prior"]) for row in rows]
    assert made == list(itertools.product(parts.BOUNDS, ("diagonal",), ("standard", "flow")))
    for row in rows:
        assert row["elbo"] < row["log_likelihood"] < 100
        assert 0 <= row["coverage"] <= 1
        assert row["active_units"] in (0, 1, 2)
        assert row["seconds"] > 0
    assert len({row["log_likelihood"] for row in rows}) == 4
    lines = parts.table(rows).splitlines()
    assert len(lines) == 2 + 4
    assert f"| iwae-5 | diagonal | flow | {rows[3]['log_likelihood']:.2f} |" in lines[-1]
