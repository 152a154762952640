"""Builds a new adversarial network."""

import numpy as np

from kvae import registry
from kvae.config import Config
from kvae.models.adversarial.model import AdversarialModel
from kvae.models.adversarial.networks import Discriminator
from kvae.models.initialization import Initialization
from kvae.models.vae.networks import Decoder


def build(config: Config, images: np.ndarray | None = None) -> AdversarialModel:
    """Build a new model, with the initial weights that the configuration's seed decides.

    The generator starts with the weights of a VAE's decoder of the same seed.

    Args:
        config: The configuration of an adversarial network.
        images: Not used: no initial weights come from images.
    """
    model, seed, jit = config.model, config.training.seed, config.training.jit
    initialization = Initialization(model.initial_stddev, seed, stream=2)
    # The standard prior does not look at an encoder, and there is none.
    prior = registry.resolve(registry.PRIORS, "standard")(model, initialization, encoder=None)
    return AdversarialModel(
        Decoder(model, seed, jit), prior, Discriminator(model, seed, jit), config
    )
