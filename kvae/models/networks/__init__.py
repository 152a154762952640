"""The encoder and the decoder: multilayer perceptrons that return distributions."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae import registry
from kvae.config import ModelConfig
from kvae.data import random_numbers
from kvae.data.pixels import algorithm
from kvae.models.initialization import Initialization


class _Perceptron(keras.Model):
    """Hidden layers, each followed by dropout in training."""

    def __init__(
        self,
        units: tuple[int, ...],
        config: ModelConfig,
        initialization: Initialization,
        jit: bool,
    ) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.generator = algorithm(jit)
        self.hidden = [initialization.dense(count, activation=config.activation) for count in units]

    def _features(self, features: tf.Tensor, dropout_seed: tf.Tensor | None) -> tf.Tensor:
        for index, layer in enumerate(self.hidden):
            features = layer(features)
            if dropout_seed is not None and self.dropout:
                # Keras's own layer keeps a state, which would have to be the same after a restart.
                seed = tf.random.experimental.stateless_fold_in(dropout_seed, index)
                uniform = random_numbers.uniform(tf.shape(features), seed, self.generator)
                kept = features * (1 / (1 - self.dropout))
                features = tf.where(uniform >= self.dropout, kept, 0.0)
        return features


class Encoder(_Perceptron):
    """q(z|x): hidden layers, then the posterior's heads.

    Maps float images `[batch, height, width, channels]` to a distribution with batch shape
    `[batch]` and event shape `[latent]`.

    Args:
        config: Of the model.
        seed: Decides the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(self, config: ModelConfig, seed: int = 0, jit: bool = True) -> None:
        initialization = Initialization(config.initial_stddev, seed, stream=0)
        super().__init__(config.hidden, config, initialization, jit)
        self.flatten = keras.layers.Flatten()
        self.posterior = registry.resolve(registry.POSTERIORS, config.posterior)(
            config, initialization
        )

    def call(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tfd.Distribution:
        """q(z|x); with a seed, int32 `[2]`, hidden units are dropped."""
        return self.posterior(self._features(self.flatten(images), dropout_seed))


class Decoder(_Perceptron):
    """p(x|z): the encoder's hidden layers mirrored, then the likelihood's heads.

    Maps latents `[batch, latent]` to a distribution with batch shape `[batch]` and event shape
    `[height, width, channels]`.

    Args:
        config: Of the model.
        seed: Decides the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(self, config: ModelConfig, seed: int = 0, jit: bool = True) -> None:
        initialization = Initialization(config.initial_stddev, seed, stream=1)
        super().__init__(config.hidden[::-1], config, initialization, jit)
        self.likelihood = registry.resolve(registry.LIKELIHOODS, config.likelihood)(
            config.image_shape, config.mean_activation, initialization
        )

    def call(self, latents: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tfd.Distribution:
        """p(x|z); with a seed, int32 `[2]`, hidden units are dropped."""
        return self.likelihood(self._features(latents, dropout_seed))
