"""What is computed from an encoder, a decoder and a prior."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae import registry
from kvae.config import Config
from kvae.data import random_numbers
from kvae.data.pixels import algorithm
from kvae.models import usage
from kvae.models.base import Statistics, seed_pair
from kvae.models.estimates import mean
from kvae.models.vae import bounds


class Autoencoder:
    """The methods of a variational autoencoder, whose parts a subclass has.

    Attributes:
        encoder: From images, and the seed of dropout or None, to q(z|x).
        decoder: From latents, and the seed of dropout or None, to p(x|z).
        prior: An object whose `distribution()` is p(z).
        config: The configuration of the model.
        checked: `Model.checked`.
        within_range: `Model.within_range`.
    """

    encoder: Any
    decoder: Any
    prior: Any
    config: Config
    checked: Callable[..., tf.Tensor]
    within_range: Callable[..., tf.Tensor]

    def terms(
        self, images: tf.Tensor, seed: tf.Tensor, weighting: bounds.Weighting | None = None
    ) -> bounds.Terms:
        """The bound and its parts for each image, in nats.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
            seed: int32 `[2]`; decides all random numbers.
            weighting: How the objective differs from the configuration's bound. If it is given, the
                model is in training: input noise and dropout are applied. Without it the objective
                is the ELBO.
        """
        images, prior = self.checked(images), self.prior.distribution()
        if weighting is None:
            found = bounds.elbo(self.encode(images), self.decode, prior, images, seed)
            return bounds.in_own_units(found, self.config.data.log_scale)
        objective = self.config.objective
        noise_seed, encoder_seed, decoder_seed = (
            tf.random.experimental.stateless_fold_in(seed, stream) for stream in range(3)
        )
        seen = images
        if objective.input_noise:
            generator = algorithm(self.config.training.jit)
            noise = random_numbers.normal(tf.shape(images), noise_seed, generator)
            seen = images + objective.input_noise * noise
        posterior = self.encoder(seen, encoder_seed)

        def decode(latents: tf.Tensor) -> tfd.Distribution:
            return self.decoder(latents, decoder_seed)

        bound = registry.resolve(registry.BOUNDS, objective.bound)
        found = bound(posterior, decode, prior, images, seed, weighting)
        return bounds.in_own_units(found, self.config.data.log_scale)

    def encode(self, images: tf.Tensor) -> tfd.Distribution:
        """q(z|x): batch shape `[batch]`, event shape `[latent]`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return self.encoder(self.checked(images))

    def decode(self, latents: tf.Tensor) -> tfd.Distribution:
        """p(x|z): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            latents: float32 `[batch, latent]`.
        """
        return self.decoder(latents)

    def mean_images(self, latents: tf.Tensor) -> tf.Tensor:
        """The means of p(x|z): float32 `[batch, height, width, channels]`. Pixels are clipped to
        [0, 1].

        Args:
            latents: float32 `[batch, latent]`.
        """
        return self.within_range(mean(self.decode(latents)))

    def embed(self, images: tf.Tensor) -> tf.Tensor:
        """The mean of q(z|x): float32 `[batch, latent]`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return mean(self.encode(images))

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        """Images decoded from the mean of q(z|x): float32, the shape of `images`, in [0, 1].

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return self.mean_images(self.embed(images))

    def sample(self, count: int | tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """New images: the means of p(x|z) for samples of z from the prior.

        Args:
            count: The number of images.
            seed: An integer or int32 `[2]`; the same seed gives the same images.

        Returns:
            float32 `[count, height, width, channels]` in [0, 1].
        """
        return self.mean_images(self.prior.distribution().sample(count, seed=seed_pair(seed)))

    @property
    def has_quick_posterior(self) -> bool:
        """Whether log q(z|x) at any z takes one pass through the networks, rather than one pass for
        each dimension."""
        return self.encoder.posterior.has_quick_log_prob

    @property
    def measure(self) -> str:
        """What the bound bounds: `density` is a density over [0, 1], `binary` is the probability of
        black and white pixels, and `levels` is the probability of 256 grey levels."""
        return self.decoder.likelihood.measure

    def statistics(self, images: tf.Tensor, seed: tf.Tensor) -> Statistics:
        """The ELBO and its parts, the mean of q(z|x), and the KL of each dimension.

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them.
            seed: int32 `[2]`; decides the samples.
        """
        terms, posterior = self.terms(images, seed), self.encode(images)
        kl = usage.kl_per_dimension(posterior, self.prior.distribution())
        return Statistics(
            {"elbo": terms.elbo, "reconstruction": terms.reconstruction, "kl": terms.kl},
            mean(posterior),
            {"kl_per_dimension": kl},
        )

    def scalars(self, embeddings: np.ndarray) -> Mapping[str, float | int]:
        """The number of active units, by name.

        Args:
            embeddings: The mean of q(z|x) of each image, `[count, latent]`.
        """
        return {"active_units": usage.active_units(embeddings)}

    def log_weights(self, images: tf.Tensor) -> Callable[[int, tf.Tensor], tf.Tensor]:
        """Log importance weights, log p(x|z) + log p(z) - log q(z|x), of samples z of q(z|x).

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them.

        Returns:
            A function from a number of samples and a seed, int32 `[2]`, to log weights
            `[samples, batch]`, in nats.
        """
        images = self.checked(images)
        posterior, prior = self.encode(images), self.prior.distribution()

        def sample(samples: int, seed: tf.Tensor) -> tf.Tensor:
            found = bounds.log_weights(posterior, self.decode, prior, images, samples, seed)
            return found - self.config.data.log_scale

        return sample
