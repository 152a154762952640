"""The quantized autoencoder: an encoder, codes, a decoder, and a prior over the codes."""

import math
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from kvae.config import Config
from kvae.data import Dataset
from kvae.models import usage
from kvae.models.base import Model, Statistics
from kvae.models.estimates import mean
from kvae.models.networks.drawing import Sampler
from kvae.models.networks.masked import MaskedNetwork
from kvae.models.plan import NewOptimizer, Plan
from kvae.models.quantized.networks import Decoder
from kvae.models.quantized.quantizers import Quantizer


class QuantizedModel(Model):
    """An autoencoder with discrete codes (van den Oord et al., 2017).

    The encoder chooses the codes without chance. Therefore log p(x|codes) + log p(codes), for these
    codes, is a lower bound on log p(x), the log of a sum over all codes.

    Args:
        encoder: The network from images to maps of vectors.
        quantizer: From vectors to codes, and back.
        decoder: The network from maps of the codes' vectors to p(x|codes).
        prior: The masked network over maps of codes.
        config: The configuration that the model is built from; it is saved with the model.
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        quantizer: Quantizer,
        decoder: Decoder,
        prior: MaskedNetwork,
        config: Config,
    ) -> None:
        super().__init__(config)
        self.encoder, self.quantizer, self.decoder = encoder, quantizer, decoder
        self.prior_network = prior
        self._sampler = Sampler(prior)
        # Keras makes the weights of a network when it is called for the first time.
        self.reconstruct(tf.zeros((1, *config.model.image_shape)))
        self.built = True

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Reconstruct images; Keras calls this for `model(images)`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return self.reconstruct(images)

    @property
    def code_count(self) -> int:
        """The number of different codes."""
        return self.quantizer.count

    def codes(self, images: tf.Tensor) -> tf.Tensor:
        """The map of codes of each image, int32 `[batch, rows, columns]`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return self.quantizer.codes(self.encoder(self.checked(images)))

    def decode_codes(self, codes: tf.Tensor) -> tf.Tensor:
        """The means of p(x|codes), clipped to [0, 1]: float32 `[batch, height, width, channels]`.

        Args:
            codes: int32 `[batch, rows, columns]`.
        """
        return self.within_range(mean(self.decoder(self.quantizer.vectors(codes))))

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        """The means of p(x|codes) for the codes of images: float32, the shape of `images`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return self.decode_codes(self.codes(images))

    def embed(self, images: tf.Tensor) -> tf.Tensor:
        """The vectors of an image's codes, one after the other: float32 `[batch, dimensions]`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """
        return self._flat(self.codes(images))

    def sample(self, count: int | tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """New images: the means of p(x|codes) for codes drawn from the prior.

        Args:
            count: The number of images.
            seed: An integer or int32 `[2]`. The first images of a seed are the same, whatever the
                count is.

        Returns:
            float32 `[count, height, width, channels]` in [0, 1].
        """
        return self.decode_codes(self._sampler.sample(count, seed))

    @property
    def measure(self) -> str:
        """What the bound bounds: `density` is a density over [0, 1], `binary` is the probability of
        black and white pixels, and `levels` is the probability of 256 grey levels."""
        return self.decoder.likelihood.measure

    def statistics(self, images: tf.Tensor, seed: tf.Tensor) -> Statistics:
        """The bound and its two parts, the codes' vectors, and how often each code is taken.

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them.
            seed: Not used: there is nothing to sample.
        """
        codes = self.codes(images)
        reconstruction = self.decoder(self.quantizer.vectors(codes)).log_prob(images)
        log_prior = self.prior_network.log_prob(codes)
        shares = tf.reduce_mean(tf.one_hot(codes, self.code_count), axis=[1, 2])
        terms = {"elbo": reconstruction + log_prior, "reconstruction": reconstruction}
        return Statistics(terms | {"log_prior": log_prior}, self._flat(codes), {"code_use": shares})

    def scalars(self, embeddings: np.ndarray | None) -> Mapping[str, float | int]:
        """The perplexity of the codes, and the number of codes in use, by name.

        Args:
            embeddings: The vectors of the codes of each image, `[count, dimensions]`.
        """
        assert embeddings is not None
        vectors = embeddings.reshape(-1, self.quantizer.size)
        counts = np.bincount(self.quantizer.numbers(vectors), minlength=self.code_count)
        return {"perplexity": usage.perplexity(counts), "used_codes": int(np.sum(counts > 0))}

    def log_weights(self, images: tf.Tensor) -> Callable[[int, tf.Tensor], tf.Tensor]:
        """The bound, for whoever asks for log importance weights: the encoder has one map of codes
        for an image, and so all weights are the same.

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them.

        Returns:
            A function from a number of samples and a seed, which is not used, to log weights
            `[samples, batch]`, in nats.
        """
        found = self.statistics(images, tf.constant([0, 0])).terms["elbo"]
        return lambda samples, seed: tf.tile(found[None], [samples, 1])

    def plan(self, dataset: Dataset, new_optimizer: NewOptimizer) -> Plan:
        """A new plan, which trains the autoencoder and then the prior.

        Args:
            dataset: The images that the model will be trained and validated on.
            new_optimizer: Makes the configuration's optimizer for some weights.
        """
        from kvae.models.quantized.plan import TwoStagePlan

        return TwoStagePlan(self, dataset, new_optimizer)

    def _flat(self, codes: tf.Tensor) -> tf.Tensor:
        """The vectors of maps of codes, `[batch, dimensions]`."""
        numbers = math.prod(self.config.model.map_shape) * self.quantizer.size
        return tf.reshape(self.quantizer.vectors(codes), (-1, numbers))


class QuantizedMapModel(QuantizedModel):
    """A quantized autoencoder whose codes have places in the image, so that it completes images."""

    def complete(self, images: tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """Images with the same upper half, `height // 2` rows, and another lower half.

        The codes of the upper half are given, and the prior draws the others. As the encoder sees
        some rows below those of a code, the lower half is first replaced by the mirrored upper
        half.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1]. Their lower halves are not
                used.
            seed: An integer or int32 `[2]`; decides the random numbers.
        """
        images, height = self.checked(images), self.config.model.image_shape[0]
        upper = images[:, : height // 2]
        mirrored = tf.concat([upper, tf.reverse(upper, [1])], axis=1)
        rows = self.config.model.map_shape[0] // 2
        drawn = self.decode_codes(self._sampler.complete(self.codes(mirrored), rows, seed))
        return tf.concat([upper, drawn[:, height // 2 :]], axis=1)
