"""Builds a new adversarial network."""

import math

import numpy as np
import tensorflow as tf

from kvae import registry
from kvae.config import Config
from kvae.models.adversarial.model import AdversarialModel
from kvae.models.adversarial.networks import Discriminator
from kvae.models.initialization import Initialization
from kvae.models.priors import Mixture
from kvae.models.vae.networks import Decoder

INITIAL_STDDEV = 0.5
"""The standard deviation of each Gaussian of a mixture before training."""


def build(config: Config, images: np.ndarray | None = None) -> AdversarialModel:
    """Build a new model, with the initial weights that the configuration's seed decides.

    The generator starts with the weights of a VAE's decoder of the same seed.

    Args:
        config: The configuration of an adversarial network.
        images: Not used: no initial weights come from images.
    """
    model, seed, jit = config.model, config.training.seed, config.training.jit
    initialization = Initialization(model.initial_stddev, seed, stream=2)
    # These priors do not look at an encoder, and there is none.
    prior = registry.resolve(registry.PRIORS, model.prior)(model, initialization, encoder=None)
    if isinstance(prior, Mixture):
        _spread(prior)
    return AdversarialModel(
        Decoder(model, seed, jit), prior, Discriminator(model, seed, jit), config
    )


def _spread(prior: Mixture) -> None:
    """Make the Gaussians of a mixture narrow and far from each other, with variance 1 together.

    The generator can then learn another kind of image from each of them (Gurumurthy et al., 2017).
    """
    prior.means.assign(math.sqrt(1 - INITIAL_STDDEV**2) * tf.convert_to_tensor(prior.means))
    prior.log_diagonals.assign(tf.fill(prior.log_diagonals.shape, -math.log(INITIAL_STDDEV)))
    # Samples have no gradient with respect to the weights of the Gaussians.
    prior.logits.trainable = False
