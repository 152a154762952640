"""The variational autoencoder: an encoder, a decoder, a prior, and the bound that joins them."""

import keras
import tensorflow as tf

from kvae.config import Config
from kvae.data import Dataset
from kvae.models.base import Model, of_any_label
from kvae.models.plan import NewOptimizer, Plan
from kvae.models.priors import Prior
from kvae.models.vae.autoencoder import Autoencoder


class VAE(Autoencoder, Model):
    """A variational autoencoder (Kingma & Welling, 2014).

    Args:
        encoder: The network from images to q(z|x).
        decoder: The network from latents to p(x|z).
        prior: The layer whose `distribution()` is p(z).
        config: The configuration that the model is built from; it is saved with the model.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        prior: Prior,
        config: Config,
    ) -> None:
        super().__init__(config)
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        # Keras makes the weights of a network when it is called for the first time.
        of_any_label(self).reconstruct(tf.zeros((1, *config.model.image_shape)))
        self.built = True

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Reconstruct images; Keras calls this for `model(images)`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return self.reconstruct(images)

    def plan(self, dataset: Dataset, new_optimizer: NewOptimizer) -> Plan:
        """A new plan, which follows the gradient of the configuration's objective.

        Args:
            dataset: The images that the model will be trained and validated on.
            new_optimizer: Makes the configuration's optimizer for some weights.
        """
        from kvae.models.vae.plan import VariationalPlan

        return VariationalPlan(self, dataset, new_optimizer)
