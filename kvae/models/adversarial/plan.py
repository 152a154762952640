"""How an adversarial network is trained: discriminator and generator take steps in turn."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvae.data import Dataset, random_numbers
from kvae.data.dataset import spread
from kvae.data.pixels import algorithm
from kvae.models.adversarial import METRICS
from kvae.models.adversarial.losses import LOSSES
from kvae.models.chunks import in_chunks, rows_at_once
from kvae.models.plan import (
    Batch,
    Evaluation,
    GradientUpdate,
    NewOptimizer,
    Plan,
    Sums,
    Update,
    averages,
    kernels,
)
from kvae.models.samples import covered, recalled, told_apart

if TYPE_CHECKING:
    from kvae.models.adversarial.model import AdversarialModel

COMPARED = 2000
"""The largest number of held-out images that samples are compared with after an epoch."""
MADE = 5000
"""The largest number of these samples."""
CHUNK = 500
"""The largest number of images that are generated and judged at a time."""
# Separates the random numbers of evaluation from those of training under the same seed.
STREAM = 1


class AdversarialPlan(Plan):
    """Trains the discriminator and then the generator in each step.

    Args:
        model: The model, whose weights are changed in place.
        dataset: The images that it is trained and validated on.
        new_optimizer: Makes the configuration's optimizer for some weights.
    """

    metrics = ("generator_loss", "discriminator_loss", "penalty")
    best = METRICS[0]

    def __init__(
        self, model: "AdversarialModel", dataset: Dataset, new_optimizer: NewOptimizer
    ) -> None:
        self._model, config = model, model.config
        self._objective, self._algorithm = config.objective, algorithm(config.training.jit)
        self._train = dataset.train.spread(MADE).images / np.float32(255)
        self._loss = LOSSES[config.objective.loss]()
        # The standard deviation of p(x|z) is no part of the generator's images.
        noise = {id(weight) for weight in model.decoder.likelihood.shared.values()}
        self._weights = [
            *(weight for weight in model.decoder.trainable_variables if id(weight) not in noise),
            *model.prior.trainable_variables,
        ]
        judging = model.discriminator.trainable_variables
        steps = config.objective.discriminator_steps
        of_discriminator = new_optimizer(judging, kernels(judging), steps_per_batch=steps)
        self._optimizer = new_optimizer(self._weights, kernels(self._weights))
        self.updates: list[Update] = [
            *(
                GradientUpdate(judging, of_discriminator, partial(self._judge, step))
                for step in range(1, steps + 1)
            ),
            GradientUpdate(self._weights, self._optimizer, self._mislead),
        ]
        optimizers = of_discriminator, self._optimizer
        self.state = [variable.value for each in optimizers for variable in each.variables]
        latents = tf.TensorSpec((None, config.model.latent))
        images = tf.TensorSpec((None, *config.model.image_shape))
        self._generate = tf.function(model.mean_images, [latents], autograph=False)
        self._score = tf.function(model.discriminate, [images], autograph=False)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """While it lasts, generator and prior have the moving averages of their weights, if there
        are any.

        The discriminator keeps its weights.
        """
        with averages(self._weights, self._optimizer):
            yield

    def validate(self, images: np.ndarray, labels: np.ndarray | None = None) -> Evaluation:
        """Whether each image is covered by as many samples as there are training images, and is
        within their reach; and how well the discriminator tells images and samples from each other.

        Coverage alone is high for blurred samples, which are near to many images.

        Args:
            images: uint8 `[count, height, width, channels]`. Of more than `COMPARED`, those at even
                distances are taken.
            labels: Not used: the model is not conditional.
        """
        real = images[spread(len(images), COMPARED)] / np.float32(255)
        seed = tf.constant([self._model.config.training.seed, STREAM])
        latents = self._model.prior.distribution().sample(len(self._train), seed=seed).numpy()
        made = self._in_chunks(self._generate, latents)
        scores = (self._in_chunks(self._score, images) for images in (real, made))
        coverage = covered(real, made, self._train).astype(np.float32)
        recall = recalled(real, made).astype(np.float32)
        return Evaluation(
            {
                "variety": (coverage + recall) / 2,
                "coverage": coverage,
                "recall": recall,
                "told_apart": told_apart(*scores),
            }
        )

    def _in_chunks(
        self, function: Callable[[tf.Tensor], tf.Tensor], rows: np.ndarray
    ) -> np.ndarray:
        """What a function gives for rows, of which it gets at most `CHUNK` at a time."""
        chunk = rows_at_once(self._model.config, min(CHUNK, len(rows)))
        found: np.ndarray = in_chunks(
            lambda _, some: function(tf.constant(rows[some])), len(rows), chunk
        )
        return found

    def _made(self, batch: Batch, number: int) -> tf.Tensor:
        """As many generated images as the batch has, not clipped, so that all have a gradient.

        Args:
            batch: The batch.
            number: 0 for the generator's step, and the number of the discriminator's steps.
        """
        seed = tf.random.experimental.stateless_fold_in(batch.seed, number)
        draw = partial(self._model.prior.sample, seed=seed, generator=self._algorithm)
        latents = random_numbers.sample_rows(draw, batch.images.shape[0])
        return self._model.decode(latents).mean()

    def _judge(self, step: int, batch: Batch) -> tuple[tf.Tensor, Sums]:
        """The discriminator's loss; `step` is the number of the step with this batch, from 1."""
        made = tf.stop_gradient(self._made(batch, step))
        seed = tf.random.experimental.stateless_fold_in(batch.seed, -step)
        judged = self._loss.discriminator(
            self._model.discriminator, batch.images, made, seed, self._algorithm
        )
        loss, penalty = (tf.reduce_sum(batch.weight * each) for each in judged)
        total = loss + self._objective.gradient_penalty * penalty
        return total / batch.total, {"discriminator_loss": loss, "penalty": penalty}

    def _mislead(self, batch: Batch) -> tuple[tf.Tensor, Sums]:
        """The generator's loss."""
        scores = self._model.discriminator(self._made(batch, 0))
        loss = tf.reduce_sum(batch.weight * self._loss.generator(scores))
        return loss / batch.total, {"generator_loss": loss}
