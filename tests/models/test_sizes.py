"""Models that do not fit into memory are refused before they are made."""

import math

import numpy as np
import pytest

import kvae
from kvae import registry
from kvae.errors import KvaeError
from kvae.io import machine


@pytest.mark.parametrize(
    ("posterior", "prior"),
    [*zip(registry.POSTERIORS, registry.PRIORS, strict=False), ("diagonal", "flow")],
)
def test_sizes_of_models_are_known_without_making_them(grey_dataset, posterior, prior):
    dataset = grey_dataset(np.zeros((20, 5, 4, 1), np.uint8))
    more = {"components": 7} if prior in ("mixture", "vamp") else {}
    config = kvae.configure(
        dataset, hidden=(9, 8), latent=3, posterior=posterior, prior=prior, **more
    )
    count = sum(math.prod(weight.shape) for weight in kvae.build(config).weights)
    assert 0.5 * count < config.model.size <= count


def test_what_is_too_large_is_refused(grey_dataset, monkeypatch):
    dataset = grey_dataset(np.zeros((20, 5, 4, 1), np.uint8))
    config = kvae.configure(dataset, hidden=(500_000,), latent=50)
    monkeypatch.setattr(machine, "available_memory", lambda: 1e8)
    with pytest.raises(KvaeError, match="such a model would take 0.4 GiB of memory, and 0.1 GiB"):
        kvae.build(config)
    with pytest.raises(KvaeError, match="such a training would take .*: choose smaller --hidden"):
        kvae.configure(dataset, hidden=(500_000,), latent=50)
    monkeypatch.setattr(machine, "available_memory", lambda: math.inf)
    assert kvae.configure(dataset, hidden=(500_000,), latent=50) == config
