"""A training that is killed at any instant comes out as if it had not been."""

import pytest

from . import kills
from .process import outcome, run


@pytest.fixture(autouse=True)
def compiled(cache_home, monkeypatch):
    """What is compiled is kept from test to test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a run that was left in peace gave."""
    folder = tmp_path_factory.mktemp("peace")
    done = run(folder, "nothing", 0, "", "train", *kills.SETTINGS["quick"], "--name", "quick")
    assert done.returncode == 0, done.stderr
    return outcome(folder, "quick")


@pytest.mark.slow
def test_a_run_that_is_killed_comes_out_the_same(tmp_path, whole):
    found = kills.trial(tmp_path, whole, "quick", False, [("checkpoint", 2.005)])
    assert found.wrong == []
    assert len(found.kills) == 1


@pytest.mark.slow
def test_a_run_that_replaces_another_and_is_killed_comes_out_the_same(tmp_path, whole):
    # `python -m tests.faults.kills` is the long version.
    kills.begin(tmp_path)
    found = kills.trial(tmp_path, whole, "quick", True, [("export", 1.1)])
    assert found.wrong == []
    assert [kill.split()[0] for kill in found.kills] == ["export"]
