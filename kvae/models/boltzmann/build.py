"""Builds a new Boltzmann machine."""

import numpy as np

from kvae.config import Config
from kvae.models.boltzmann.model import BoltzmannModel, RestrictedModel

NEW = 20, 20
"""The chains and the temperatures by which log Z of a new model is estimated. It has hardly any
couplings."""


def build(config: Config, images: np.ndarray | None = None) -> BoltzmannModel:
    """Build a new model, with the initial weights that the configuration's seed decides.

    Args:
        config: The configuration of a Boltzmann machine.
        images: Training images, uint8 `[count, height, width, channels]`, whose base rates the
            pixels' biases start from; None where the weights are about to be restored.
    """
    kind = RestrictedModel if len(config.model.hidden) == 1 else BoltzmannModel
    model = kind(config)
    if images is not None:
        rows = images.reshape(len(images), -1)
        white = (rows >= 128).mean(axis=0) if config.data.binarize == "threshold" else None
        rates = rows.mean(axis=0) / 255 if white is None else white
        # As if there were one more image of each colour: no pixel is black or white for ever.
        model.machine.start((len(rows) * rates + 1) / (len(rows) + 2))
        model.estimate_log_partition(*NEW, config.training.seed)
    return model
