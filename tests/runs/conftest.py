"""Folders for runs, and a run that is complete."""

import pytest

from .making import start


@pytest.fixture
def places(tmp_path):
    """Folders of runs and of saved models."""
    return {"runs": tmp_path / "runs", "models": tmp_path / "models"}


@pytest.fixture(scope="session")
def whole(few_digits, tmp_path_factory):
    """A run of four epochs that was left in peace, to be read only."""
    folder = tmp_path_factory.mktemp("whole")
    return start(few_digits, {"runs": folder / "runs", "models": folder / "models"})
