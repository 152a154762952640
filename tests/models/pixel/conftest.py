"""Small models of pixels with no weight at zero."""

from collections.abc import Callable

import numpy as np
import pytest

import kvae
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.models.pixel.config import ModelConfig, ObjectiveConfig


@pytest.fixture(scope="session")
def small_pixel_model() -> Callable[..., kvae.models.base.Model]:
    """Makes a model of pixels with random weights."""

    def make(shape: tuple[int, int, int], levels: int = 2, **options):
        model = ModelConfig(shape, **({"layers": 2, "filters": 4} | options), pixel_levels=levels)
        data = DataConfig("made", binarize="threshold" if levels == 2 else "none")
        training = TrainingConfig(epochs=1, batch_size=4, jit=False)
        made = kvae.build(Config("own", "pixel", data, model, ObjectiveConfig(), training))
        rng = np.random.default_rng(0)
        for weight in made.weights:
            weight.assign(0.5 * rng.standard_normal(weight.shape))
        return made

    return make
