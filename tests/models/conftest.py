"""Small models with no weight at zero, and samples held against a density."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kvae
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.models.vae.config import ModelConfig, ObjectiveConfig


@pytest.fixture(scope="session")
def small_model() -> Callable[..., tuple[kvae.VAE, np.ndarray]]:
    """Makes a VAE of four pixels with random weights, and uint8 images that its prior started from.

    Options are those of `ModelConfig`; `training` are those of objective and training.
    """

    def make(
        count: int = 6, spread: float = 0.5, training: dict[str, Any] | None = None, **model: Any
    ) -> tuple[kvae.VAE, np.ndarray]:
        shape = (2, 2, 1)
        options = {
            "latent": 2,
            "hidden": (5,),
            "likelihood": "normal-shared",
            "components": 3,
            "flow_layers": 2,
            "flow_units": 6,
        }
        chosen = {"epochs": 1, "batch_size": 4} | (training or {})
        fields = [field.name for field in dataclasses.fields(ObjectiveConfig)]
        objective = {name: chosen.pop(name) for name in fields if name in chosen}
        config = Config(
            "reference",
            "vae",
            DataConfig("made"),
            ModelConfig(shape, **(options | model)),
            ObjectiveConfig(**objective),
            TrainingConfig(**chosen),
        )
        rng = np.random.default_rng(0)
        # Neither black nor white, where pseudo-inputs stop.
        images = rng.integers(30, 226, (count, *shape), dtype=np.uint8)
        vae = kvae.build(config, images)
        for weight in vae.weights:
            if weight.name != "pseudo_inputs":
                weight.assign(spread * rng.standard_normal(weight.shape))
        return vae, images

    return make


@pytest.fixture(scope="session")
def assert_law() -> Callable[..., None]:
    """Asserts that a log density in the plane integrates to one, and that samples follow it."""

    def features(points: np.ndarray, density: np.ndarray) -> np.ndarray:
        one, two = points.T
        return np.stack([one, two, one**2, two**2, one * two, density])

    def check(log_prob: Callable[[np.ndarray], Any], samples: Any) -> None:
        samples = np.asarray(samples)
        low, high = samples.min(axis=0), samples.max(axis=0)
        margin = 0.3 * (high - low)
        # Equal steps are as good as exact for a smooth density that ends within them.
        axes = np.linspace(low - margin, high + margin, 700).astype(np.float32).T
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        density = np.asarray(log_prob(points), np.float64)
        mass = np.exp(density) * np.prod((axes[:, -1] - axes[:, 0]) / (axes.shape[1] - 1))
        assert mass.sum() == pytest.approx(1, abs=5e-4)
        drawn = features(samples, np.asarray(log_prob(samples), np.float64))
        error = drawn.std(axis=1) / np.sqrt(len(samples))
        difference = drawn.mean(axis=1) - features(points, density) @ mass
        assert np.all(np.abs(difference) < 5 * error), difference / error

    return check
