"""The model: three distributions and a bound."""

from kvae.models import backend  # noqa: F401  must come before anything runs
from kvae.models.bounds import Terms
from kvae.models.networks import Decoder, Encoder
from kvae.models.priors import StandardNormal
from kvae.models.vae import VAE, build

__all__ = ["VAE", "Decoder", "Encoder", "StandardNormal", "Terms", "build"]
