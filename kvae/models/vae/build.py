"""Builds a new variational autoencoder, conditional or not."""

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae import registry
from kvae.config import Config
from kvae.models.initialization import Initialization
from kvae.models.vae.conditional import ConditionalEncoder, ConditionalPrior, ConditionalVAE
from kvae.models.vae.linear import linear_start
from kvae.models.vae.model import VAE
from kvae.models.vae.networks import Decoder, Encoder


def build(config: Config, images: np.ndarray | None = None) -> VAE:
    """Build a new VAE, with the initial weights that the configuration's seed decides.

    Args:
        config: The configuration of a VAE.
        images: Training images, uint8 `[count, height, width, channels]`, for a prior and for
            linear maps whose initial weights come from some of them; None where the weights are
            about to be restored.

    Raises:
        UsageError: The `vamp` prior has more components than there are images.
    """
    vae = _build(config, images)
    if config.model.linear and images is not None:
        start = linear_start(images, config.model.latent)
        vae.encoder.start(start)
        vae.decoder.start(start)
    return vae


def _build(config: Config, images: np.ndarray | None) -> VAE:
    """Build a VAE that does not start as a linear model."""
    model, seed, jit = config.model, config.training.seed, config.training.jit
    decoder = Decoder(model, seed, jit, model.linear)
    initialization = Initialization(model.initial_stddev, seed, stream=2)
    prior = registry.resolve(registry.PRIORS, model.prior)
    if model.condition is None:
        encoder = Encoder(model, seed, jit, model.linear)
        return VAE(encoder, decoder, prior(model, initialization, encoder, images), config)
    conditional = ConditionalEncoder(model, seed, jit, model.linear)
    classes = len(model.classes)

    def encode(pseudo_inputs: tf.Tensor) -> tfd.Distribution:
        labels = tf.fill((pseudo_inputs.shape[0], classes), 1 / classes)
        return conditional(conditional.with_labels(pseudo_inputs, labels))

    base = prior(model, initialization, encode, images)
    return ConditionalVAE(conditional, decoder, ConditionalPrior(base, classes), config)
