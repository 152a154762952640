"""A training that is killed at any instant comes out as if it had not been."""

import pytest

from . import kills


@pytest.fixture(autouse=True)
def compiled(cache_home, monkeypatch):
    """What is compiled is kept from test to test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))


@pytest.mark.slow
def test_a_run_that_is_killed_comes_out_the_same(tmp_path):
    peace = tmp_path / "whole"
    peace.mkdir()
    whole, _ = kills.leave_in_peace(peace, "quick")
    found = kills.trial(tmp_path, whole, "quick", False, [("checkpoint", 2.005)])
    assert found.wrong == []
    assert len(found.kills) == 1


@pytest.mark.slow
def test_a_run_that_replaces_another_and_is_killed_comes_out_the_same(tmp_path):
    # `python -m tests.faults.kills` is the long version.
    kills.begin(tmp_path)
    whole, _ = kills.leave_in_peace(tmp_path / "whole", "quick")
    found = kills.trial(tmp_path, whole, "quick", True, [("export", 1.1)])
    assert found.wrong == []
    assert [kill.split()[0] for kill in found.kills] == ["export"]
