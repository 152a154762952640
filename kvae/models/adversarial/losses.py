"""What discriminator and generator minimise, and the penalty on the discriminator's gradient.

`Loss` says what a loss must offer. All values are of each image of a batch, `[batch]`.
"""

from collections.abc import Callable

import tensorflow as tf

from kvae.data import random_numbers
from kvae.models.elementary import softplus

Score = Callable[[tf.Tensor], tf.Tensor]
"""A discriminator: from images `[batch, height, width, channels]` to scores `[batch]`."""


class Loss:
    """The losses of the two networks."""

    def discriminator(self, real: tf.Tensor, made: tf.Tensor) -> tf.Tensor:
        """What the discriminator minimises, `[batch]`.

        Args:
            real: The scores of real images, `[batch]`.
            made: The scores of generated images, `[batch]`.
        """
        raise NotImplementedError

    def generator(self, made: tf.Tensor) -> tf.Tensor:
        """What the generator minimises, `[batch]`.

        Args:
            made: The scores of generated images, `[batch]`.
        """
        raise NotImplementedError

    def penalty(
        self, score: Score, real: tf.Tensor, made: tf.Tensor, seed: tf.Tensor, generator: str
    ) -> tf.Tensor:
        """The penalty on the discriminator's gradient with respect to images, with weight 1,
        `[batch]`.

        Args:
            score: The discriminator.
            real: Real images, float32 `[batch, height, width, channels]`.
            made: Generated images, of the same shape.
            seed: int32 `[2]`; decides where the gradient is taken.
            generator: `philox` or `threefry`, as `kvae.data.pixels.algorithm` returns it.
        """
        raise NotImplementedError


class NonSaturating(Loss):
    """The logistic loss with the generator's non-saturating form (Goodfellow et al., 2014, Section
    3), and the penalty R1 (Mescheder et al., 2018, Equation 9)."""

    def discriminator(self, real: tf.Tensor, made: tf.Tensor) -> tf.Tensor:
        return softplus(-real) + softplus(made)

    def generator(self, made: tf.Tensor) -> tf.Tensor:
        return softplus(-made)

    def penalty(
        self, score: Score, real: tf.Tensor, made: tf.Tensor, seed: tf.Tensor, generator: str
    ) -> tf.Tensor:
        return 0.5 * _squared_norm(score, real)


class Wasserstein(Loss):
    """The difference of mean scores, with a penalty on gradients whose norm is not 1 between real
    and generated images (Gulrajani et al., 2017, Equation 3 and Algorithm 1)."""

    def discriminator(self, real: tf.Tensor, made: tf.Tensor) -> tf.Tensor:
        return made - real

    def generator(self, made: tf.Tensor) -> tf.Tensor:
        return -made

    def penalty(
        self, score: Score, real: tf.Tensor, made: tf.Tensor, seed: tf.Tensor, generator: str
    ) -> tf.Tensor:
        rows = tf.constant([real.shape[0], 1, 1, 1])
        share = random_numbers.uniform(rows, seed, generator)
        norm = tf.sqrt(_squared_norm(score, share * real + (1 - share) * made) + TINY)
        return (norm - 1) ** 2


TINY = 1e-12
"""Keeps the gradient of a square root finite at zero."""
LOSSES = {"non-saturating": NonSaturating, "wasserstein": Wasserstein}
"""The losses by the names that users give them."""


def _squared_norm(score: Score, images: tf.Tensor) -> tf.Tensor:
    """The squared norm of the gradient of an image's score with respect to it, `[batch]`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        scores = score(images)
    return tf.reduce_sum(tape.gradient(scores, images) ** 2, axis=[1, 2, 3])
