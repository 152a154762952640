"""What discriminator and generator minimise, with the penalty on the discriminator's gradient.

`Loss` says what a loss must offer. All values are of each image of a batch, `[batch]`.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from kvae.data import random_numbers
from kvae.models.elementary import softplus

Score = Callable[[tf.Tensor], tf.Tensor]
"""A discriminator: from images `[batch, height, width, channels]` to scores `[batch]`."""
TINY = 1e-12
"""Keeps the gradient of a square root finite at zero."""


class Judged(NamedTuple):
    """What the discriminator minimises, without and with weight.

    Attributes:
        loss: Its loss for each real image and the generated one beside it, `[batch]`.
        penalty: The penalty on its gradient with respect to images, with weight 1, `[batch]`.
    """

    loss: tf.Tensor
    penalty: tf.Tensor


class Loss:
    """The losses of the two networks."""

    def discriminator(
        self, score: Score, real: tf.Tensor, made: tf.Tensor, seed: tf.Tensor, generator: str
    ) -> Judged:
        """The discriminator's loss and its penalty.

        Args:
            score: The discriminator.
            real: Real images, float32 `[batch, height, width, channels]`.
            made: Generated images, of the same shape.
            seed: int32 `[2]`; decides where the gradient is taken, if that is random.
            generator: `philox` or `threefry`, as `kvae.data.pixels.algorithm` returns it.
        """
        raise NotImplementedError

    def generator(self, scores: tf.Tensor) -> tf.Tensor:
        """What the generator minimises, `[batch]`.

        Args:
            scores: The scores of generated images, `[batch]`.
        """
        raise NotImplementedError


class NonSaturating(Loss):
    """The logistic loss with the generator's non-saturating form (Goodfellow et al., 2014, Section
    3), and the penalty R1 on the gradient at real images (Mescheder et al., 2018, Equation 9)."""

    def discriminator(
        self, score: Score, real: tf.Tensor, made: tf.Tensor, seed: tf.Tensor, generator: str
    ) -> Judged:
        scores, squared_norm = _with_gradient(score, real)
        return Judged(softplus(-scores) + softplus(score(made)), 0.5 * squared_norm)

    def generator(self, scores: tf.Tensor) -> tf.Tensor:
        return softplus(-scores)


class Wasserstein(Loss):
    """The difference of mean scores, with a penalty on gradients whose norm is not 1 between real
    and generated images (Gulrajani et al., 2017, Equation 3 and Algorithm 1)."""

    def discriminator(
        self, score: Score, real: tf.Tensor, made: tf.Tensor, seed: tf.Tensor, generator: str
    ) -> Judged:
        rows = tf.constant([real.shape[0], 1, 1, 1])
        share = random_numbers.uniform(rows, seed, generator)
        _, squared_norm = _with_gradient(score, share * real + (1 - share) * made)
        return Judged(score(made) - score(real), (tf.sqrt(squared_norm + TINY) - 1) ** 2)

    def generator(self, scores: tf.Tensor) -> tf.Tensor:
        return -scores


LOSSES = {"non-saturating": NonSaturating, "wasserstein": Wasserstein}
"""The losses by the names that users give them."""


def _with_gradient(score: Score, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The score of each image, and the squared norm of its gradient by the image; `[batch]`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        scores = score(images)
    return scores, tf.reduce_sum(tape.gradient(scores, images) ** 2, axis=[1, 2, 3])
