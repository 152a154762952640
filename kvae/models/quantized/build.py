"""Builds a new quantized autoencoder."""

import numpy as np
import tensorflow as tf

from kvae.config import Config
from kvae.data.pixels import to_float
from kvae.models.initialization import Initialization
from kvae.models.networks.masked import MaskedNetwork
from kvae.models.quantized.model import QuantizedMapModel, QuantizedModel
from kvae.models.quantized.networks import ENCODERS, Decoder
from kvae.models.quantized.quantizers import KMEANS_VECTORS, ScalarQuantizer, VectorQuantizer


def build(config: Config, images: np.ndarray | None = None) -> QuantizedModel:
    """Build a new model, with the initial weights that the configuration's seed decides.

    Args:
        config: The configuration of a quantized autoencoder.
        images: Training images, uint8 `[count, height, width, channels]`, from some of which
            k-means finds the first codebook; None where the weights are about to be restored.
    """
    model, seed, jit = config.model, config.training.seed, config.training.jit
    initialization = Initialization(None, seed, stream=2)
    is_vector = model.quantizer == "vector"
    quantizer = (
        VectorQuantizer(model.codes, model.code_size, initialization)
        if is_vector
        else ScalarQuantizer(model.levels)
    )
    encoder = ENCODERS[model.network](
        model, quantizer.size, Initialization(None, seed, stream=0), jit
    )
    prior = MaskedNetwork(
        shape=model.map_shape,
        levels=model.code_count,
        ordered=False,
        period=1,
        layers=model.layers,
        filters=model.filters,
        dropout=model.dropout,
        initialization=Initialization(None, seed, stream=3),
        jit=jit,
    )
    kind = QuantizedMapModel if model.network == "conv" else QuantizedModel
    made = kind(encoder, quantizer, Decoder(model, seed, jit), prior, config)
    if is_vector and images is not None:
        positions = model.map_shape[0] * model.map_shape[1]
        count = min(len(images), -(-KMEANS_VECTORS * model.codes // positions))
        some = images[initialization.choice(len(images), count)]
        seen = to_float(tf.constant(some), config.data.binarize, tf.constant([seed, 0]))
        features = encoder(seen).numpy().reshape(-1, quantizer.size)
        quantizer.start(features, initialization)
    return made
