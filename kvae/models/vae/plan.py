"""How a VAE is trained: one optimizer follows the gradient of one objective."""

from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from kvae import registry
from kvae.data import Dataset
from kvae.models.evaluator import CHUNK, Evaluator
from kvae.models.plan import Batch, Evaluation, GradientUpdate, NewOptimizer, Plan, Sums
from kvae.models.vae import METRICS
from kvae.models.vae.bounds import Weighting

if TYPE_CHECKING:
    from kvae.models.vae.model import VAE


class VariationalPlan(Plan):
    """Maximises the objective of a VAE's configuration.

    Args:
        model: Its weights are changed in place.
        dataset: What it is trained and validated on.
        new_optimizer: Makes the configuration's optimizer for some weights.
    """

    metrics = ("elbo", "reconstruction", "kl", "objective")
    best = METRICS[0]

    def __init__(self, model: "VAE", dataset: Dataset, new_optimizer: NewOptimizer) -> None:
        self._model, self._count = model, len(dataset.train)
        self._objective = model.config.objective
        weights = model.trainable_variables
        optimizer = new_optimizer(weights, decayed=kernels(model.encoder) + kernels(model.decoder))
        self.updates = [GradientUpdate(weights, optimizer, self._loss)]
        self.state = [variable.value for variable in optimizer.variables]
        chunk = min(CHUNK, max(len(dataset.validation), len(dataset.test)))
        self._evaluator = Evaluator(model, model.config.training.seed, chunk)

    def settings(self, epoch: int) -> dict[str, float]:
        """The KL's weight in an epoch."""
        return {"beta": self._objective.beta_in(epoch)}

    def notes(self, epoch: int) -> dict[str, str]:
        """The name of what is maximised in an epoch."""
        return {"objective": self._objective.name_in(epoch)}

    def validate(self, images: np.ndarray) -> Evaluation:
        """ELBO, its parts and active units of uint8 images."""
        return self._evaluator(images)

    def _loss(self, batch: Batch) -> tuple[tf.Tensor, Sums]:
        objective = self._objective
        weighting = Weighting(
            batch.settings["beta"],
            objective.free_bits,
            objective.importance_samples,
            objective.doubly_reparameterized,
        )
        estimator = registry.resolve(registry.ESTIMATORS, objective.estimator)
        terms = estimator(self._model, batch.images, batch.seed, weighting)
        loss = batch_loss(self._model, terms.objective, batch, self._count)
        values = (terms.elbo, terms.reconstruction, terms.kl, terms.objective)
        sums = tf.unstack(tf.reduce_sum(batch.weight * tf.stack(values), axis=1))
        return loss, dict(zip(self.metrics, sums, strict=True))


def batch_loss(model: "VAE", objective: tf.Tensor, batch: Batch, count: int) -> tf.Tensor:
    """Minus the weighted mean of a batch's objective, and its share of the decoder's weight prior.

    Args:
        model: Its decoder has the weights; its configuration has `weight_prior`.
        objective: What is maximised, in nats, of the batch's rows, `[rows]`.
        batch: The images' weights, and the share of the whole batch that they are.
        count: Number of training images, among which the prior's log density is divided.
    """
    loss = -tf.reduce_sum(batch.weight * objective) / batch.total
    precision = model.config.objective.weight_prior
    if precision:
        squares = [tf.reduce_sum(w**2) for w in model.decoder.trainable_variables]
        loss += 0.5 * batch.share * precision * tf.add_n(squares) / count
    return loss


def kernels(network: keras.Model) -> list[tf.Variable]:
    """The weight matrices of a network."""
    return [weight for weight in network.trainable_variables if len(weight.shape) == 2]
