"""Models that do not fit into memory are refused before they are made."""

import math

import numpy as np
import pytest

import kvae
from kvae import registry
from kvae.errors import KvaeError
from kvae.io import machine
from kvae.models.build import cost
from kvae.training import State


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
    assert cost(config).weights == count


def test_activations_are_those_of_the_layers_and_more(grey_dataset):
    dataset = grey_dataset(np.zeros((20, 5, 4, 1), np.uint8))
    small, large = (
        cost(kvae.configure(dataset, hidden=(units,), latent=3)).activations for units in (100, 200)
    )
    # Encoder and decoder have a hundred units more each, and several numbers for each unit.
    assert 200 <= large - small <= 2000


def test_what_is_too_large_is_refused(grey_dataset, monkeypatch):
    dataset = grey_dataset(np.zeros((20, 5, 4, 1), np.uint8))
    config = kvae.configure(dataset, hidden=(500_000,), latent=50)
    monkeypatch.setattr(machine, "available_memory", lambda: 1e8)
    with pytest.raises(KvaeError, match="such a model would take 367 MiB of memory, and 95 MiB"):
        kvae.build(config)
    config = kvae.configure(dataset, hidden=(500,), latent=50)
    model = kvae.build(config)
    monkeypatch.setattr(machine, "available_memory", lambda: 1e5)
    with pytest.raises(
        KvaeError, match="training such a model would take .*: give a smaller `image_size`"
    ):
        State(model, dataset)
