"""Skips tests that lack something, except where everything should be there."""

import os

import pytest


def need(found, reason):
    """Skip a test that lacks something, or fail where everything should be there."""
    if not found:
        if os.environ.get("KVAE_REQUIRE_DATA"):
            pytest.fail(reason)
        pytest.skip(reason)
