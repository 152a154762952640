"""How a hierarchical VAE is trained: as a flat one, with a KL for each level."""

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kvae.data import Dataset
from kvae.models.base import given
from kvae.models.hierarchical.bounds import Weighting
from kvae.models.hierarchical.config import kl_name
from kvae.models.plan import Batch, NewOptimizer, Sums
from kvae.models.vae.plan import VariationalPlan

if TYPE_CHECKING:
    from kvae.models.hierarchical.model import HierarchicalVAE


class HierarchicalPlan(VariationalPlan):
    """Maximises the objective of a hierarchical VAE's configuration.

    Args:
        model: The model, whose weights are changed in place.
        dataset: The images that it is trained and validated on.
        new_optimizer: Makes the configuration's optimizer for some weights.
    """

    _model: "HierarchicalVAE"

    def __init__(
        self, model: "HierarchicalVAE", dataset: Dataset, new_optimizer: NewOptimizer
    ) -> None:
        self._numbers = range(1, len(model.config.model.levels) + 1)
        self.metrics = ("elbo", "reconstruction", "kl", *map(kl_name, self._numbers), "objective")
        super().__init__(model, dataset, new_optimizer)

    @property
    def _prior(self) -> Any:
        return self._model.prior.top

    def settings(self, epoch: int) -> dict[str, float]:
        """The weight of each level's KL in an epoch, by name.

        Args:
            epoch: Number of the epoch, from 1.
        """
        betas = self._objective.betas_in(epoch, len(self._numbers))
        return {kl_name(number): beta for number, beta in zip(self._numbers, betas, strict=True)}

    def _loss(self, batch: Batch) -> tuple[tf.Tensor, Sums]:
        objective = self._objective
        weighting = Weighting(
            [batch.settings[kl_name(number)] for number in self._numbers],
            objective.free_bits,
            objective.importance_samples,
        )
        labels = None if self._labels is None else tf.gather(self._labels, batch.index)
        terms = given(self._model, labels).terms(batch.images, batch.seed, weighting)
        values = (terms.elbo, terms.reconstruction, terms.kl, *terms.levels, terms.objective)
        sums = tf.unstack(tf.reduce_sum(batch.weight * tf.stack(values), axis=1))
        loss = -sums[-1] / batch.total
        return loss, dict(zip(self.metrics, sums, strict=True))
