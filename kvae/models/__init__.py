"""The model: three distributions and a bound."""

import keras

from kvae.errors import KvaeError

if keras.backend.backend() != "tensorflow":
    raise KvaeError(
        f"Keras runs on {keras.backend.backend()!r} here, and kvae needs TensorFlow: "
        "set KERAS_BACKEND=tensorflow"
    )

from kvae.models.bounds import Terms
from kvae.models.networks import Decoder, Encoder
from kvae.models.priors import StandardNormal
from kvae.models.vae import VAE, build

__all__ = ["VAE", "Decoder", "Encoder", "StandardNormal", "Terms", "build"]
