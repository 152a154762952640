"""The variational autoencoder: an encoder, a decoder, a prior, and the bound that joins them."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import kvae.models.backend  # noqa: F401  must come before anything runs
from kvae import registry
from kvae.config import Config
from kvae.data import random_numbers
from kvae.data.pixels import algorithm, to_float
from kvae.io import machine
from kvae.models.initialization import Initialization
from kvae.models.networks import Decoder, Encoder
from kvae.models.priors import Prior
from kvae.models.vae import bounds


def seed_pair(seed: int | tf.Tensor) -> tf.Tensor:
    """A seed for stateless random numbers, int32 `[2]`, from one integer or from a pair."""
    seed = tf.convert_to_tensor(seed, tf.int32)
    return tf.stack([seed, 0]) if seed.shape.rank == 0 else seed


class VAE(keras.Model):
    """A variational autoencoder (Kingma & Welling, 2014).

    Args:
        encoder: From images to q(z|x).
        decoder: From latents to p(x|z).
        prior: Its `distribution()` is p(z).
        config: The configuration that it is built from, which is saved along with it.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        prior: Prior,
        config: Config,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        self.config = config
        # Keras makes weights at the first call; from here on they are there.
        self.decode(self.encode(tf.zeros((1, *config.model.image_shape))).mean())
        self.built = True

    def terms(
        self, images: tf.Tensor, seed: tf.Tensor, weighting: bounds.Weighting | None = None
    ) -> bounds.Terms:
        """The bound and its parts for each image, in nats.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
            seed: int32 `[2]`.
            weighting: In training, that of the objective, which is the bound of the configuration
                under its input noise and dropout. Without it the objective is the ELBO.
        """
        prior = self.prior.distribution()
        if weighting is None:
            return bounds.elbo(self.encode(images), self.decode, prior, images, seed)
        training = self.config.training
        noise_seed, encoder_seed, decoder_seed = (
            tf.random.experimental.stateless_fold_in(seed, stream) for stream in range(3)
        )
        seen = images
        if training.input_noise:
            generator = algorithm(training.jit)
            noise = random_numbers.normal(tf.shape(images), noise_seed, generator)
            seen = images + training.input_noise * noise
        posterior = self.encoder(seen, encoder_seed)

        def decode(latents: tf.Tensor) -> tfd.Distribution:
            return self.decoder(latents, decoder_seed)

        bound = registry.resolve(registry.BOUNDS, training.bound)
        return bound(posterior, decode, prior, images, seed, weighting)

    def inputs(self, images: np.ndarray, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """Stored images as the model sees them: in [0, 1], and binarized if its data are.

        Args:
            images: uint8 `[batch, height, width, channels]`.
            seed: Decides what `--binarize dynamic` draws.
        """
        return to_float(tf.constant(images), self.config.data.binarize, seed_pair(seed))

    def encode(self, images: tf.Tensor) -> tfd.Distribution:
        """q(z|x) of float images `[batch, height, width, channels]` in [0, 1]."""
        return self.encoder(images)

    def decode(self, latents: tf.Tensor) -> tfd.Distribution:
        """p(x|z) of latents `[batch, latent]`."""
        return self.decoder(latents)

    def mean_images(self, latents: tf.Tensor) -> tf.Tensor:
        """Means of p(x|z), `[batch, height, width, channels]`, kept within [0, 1] to be shown."""
        return tf.clip_by_value(self.decode(latents).mean(), 0.0, 1.0)

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        """Images decoded from the mean of q(z|x): float32, the shape of `images`, in [0, 1]."""
        return self.mean_images(self.encode(images).mean())

    def sample(self, count: int | tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """Means of p(x|z) for `count` draws of z from the prior.

        Args:
            count: How many.
            seed: An integer or int32 `[2]`; the same seed gives the same images.

        Returns:
            float32 `[count, height, width, channels]` in [0, 1].
        """
        return self.mean_images(self.prior.distribution().sample(count, seed=seed_pair(seed)))

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """As `reconstruct`."""
        return self.reconstruct(images)


def build(config: Config, images: np.ndarray | None = None) -> VAE:
    """A new model with the initial weights that the configuration's seed decides.

    Args:
        config: What `kvae.configure` gave.
        images: Training images, uint8 `[count, height, width, channels]`, for a prior that starts
            from some of them.

    Raises:
        UsageError: the `vamp` prior has no images, or more components than there are.
        KvaeError: there is not enough memory for its weights.
    """
    model, seed = config.model, config.training.seed
    machine.require_memory(4 * model.size, "such a model", "choose a smaller one")
    jit = config.training.jit
    encoder, decoder = Encoder(model, seed, jit), Decoder(model, seed, jit)
    initialization = Initialization(model.initial_stddev, seed, stream=2)
    prior = registry.resolve(registry.PRIORS, model.prior)(model, initialization, encoder, images)
    return VAE(encoder, decoder, prior, config)
