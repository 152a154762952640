"""Boltzmann machines that are small enough for all their states to be counted."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

import kvae
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.models.boltzmann.config import ModelConfig, ObjectiveConfig
from kvae.models.boltzmann.machine import RATE
from kvae.models.boltzmann.model import BoltzmannModel

SHAPE = (2, 3, 1)


@dataclass(frozen=True)
class Counted:
    """A model of 2 x 3 pixels, and its exact probabilities.

    Attributes:
        model: The model, which knows log Z.
        images: All images, `[64, 2, 3, 1]`.
        log_z: log Z, by brute force.
        log_prob: log p(x) of all images, `[64]`, by brute force.
    """

    model: BoltzmannModel
    images: np.ndarray
    log_z: float
    log_prob: np.ndarray


def states(count: int) -> np.ndarray:
    return np.array(list(itertools.product((0.0, 1.0), repeat=count)))


def negative_energies(model: BoltzmannModel) -> np.ndarray:
    """-E of all states, `[64, states of all hidden units]`, without any method of the machine."""
    units, machine = model.machine.units, model.machine
    parts = np.split(states(sum(units)), np.cumsum(units)[:-1], axis=1)
    total = sum(part @ bias.numpy() for part, bias in zip(parts, machine.biases, strict=True))
    centred = [
        parts[0] - 1 / (1 + np.exp(-machine.base.numpy())),
        *(part - RATE for part in parts[1:]),
    ]
    for below, kernel, above in zip(centred[:-1], machine.kernels, centred[1:], strict=True):
        total = total + np.sum(below @ kernel.numpy() * above, axis=1)
    return total.reshape(2 ** units[0], -1)


@pytest.fixture(scope="session")
def counted() -> Callable[..., Counted]:
    """Makes models of 2 x 3 pixels with random weights of a given spread."""

    def make(*hidden: int, spread: float = 1.0) -> Counted:
        model = kvae.build(
            Config(
                "own",
                "boltzmann",
                DataConfig("made", binarize="threshold"),
                ModelConfig(SHAPE, hidden),
                ObjectiveConfig(chains=20_000),
                TrainingConfig(epochs=1, batch_size=64, jit=False),
            )
        )
        rng = np.random.default_rng(0)
        for weight in model.machine.weights:
            weight.assign(spread * rng.standard_normal(weight.shape))
        model.estimate_log_partition(2, 2, 0)
        of_images = np.logaddexp.reduce(negative_energies(model), axis=1)
        log_z = np.logaddexp.reduce(of_images)
        images = states(6).reshape(-1, *SHAPE).astype(np.float32)
        return Counted(model, images, float(log_z), of_images - log_z)

    return make
