"""Monte Carlo EM: a decoder and a prior trained without an encoder, on samples of p(z|x) by HMC."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from kvae.data import Dataset
from kvae.models.base import given, labels_of
from kvae.models.plan import Batch, NewOptimizer, Plan, Sums, after_all, kernels
from kvae.models.vae.model import VAE
from kvae.models.vae.plan import batch_loss
from kvae.training.feeding import epoch_order

LEAPFROG_STEPS = 10
UPDATES = 5
"""Weight updates with each sample."""
ACCEPTANCE = 0.9
"""Share of proposals that the step size of HMC is adapted to."""
FIRST_STEP_SIZE = 0.1
ADAPTATION_RATE = 0.5


class MonteCarloEM(Plan):
    """Trains a decoder and a prior by Monte Carlo EM with Hamiltonian Monte Carlo.

    Kingma & Welling (2014), Section 5 and Appendix E, after Wei & Tanner (1990). In the E-step one
    HMC transition of 10 leapfrog steps samples z from p(z|x) for each image of a batch. In the
    M-step 5 updates of the weights raise log p(x, z) at that z. Every image has a chain of its own,
    which starts at a sample from the prior and continues from epoch to epoch while the weights
    change. The encoder is not trained.

    After each transition the step size, one for all chains, is multiplied by
    exp(0.5 (accepted share - 0.9)).

    With `binarize="dynamic"` pixels are sampled anew in each epoch, and a chain has one transition
    to follow them.

    Args:
        model: The weights of its decoder and its prior are changed in place.
        dataset: What it is trained on; there is no validation.
        new_optimizer: Makes the configuration's optimizer for some weights.

    Attributes:
        latents: The chains' states, float32 `[count, latent]`, in the order of the images.
        step_size: Of the leapfrog steps; float32 scalar.
    """

    metrics = ("joint", "acceptance")

    def __init__(self, model: VAE, dataset: Dataset, new_optimizer: NewOptimizer) -> None:
        count = self._count = len(dataset.train)
        self._model = model
        self._weights = [*model.decoder.trainable_variables, *model.prior.trainable_variables]
        self._optimizer = new_optimizer(
            self._weights,
            decayed=kernels(model.decoder.trainable_variables),
            steps_per_batch=UPDATES,
        )
        # Epochs count from 1: the seed of epoch 0 is free.
        _, seed = epoch_order(model.config.training.seed, 0, count)
        self._labels = labels_of(model, dataset, dataset.train)
        prior = given(model, self._labels).prior.distribution()
        first = prior.sample(count if self._labels is None else (), seed=seed)
        self.latents = tf.Variable(first, trainable=False)
        self.step_size = tf.Variable(FIRST_STEP_SIZE, trainable=False)
        self.state = [
            *(variable.value for variable in self._optimizer.variables),
            self.latents,
            self.step_size,
        ]

    def step(self, batch: Batch) -> Sums:
        """An E-step and an M-step; sums of log p(x, z) before the M-step, and of acceptance."""
        labels = None if self._labels is None else tf.gather(self._labels, batch.index)
        model = given(self._model, labels)
        prior = model.prior.distribution()
        kernel = tfp.mcmc.HamiltonianMonteCarlo(
            lambda latents: self._joint(model, batch.images, latents, prior),
            tf.convert_to_tensor(self.step_size),
            LEAPFROG_STEPS,
        )
        chains = tf.gather(self.latents, batch.index)
        # The weights have changed since these chains' last transition.
        before = kernel.bootstrap_results(chains)
        latents, after = kernel.one_step(chains, before, batch.seed)
        # Images that only fill up the last batch keep their chains as they are.
        index = tf.where(batch.weight > 0, batch.index, self._count)
        self.latents.assign(_scattered(self.latents, index, latents))

        def update(number: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                joint = self._joint(model, batch.images, latents, model.prior.distribution())
                loss = batch_loss(self._model, joint, batch, self._count)
            self._optimizer.apply(after_all(tape.gradient(loss, self._weights)), self._weights)
            return number + 1

        tf.while_loop(lambda number: number < UPDATES, update, [0])
        accepted = tf.cast(after.is_accepted, tf.float32)
        share = tf.reduce_sum(batch.weight * accepted) / batch.total
        self.step_size.assign(self.step_size * tf.exp(ADAPTATION_RATE * (share - ACCEPTANCE)))
        parts = tf.stack([after.accepted_results.target_log_prob, accepted])
        joint, acceptance = tf.unstack(tf.reduce_sum(batch.weight * parts, axis=1))
        return {"joint": joint, "acceptance": acceptance}

    @staticmethod
    def _joint(
        model: Any, images: tf.Tensor, latents: tf.Tensor, prior: tfd.Distribution
    ) -> tf.Tensor:
        """log p(x, z), `[rows]`."""
        return model.decode(latents).log_prob(images) + prior.log_prob(latents)


def _scattered(values: tf.Tensor, index: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Values with some rows replaced; an index past the end replaces nothing."""
    padded = tf.concat([values, tf.zeros_like(rows[:1])], axis=0)
    return tf.tensor_scatter_nd_update(padded, index[:, None], rows)[:-1]
