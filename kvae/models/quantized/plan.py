"""How a quantized autoencoder is trained: first the autoencoder, then the prior over its codes."""

import math
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvae.data import Dataset
from kvae.data.pixels import algorithm
from kvae.models.evaluator import Evaluator
from kvae.models.plan import (
    Batch,
    Computed,
    Evaluation,
    GradientUpdate,
    NewOptimizer,
    Plan,
    Sums,
    Update,
    by_newton,
    kernels,
    summed_over_devices,
)
from kvae.models.quantized import METRICS
from kvae.models.quantized.quantizers import Usage, VectorQuantizer

if TYPE_CHECKING:
    from kvae.models.quantized.model import QuantizedModel

CODE_STREAM = 1
"""Keeps the random numbers of codes apart from those of dropout."""
SHARED_STEP = 0.05
"""Standard deviations that images share are learned by Newton's method, with this share of its
steps: steps of the other weights' length would take thousands of them."""
CHUNK = 500
"""The number of images that are evaluated at a time."""


class CodebookUpdate:
    """Moves a codebook towards the outputs of the encoder.

    Args:
        model: The model, whose quantizer has a codebook.
        quantizer: The model's quantizer.
    """

    def __init__(self, model: "QuantizedModel", quantizer: VectorQuantizer) -> None:
        self._model, self._quantizer = model, quantizer
        self._positions = math.prod(model.config.model.map_shape)
        self._jit = model.config.training.jit

    def compute(self, batch: Batch) -> tuple[Computed, Sums]:
        """Compute how the batch uses the codebook.

        Args:
            batch: The images, or this device's rows of them.
        """
        features = tf.reshape(self._model.encoder(batch.images), (-1, self._quantizer.size))
        weight = tf.repeat(batch.weight, self._positions)
        usage = self._quantizer.usage(features, weight, batch.seed, algorithm(self._jit))
        # The devices' candidates are averaged.
        return [usage.counts, usage.sums, batch.share * usage.candidates], {}

    def apply(self, computed: Computed) -> None:
        """Move the codebook.

        Args:
            computed: What `compute` returned first.
        """
        self._quantizer.learn(Usage(*summed_over_devices(computed)))


class TwoStagePlan(Plan):
    """Trains encoder, decoder and codebook; and then the prior, with the others as they are.

    While the autoencoder is trained, all codes count as equally probable.

    Args:
        model: The model, whose weights are changed in place.
        dataset: The images that it is trained and validated on.
        new_optimizer: Makes the configuration's optimizer for some weights.
    """

    metrics = ("elbo", "reconstruction", "log_prior")
    best = METRICS[0]

    def __init__(
        self, model: "QuantizedModel", dataset: Dataset, new_optimizer: NewOptimizer
    ) -> None:
        self._model, config = model, model.config
        self._first = config.objective.autoencoder_epochs
        self._log_uniform = -math.prod(config.model.map_shape) * math.log(model.code_count)
        networks = [model.encoder, model.decoder]
        apart = by_newton(model.decoder.likelihood, SHARED_STEP, config.model.image_shape)
        alone = {id(weight) for weight, _ in apart}
        of_autoencoder = [
            weight
            for each in networks
            for weight in each.trainable_variables
            if id(weight) not in alone
        ]
        of_prior = model.prior_network.trainable_variables
        last = config.training.epochs - self._first
        optimizers = [
            new_optimizer(weights, decayed=kernels(weights), epochs=max(1, epochs))
            for weights, epochs in ((of_autoencoder, self._first), (of_prior, last))
        ]
        every = [*optimizers, *(of_one for _, of_one in apart)]
        self.state = [variable.value for each in every for variable in each.variables]
        autoencoder: list[Update] = [
            GradientUpdate(of_autoencoder, optimizers[0], self._autoencoder_loss, apart)
        ]
        quantizer = model.quantizer
        if isinstance(quantizer, VectorQuantizer):
            autoencoder.insert(0, CodebookUpdate(model, quantizer))
        prior: list[Update] = [GradientUpdate(of_prior, optimizers[1], self._prior_loss)]
        self._stages = autoencoder, prior
        self.updates = autoencoder
        chunk = min(CHUNK, max(len(dataset.validation), len(dataset.test)))
        self._evaluator = Evaluator(model, config.training.seed, chunk)

    def enter(self, epoch: int) -> bool:
        """Prepare for an epoch of the autoencoder's stage or of the prior's.

        Args:
            epoch: Number of the epoch, from 1.

        Returns:
            Whether it is of another stage than the epoch before.
        """
        updates = self._stages[epoch > self._first]
        changed = updates is not self.updates
        self.updates = updates
        return changed

    def ends_stage(self, epoch: int) -> bool:
        """Whether an epoch is the last one of the autoencoder: the prior is trained on the codes of
        its best epoch.

        Args:
            epoch: Number of the epoch, from 1.
        """
        return epoch == self._first

    def notes(self, epoch: int) -> dict[str, str]:
        """What an epoch maximises, by the name of its column.

        Args:
            epoch: Number of the epoch, from 1.
        """
        return {"objective": "log p(codes)" if epoch > self._first else "log p(x|codes)"}

    def validate(self, images: np.ndarray, labels: np.ndarray | None = None) -> Evaluation:
        """The bound and its parts, and how the codes are used.

        Args:
            images: uint8 `[count, height, width, channels]`.
            labels: Not used: the model is not conditional.
        """
        return self._evaluator(images)

    def _autoencoder_loss(self, batch: Batch) -> tuple[tf.Tensor, Sums]:
        model = self._model
        vectors, distances = model.quantizer.straight_through(model.encoder(batch.images))
        reconstruction = model.decoder(vectors).log_prob(batch.images)
        commitment = model.config.objective.commitment * tf.reduce_sum(distances, axis=[1, 2])
        loss = tf.reduce_sum(batch.weight * (commitment - reconstruction)) / batch.total
        return loss, self._sums(
            batch, reconstruction, tf.fill(batch.weight.shape, self._log_uniform)
        )

    def _prior_loss(self, batch: Batch) -> tuple[tf.Tensor, Sums]:
        model = self._model
        features = model.encoder(batch.images)
        codes = tf.stop_gradient(model.quantizer.codes(features))
        temperature, learned = model.config.objective.code_temperature, codes
        if temperature:
            code_seed = tf.random.experimental.stateless_fold_in(batch.seed, CODE_STREAM)
            learned = tf.stop_gradient(
                model.quantizer.random_codes(
                    features, temperature, code_seed, algorithm(model.config.training.jit)
                )
            )
        log_prior = model.prior_network.log_prob(learned, batch.seed)
        reconstruction = model.decoder(model.quantizer.vectors(codes)).log_prob(batch.images)
        loss = -tf.reduce_sum(batch.weight * log_prior) / batch.total
        return loss, self._sums(batch, reconstruction, log_prior)

    def _sums(self, batch: Batch, reconstruction: tf.Tensor, log_prior: tf.Tensor) -> Sums:
        values = tf.stack([reconstruction + log_prior, reconstruction, log_prior])
        sums = tf.unstack(tf.reduce_sum(batch.weight * values, axis=1))
        return dict(zip(self.metrics, sums, strict=True))
