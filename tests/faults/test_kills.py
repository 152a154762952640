"""A training that is killed at any instant comes out as if it had not been."""

from . import kills


def test_runs_that_are_killed_come_out_the_same(tmp_path, cache_home, monkeypatch):
    # `python -m tests.faults.kills` is the long version.
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    found = list(kills.trials(tmp_path, 4, 2, ("plain",)))
    assert [run.wrong for run in found] == [[] for _ in found]
    assert sum(len(run.kills) for run in found) >= 4
