"""Builds a new hierarchical variational autoencoder, conditional or not."""

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae import registry
from kvae.config import Config
from kvae.models.hierarchical.decoder import Decoder
from kvae.models.hierarchical.encoder import BottomUp, TopDown
from kvae.models.hierarchical.model import ConditionalHierarchicalVAE, HierarchicalVAE
from kvae.models.hierarchical.prior import JointPrior, OfTop
from kvae.models.initialization import Initialization
from kvae.models.vae.conditional import ConditionalPrior


def build(config: Config, images: np.ndarray | None = None) -> HierarchicalVAE:
    """Build a new hierarchical VAE, with the initial weights that the configuration's seed decides.

    Args:
        config: The configuration of a hierarchical VAE.
        images: Training images, uint8 `[count, height, width, channels]`, for a prior whose initial
            weights come from some of them; None where the weights are about to be restored.

    Raises:
        UsageError: The `vamp` prior has more components than there are images.
    """
    model, seed, jit = config.model, config.training.seed, config.training.jit
    decoder = Decoder(model, seed, jit)
    order = {"top-down": TopDown, "bottom-up": BottomUp}[model.inference]
    encoder = order(model, decoder, seed, jit)

    classes = len(model.classes)

    def of_top(pseudo_inputs: tf.Tensor) -> tfd.Distribution:
        if not classes:
            return encoder.top(pseudo_inputs)
        labels = tf.fill((pseudo_inputs.shape[0], classes), 1 / classes)
        return encoder.top(encoder.with_labels(pseudo_inputs, labels))

    prior = registry.resolve(registry.PRIORS, model.prior)
    initialization = Initialization(None, seed, stream=2)
    top = prior(OfTop.of(model), initialization, of_top, images)
    if not classes:
        return HierarchicalVAE(encoder, decoder, JointPrior(top, model.dimensions), config)
    conditional = JointPrior(ConditionalPrior(top, classes), model.dimensions)
    return ConditionalHierarchicalVAE(encoder, decoder, conditional, config)
