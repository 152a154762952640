"""How a VAE is trained: one optimizer follows the gradient of one objective."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvae import registry
from kvae.data import Dataset
from kvae.models.aggregated import SAMPLES, latents_of
from kvae.models.base import given, labels_of
from kvae.models.evaluator import CHUNK, Evaluator
from kvae.models.plan import (
    Batch,
    Evaluation,
    GradientUpdate,
    NewOptimizer,
    Plan,
    Sums,
    averages,
    by_newton,
    kernels,
)
from kvae.models.priors import Mixture
from kvae.models.vae import METRICS
from kvae.models.vae.bounds import Weighting
from kvae.progress import Progress, silent

if TYPE_CHECKING:
    from kvae.models.vae.model import VAE


class VariationalPlan(Plan):
    """Maximises the objective of a VAE's configuration.

    Args:
        model: The VAE, whose weights are changed in place.
        dataset: The images that it is trained and validated on.
        new_optimizer: Makes the configuration's optimizer for some weights.
    """

    metrics: tuple[str, ...] = ("elbo", "reconstruction", "kl", "objective")
    best = METRICS[0]

    def __init__(self, model: "VAE", dataset: Dataset, new_optimizer: NewOptimizer) -> None:
        self._model, self._dataset, self._count = model, dataset, len(dataset.train)
        if isinstance(self._prior, Mixture):
            self._prior.begin()
        self._labels = labels_of(model, dataset, dataset.train)
        self._objective = model.config.objective
        config = model.config.model
        apart = by_newton(model.decoder.likelihood, self._objective.shared_step, config.image_shape)
        alone = {id(weight) for weight, _ in apart}
        weights = [weight for weight in model.trainable_variables if id(weight) not in alone]
        networks = model.encoder.trainable_variables + model.decoder.trainable_variables
        optimizer = new_optimizer(weights, decayed=kernels(networks))
        self._weights, self._optimizer = weights, optimizer
        self.updates = [GradientUpdate(weights, optimizer, self._loss, apart)]
        optimizers = [optimizer, *(of_one for _, of_one in apart)]
        self.state = [variable.value for each in optimizers for variable in each.variables]
        self._evaluator = self._new_evaluator()

    @property
    def _prior(self) -> Any:
        """The prior of the last of the latents: of all of them, unless there are levels."""
        return self._model.prior

    def _new_evaluator(self) -> Evaluator:
        chunk = min(CHUNK, max(len(self._dataset.validation), len(self._dataset.test)))
        return Evaluator(self._model, self._model.config.training.seed, chunk)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """While it lasts, the model has the moving averages of its weights, if there are any."""
        with averages(self._weights, self._optimizer):
            yield

    def settings(self, epoch: int) -> dict[str, float]:
        """The weight of the KL in an epoch, by name.

        Args:
            epoch: Number of the epoch, from 1.
        """
        return {"beta": self._objective.beta_in(epoch)}

    def notes(self, epoch: int) -> dict[str, str]:
        """The name of the objective in an epoch, by the name of its column.

        Args:
            epoch: Number of the epoch, from 1.
        """
        return {"objective": self._objective.name_in(epoch)}

    def validate(self, images: np.ndarray, labels: np.ndarray | None = None) -> Evaluation:
        """The ELBO and its parts, and the number of active units.

        Args:
            images: uint8 `[count, height, width, channels]`.
            labels: The number of each image's label, `[count]`, for a conditional model.
        """
        return self._evaluator(images, labels)

    def finish(self, progress: Progress = silent) -> None:
        """Fit the prior to the latents, if it is a mixture that is the same for all labels.

        Args:
            progress: Shows how many mixtures were tried.
        """
        prior = self._prior
        if isinstance(prior, Mixture) and self._labels is None:
            splits = self._dataset.train, self._dataset.validation
            seed = self._model.config.training.seed
            latents, held_out = (
                latents_of(self._model, each, SAMPLES, seed)[:, -prior.latent :] for each in splits
            )
            prior.fit(latents, held_out, len(self._dataset.train), seed, progress)
            # The old one was compiled with the prior of the training.
            self._evaluator = self._new_evaluator()

    def _loss(self, batch: Batch) -> tuple[tf.Tensor, Sums]:
        objective = self._objective
        weighting = Weighting(
            batch.settings["beta"],
            objective.free_bits,
            objective.importance_samples,
            objective.doubly_reparameterized,
        )
        estimator = registry.resolve(registry.ESTIMATORS, objective.estimator)
        labels = None if self._labels is None else tf.gather(self._labels, batch.index)
        model = given(self._model, labels)
        terms = estimator(model, batch.images, batch.seed, weighting)
        loss = batch_loss(self._model, terms.objective, batch, self._count)
        values = (terms.elbo, terms.reconstruction, terms.kl, terms.objective)
        sums = tf.unstack(tf.reduce_sum(batch.weight * tf.stack(values), axis=1))
        return loss, dict(zip(self.metrics, sums, strict=True))


def batch_loss(model: "VAE", objective: tf.Tensor, batch: Batch, count: int) -> tf.Tensor:
    """The loss of a batch: minus the weighted mean of the objective, and of the weight prior.

    The log density of the prior on the decoder's weights is divided by the number of training
    images, because the loss is a mean over images.

    Args:
        model: The VAE, whose configuration has `weight_prior`.
        objective: The objective of each image of the batch, `[rows]`, in nats.
        batch: The batch that the images are of, or this device's rows of it.
        count: Number of training images.
    """
    loss = -tf.reduce_sum(batch.weight * objective) / batch.total
    precision = model.config.objective.weight_prior
    if precision:
        squares = [tf.reduce_sum(w**2) for w in model.decoder.trainable_variables]
        loss += 0.5 * batch.share * precision * tf.add_n(squares) / count
    return loss
