"""What is computed from the encoder, the decoder and the prior of a hierarchical model."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.data import random_numbers
from kvae.data.pixels import algorithm
from kvae.models import usage
from kvae.models.base import Statistics
from kvae.models.hierarchical import bounds
from kvae.models.hierarchical.config import kl_name
from kvae.models.hierarchical.decoder import Path
from kvae.models.hierarchical.posterior import Inferred, Posterior
from kvae.models.vae.autoencoder import Autoencoder


class Hierarchy(Autoencoder):
    """The methods of a hierarchical model that differ from those of a flat one.

    Attributes:
        prior: The prior of all levels, conditional or not.
    """

    prior: Any

    def image(self, path: Path, dropout_seed: tf.Tensor | None = None) -> tfd.Distribution:
        """p(x|z): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            path: The generative path that the image is decoded from.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        raise NotImplementedError

    @property
    def latent_levels(self) -> tuple[int, ...]:
        """The number of latents of each level, from the image upwards."""
        return self.config.model.dimensions

    def terms(  # type: ignore[override]
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
        images = self.checked(images)
        if weighting is None:
            return self._elbo(self._sampled(self.encode(images), images, 1, seed), images)
        objective, samples = self.config.objective, weighting.samples
        noise_seed, encoder_seed, decoder_seed, latent_seed = (
            tf.random.experimental.stateless_fold_in(seed, stream) for stream in range(4)
        )
        seen = images
        if objective.input_noise:
            generator = algorithm(self.config.training.jit)
            seen += objective.input_noise * random_numbers.normal(
                tf.shape(images), noise_seed, generator
            )
        posterior = self.encoder(seen, encoder_seed)
        found = self._sampled(posterior, images, samples, latent_seed)
        repeated = tf.tile(images, (samples, 1, 1, 1))

        def log_likelihood(at: Inferred) -> tf.Tensor:
            return self.image(at.path, decoder_seed).log_prob(repeated)

        if objective.doubly_reparameterized:
            terms = bounds.doubly_reparameterized(
                posterior, found, self.prior, log_likelihood, weighting
            )
        else:
            bound = bounds.iwae if objective.bound == "iwae" else bounds.elbo
            terms = bound(found, self.prior, log_likelihood(found), weighting)
        return self._in_own_units(terms)

    def embed(self, images: tf.Tensor) -> tf.Tensor:
        """The mean of each level given the means of those inferred before: float32 `[batch,
        latents]`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return self.encode(images).means()

    @property
    def has_quick_posterior(self) -> bool:
        """False: log q(u|x) at any u takes a pass through the networks of the levels for each pair
        of u and x."""
        return False

    def statistics(self, images: tf.Tensor, seed: tf.Tensor) -> Statistics:
        """The ELBO and its parts, the means of the levels, and the KL of each dimension.

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them.
            seed: int32 `[2]`; decides the samples.
        """
        images = self.checked(images)
        posterior = self.encode(images)
        found = self._sampled(posterior, images, 1, seed)
        terms = self._elbo(found, images)
        *below, top = found.levels
        of_top = usage.kl_per_dimension(top.posterior, self.prior.of_top())
        kl = tf.concat([*(level.kl for level in below), of_top], axis=-1)
        named = {kl_name(number): each for number, each in enumerate(terms.levels, 1)}
        return Statistics(
            {"elbo": terms.elbo, "reconstruction": terms.reconstruction, "kl": terms.kl, **named},
            posterior.means(),
            {"kl_per_dimension": kl},
        )

    def log_weights(self, images: tf.Tensor) -> Callable[[int, tf.Tensor], tf.Tensor]:
        """Log importance weights, log p(x|u) + log p(u) - log q(u|x), of samples of all levels.

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them.

        Returns:
            A function from a number of samples and a seed, int32 `[2]`, to log weights
            `[samples, batch]`, in nats.
        """
        images = self.checked(images)
        posterior = self.encode(images)

        def sample(samples: int, seed: tf.Tensor) -> tf.Tensor:
            found = self._sampled(posterior, images, samples, seed)
            repeated = tf.tile(images, (samples, 1, 1, 1))
            likelihood = self.image(found.path).log_prob(repeated)
            log_weight = likelihood - tf.add_n(bounds.log_ratios(found, self.prior))
            return tf.reshape(log_weight, (samples, -1)) - self.config.data.log_scale

        return sample

    def _sampled(
        self, posterior: Posterior, images: tf.Tensor, samples: int, seed: tf.Tensor
    ) -> Inferred:
        """Samples of all levels for each image, those of the first sample of all images first."""
        return posterior.infer(bounds.noise(images, sum(self.latent_levels), samples, seed))

    def _elbo(self, found: Inferred, images: tf.Tensor) -> bounds.Terms:
        """The ELBO and its parts at one sample of each image, `[batch]`, in nats."""
        plain = bounds.Weighting([1.0] * len(self.latent_levels))
        likelihood = self.image(found.path).log_prob(images)
        return self._in_own_units(bounds.elbo(found, self.prior, likelihood, plain))

    def _in_own_units(self, terms: bounds.Terms) -> bounds.Terms:
        """The terms of rows in their columns' own units, from those of standardised rows."""
        scale = self.config.data.log_scale
        if not scale:
            return terms
        objective, elbo, reconstruction = (each - scale for each in terms[:3])
        return terms._replace(objective=objective, elbo=elbo, reconstruction=reconstruction)
