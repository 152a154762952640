"""Monte Carlo EM: a decoder and a prior trained without an encoder, on samples of p(z|x) by HMC."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from kvae.config import TrainingConfig
from kvae.data.pixels import to_float
from kvae.models.vae.model import VAE
from kvae.training.epochs import batch_loss, build_optimizer, epoch_order, in_step

LEAPFROG_STEPS = 10
UPDATES = 5
"""Weight updates with each sample."""
ACCEPTANCE = 0.9
"""Share of proposals that HMC's step size is led to."""
FIRST_STEP_SIZE = 0.1
ADAPTATION_RATE = 0.5


class MonteCarloEM:
    """An epoch of Monte Carlo EM with Hamiltonian Monte Carlo as one compiled function.

    Kingma & Welling (2014), Section 5 and Appendix E, after Wei & Tanner (1990). In the E-step one
    HMC transition of 10 leapfrog steps draws z from p(z|x) for each image of a batch, in the
    M-step 5 updates of the weights raise log p(x, z) at that z. Every image has a chain of its
    own, which begins at a draw from the prior and goes on from epoch to epoch while the weights
    change. The encoder has no part in it but for what a `vamp` prior has of it, and stays as it is.

    After each transition the step size, one for all chains, is multiplied by
    exp(0.5 (accepted share - 0.9)).

    Random numbers, the last batch of an epoch and compilation are as in
    `kvae.training.epochs.CompiledEpoch`, but the images are always kept on the device, and an epoch
    is one call. The chains are part of the state: epochs are to be run in order, from 1. With
    `binarize="dynamic"` pixels are drawn anew in each epoch, and a chain has one transition to
    follow them.

    Args:
        model: The weights of its decoder and its prior are changed in place.
        optimizer: A Keras optimizer, which takes 5 steps a batch.
        images: uint8 `[count, height, width, channels]`.
        config: Batch size, seed, `weight_prior`, `weight_decay` and `jit`; nothing else of it is
            used.
        binarize: As in `kvae.config.DataConfig`.

    Attributes:
        latents: The chains' states, float32 `[count, latent]`, in the order of the images.
        step_size: Of the leapfrog steps; float32 scalar.
    """

    def __init__(
        self,
        model: VAE,
        optimizer: keras.Optimizer,
        images: np.ndarray,
        config: TrainingConfig,
        binarize: str,
    ) -> None:
        count, batch_size = len(images), min(config.batch_size, len(images))
        steps = -(-count // batch_size)
        rows = steps * batch_size
        weights = [*model.decoder.trainable_variables, *model.prior.trainable_variables]
        build_optimizer(optimizer, model, weights)

        def joint(floats: tf.Tensor, latents: tf.Tensor, prior: tfd.Distribution) -> tf.Tensor:
            return model.decode(latents).log_prob(floats) + prior.log_prob(latents)

        # Where the steps end is an argument, as in `CompiledEpoch`.
        @tf.function(jit_compile=config.jit, autograph=False)
        def run(
            pixels: tf.Tensor,
            latents: tf.Tensor,
            step_size: tf.Tensor,
            seed: tf.Tensor,
            end: tf.Tensor,
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            batches = tf.reshape(pixels, (steps, batch_size, *images.shape[1:]))

            def one(
                step: tf.Tensor, chains: tf.Tensor, step_size: tf.Tensor, totals: tf.Tensor
            ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
                step_seed = tf.random.experimental.stateless_fold_in(seed, step)
                pixel_seed, chain_seed = tf.unstack(
                    tf.random.experimental.stateless_split(step_seed, 2)
                )
                floats = to_float(batches[step], binarize, pixel_seed, config.jit)
                weight = tf.cast(step * batch_size + tf.range(batch_size) < count, tf.float32)
                total = tf.reduce_sum(weight)
                prior = model.prior.distribution()
                kernel = tfp.mcmc.HamiltonianMonteCarlo(
                    lambda latents: joint(floats, latents, prior), step_size, LEAPFROG_STEPS
                )
                # Afresh: the weights have changed since these chains' last transition.
                before = kernel.bootstrap_results(chains[step])
                latents, after = kernel.one_step(chains[step], before, chain_seed)

                def update(number: tf.Tensor) -> tf.Tensor:
                    with tf.GradientTape() as tape:
                        objective = joint(floats, latents, model.prior.distribution())
                        loss = batch_loss(model, objective, weight, total, 1.0, config, count)
                    optimizer.apply(in_step(tape.gradient(loss, weights)), weights)
                    return number + 1

                tf.while_loop(lambda number: number < UPDATES, update, [0])
                accepted = tf.cast(after.is_accepted, tf.float32)
                share = tf.reduce_sum(weight * accepted) / total
                parts = tf.stack([after.accepted_results.target_log_prob, accepted])
                return (
                    step + 1,
                    tf.tensor_scatter_nd_update(chains, [[step]], latents[None]),
                    step_size * tf.exp(ADAPTATION_RATE * (share - ACCEPTANCE)),
                    totals + tf.reduce_sum(weight * parts, axis=1),
                )

            chains = tf.reshape(latents, (steps, batch_size, -1))
            start = [tf.constant(0), chains, step_size, tf.zeros(2)]
            _, chains, step_size, totals = tf.while_loop(lambda step, *_: step < end, one, start)
            return tf.reshape(chains, (rows, -1)), step_size, totals

        self._run = run
        self._count, self._rows, self._seed = count, rows, config.seed
        self._steps = tf.constant(steps)
        self._images = tf.constant(images.reshape(count, -1))
        # Epochs count from 1: the seed of epoch 0 is free.
        _, first_seed = epoch_order(config.seed, 0, count)
        self.latents = model.prior.distribution().sample(count, seed=first_seed)
        self.step_size = tf.constant(FIRST_STEP_SIZE)
        nothing = tf.zeros((rows, self._images.shape[1]), tf.uint8)
        run(
            nothing,
            tf.zeros((rows, model.prior.latent)),
            self.step_size,
            first_seed,
            tf.constant(0),
        )

    def __call__(self, number: int) -> tuple[float, float]:
        """Run epoch `number`.

        Returns:
            Mean log p(x, z) an image, in nats, at the samples and before the updates with them; and
            the share of HMC's proposals that were accepted.
        """
        order, seed = epoch_order(self._seed, number, self._count)
        # What follows the last image only fills up the last batch.
        filled = np.resize(order, self._rows)
        pixels, latents = tf.gather(self._images, filled), tf.gather(self.latents, filled)
        latents, self.step_size, totals = self._run(
            pixels, latents, self.step_size, seed, self._steps
        )
        self.latents = tf.tensor_scatter_nd_update(
            self.latents, order[:, None], latents[: self._count]
        )
        joint, acceptance = (totals / self._count).numpy()
        return float(joint), float(acceptance)
