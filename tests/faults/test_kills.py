"""A training that is killed at any instant comes out as if it had not been."""

import random

from . import kills


def test_a_run_that_is_killed_comes_out_the_same(tmp_path, cache_home, monkeypatch):
    # `python -m tests.faults.kills` is the long version.
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    dice = random.Random(0)
    kills.begin(tmp_path)
    whole, (_, seconds) = kills.leave_in_peace(tmp_path / "whole", "plain")
    instants = [
        ("checkpoint", 1 + dice.uniform(0, 0.05)),
        ("files", dice.randint(1, 60)),
        ("export", 1 + dice.uniform(0, 0.3)),
        # Last, as it may come too late.
        ("time", dice.uniform(0.2, 0.6) * seconds),
    ]
    found = kills.trial(tmp_path, whole, "plain", True, instants)
    assert found.wrong == []
    assert [kill.split()[0] for kill in found.kills[:3]] == ["checkpoint", "files", "export"]
