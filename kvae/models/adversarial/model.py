"""The adversarial network: a generator, its prior, and a discriminator."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.config import Config
from kvae.data import Dataset
from kvae.models.adversarial.networks import Discriminator
from kvae.models.base import Model, seed_pair
from kvae.models.plan import NewOptimizer, Plan
from kvae.models.priors import Prior
from kvae.models.vae.networks import Decoder


class AdversarialModel(Model):
    """A generative adversarial network (Goodfellow et al., 2014).

    Args:
        decoder: The generator: the network from latents to p(x|z), whose mean is the image.
        prior: The layer whose `distribution()` is p(z).
        discriminator: The network that tells images from generated ones.
        config: The configuration that the model is built from; it is saved with the model.
    """

    def __init__(
        self, decoder: Decoder, prior: Prior, discriminator: Discriminator, config: Config
    ) -> None:
        super().__init__(config)
        self.decoder, self.prior, self.discriminator = decoder, prior, discriminator
        # Keras makes the weights of a network when it is called for the first time.
        self.discriminate(self.mean_images(tf.zeros((1, config.model.latent))))
        self.built = True

    def decode(self, latents: tf.Tensor) -> tfd.Distribution:
        """p(x|z): batch shape `[batch]`, event shape `[height, width, channels]`.

        Its mean is the generator's image. Training leaves its standard deviation at 1: see
        `with_noise`.

        Args:
            latents: float32 `[batch, latent]`.
        """
        return self.decoder(latents)

    def mean_images(self, latents: tf.Tensor) -> tf.Tensor:
        """The generator's images, clipped to [0, 1]: float32 `[batch, height, width, channels]`.

        Args:
            latents: float32 `[batch, latent]`.
        """
        return self.within_range(self.decode(latents).mean())

    def sample(self, count: int | tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """New images: those of latents from the prior.

        Args:
            count: The number of images.
            seed: An integer or int32 `[2]`; the same seed gives the same images.

        Returns:
            float32 `[count, height, width, channels]` in [0, 1].
        """
        return self.mean_images(self.prior.distribution().sample(count, seed=seed_pair(seed)))

    def discriminate(self, images: tf.Tensor) -> tf.Tensor:
        """The discriminator's score of each image, `[batch]`, higher for those taken as real.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return self.discriminator(self.checked(images))

    def with_noise(self, stddev: tf.Tensor | tf.Variable) -> "NoisyGenerator":
        """The model of the generator's images and Gaussian noise (Wu et al., 2017).

        Args:
            stddev: The standard deviation of the noise, a scalar.
        """
        return NoisyGenerator(self, stddev)

    def plan(self, dataset: Dataset, new_optimizer: NewOptimizer) -> Plan:
        """A new plan, which trains the two networks in turn.

        Args:
            dataset: The images that the model will be trained and validated on.
            new_optimizer: Makes the configuration's optimizer for some weights.
        """
        from kvae.models.adversarial.plan import AdversarialPlan

        return AdversarialPlan(self, dataset, new_optimizer)


class NoisyGenerator:
    """A generator with p(x|z) = N(image of z, stddev^2 I), which has a likelihood.

    Args:
        model: The adversarial network.
        stddev: The standard deviation of the noise, a scalar.

    Attributes:
        config: The configuration of the model.
        prior: The layer whose `distribution()` is p(z).
    """

    def __init__(self, model: AdversarialModel, stddev: tf.Tensor | tf.Variable) -> None:
        self._model, self._stddev = model, stddev
        self.config, self.prior = model.config, model.prior

    def decode(self, latents: tf.Tensor) -> tfd.Distribution:
        """p(x|z): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            latents: float32 `[batch, latent]`.
        """
        images = self._model.decode(latents).mean()
        return tfd.Independent(tfd.Normal(images, tf.convert_to_tensor(self._stddev)), 3)

    def mean_images(self, latents: tf.Tensor) -> tf.Tensor:
        """The generator's images, clipped to [0, 1]: float32 `[batch, height, width, channels]`.

        Args:
            latents: float32 `[batch, latent]`.
        """
        return self._model.mean_images(latents)
