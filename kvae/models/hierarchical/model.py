"""The hierarchical variational autoencoder, conditional or not."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.data import Dataset
from kvae.models.hierarchical.autoencoder import Hierarchy
from kvae.models.hierarchical.decoder import Decoder, Path
from kvae.models.hierarchical.encoder import Encoder
from kvae.models.hierarchical.posterior import Posterior
from kvae.models.hierarchical.prior import JointPrior, JointPriorGiven
from kvae.models.plan import NewOptimizer, Plan
from kvae.models.vae.conditional import ConditionalVAE, Given
from kvae.models.vae.model import VAE


class HierarchicalVAE(Hierarchy, VAE):
    """A variational autoencoder with levels of latents.

    Its latents are u of all levels one after the other, from the image upwards, as
    `kvae.models.hierarchical.decoder` explains. In them it has all that a flat model has: a prior,
    a posterior, and a decoder.
    """

    encoder: Encoder
    decoder: Decoder
    prior: JointPrior

    def image(self, path: Path, dropout_seed: tf.Tensor | None = None) -> tfd.Distribution:
        """p(x|z): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            path: The generative path that the image is decoded from.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        return self.decoder.image(path, dropout_seed)

    def plan(self, dataset: Dataset, new_optimizer: NewOptimizer) -> Plan:
        """A new plan, which follows the gradient of the configuration's objective.

        Args:
            dataset: The images that the model will be trained and validated on.
            new_optimizer: Makes the configuration's optimizer for some weights.
        """
        from kvae.models.hierarchical.plan import HierarchicalPlan

        return HierarchicalPlan(self, dataset, new_optimizer)


class ConditionalHierarchicalVAE(ConditionalVAE, HierarchicalVAE):
    """A hierarchical variational autoencoder of p(x|y), where y is the label of an image.

    Images have one more channel for the posterior, the top level's prior is scaled and shifted, and
    the networks of the generative path see the label beside the latents of the top level.
    """

    def with_one_hot(self, labels: tf.Tensor) -> "HierarchyGiven":
        """The model with the labels of images fixed, which are not checked.

        Args:
            labels: One-hot labels, float32 `[batch, classes]`, or `[classes]` for all images.
        """
        return HierarchyGiven(self, labels)


class HierarchyGiven(Hierarchy, Given):
    """A conditional model with the labels of images fixed.

    Args:
        model: The model.
        labels: One-hot labels, float32 `[batch, classes]`, or `[classes]` for all images.
    """

    _model: ConditionalHierarchicalVAE

    def __init__(self, model: ConditionalHierarchicalVAE, labels: tf.Tensor) -> None:
        super().__init__(model, labels)
        self.prior = JointPriorGiven(model.prior, labels)

    def encoder(self, images: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> Posterior:
        """q(u|x, y): batch shape `[batch]`, event shape `[latents]`.

        Args:
            images: float32 `[batch, height, width, channels]`.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.

        Raises:
            UsageError: There are not as many images as labels.
        """
        return self._model.encoder.given(images, self._rows(images, "images"), dropout_seed)

    def image(self, path: Path, dropout_seed: tf.Tensor | None = None) -> tfd.Distribution:
        """p(x|z, y): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            path: The generative path that the image is decoded from, with the labels.
            dropout_seed: int32 `[2]`; decides which hidden units are dropped. None drops none.
        """
        return self._model.decoder.image(path, dropout_seed)
