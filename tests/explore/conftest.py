"""What tests of the page share."""

from types import SimpleNamespace

import numpy as np
import pytest

from kvae.data import Dataset, Split
from kvae.explore.explorer import Explorer

from .needs import need


@pytest.fixture
def bokeh():
    """Bokeh, or a skip where it is not installed."""
    try:
        import bokeh
    except ImportError:
        bokeh = None
    need(bokeh, "Bokeh is not installed: install the extra `explore`")
    return bokeh


class OnlySamples:
    """A model that can do one thing."""

    config = SimpleNamespace(family="toy", model=SimpleNamespace(summary="noise"))

    def sample(self, count, seed=0):
        noise = np.random.default_rng(seed).random((count, 6, 4, 3), np.float32)
        return SimpleNamespace(numpy=lambda: noise)


@pytest.fixture
def only_samples():
    split = Split(np.random.default_rng(0).integers(0, 256, (12, 6, 4, 3), np.uint8))
    return Explorer("noise", OnlySamples(), Dataset("made", split, split, split, "made up"))
