"""Tight bounds on log p(x): importance weighting and annealing."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from kvae.data.pixels import to_float
from kvae.models.flows import unflowed
from kvae.progress import Progress, silent

ROWS_BYTES = 2**26
"""Decoded images at a time take about this much."""
# Separates these random numbers from those of training and of the ELBO under the same seed.
STREAM = 2

STEP_SIZES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.8)
ACCEPTANCE = 0.75
"""HMC's step size is that whose acceptance comes nearest to this."""
LEAPFROG_STEPS = 5
ANNEALED_BATCH = 20
SCALE_SAMPLES = 64


def importance_weighted_bound(
    model: Any,
    images: np.ndarray,
    samples: int,
    seed: int = 0,
    progress: Progress = silent,
    dequantize: bool = False,
) -> np.ndarray:
    """A lower bound on log p(x) by `samples` importance samples an image (Burda et al., 2016).

    Memory does not grow with the number of samples: a few are taken at a time.

    Args:
        model: Has log importance weights.
        images: uint8 `[count, height, width, channels]`.
        samples: Samples of z an image.
        seed: Decides all random numbers.
        progress: Shows how much is done.
        dequantize: Fill the gaps between grey levels with uniform noise, so that the density is
            a bound on the probability of 8-bit pixels, each of width 1/256 (Theis et al., 2016).

    Returns:
        `[count]`, in nats.
    """
    config, binarize = model.config.training, model.config.data.binarize
    pixels = math.prod(images.shape[1:])
    rows = max(1, ROWS_BYTES // (4 * pixels))
    # A few images with many samples each, so that the encoder runs once an image.
    batch = max(1, min(len(images), rows // min(samples, 50)))
    at_once = max(1, min(samples, rows // batch))

    @tf.function(jit_compile=config.jit, autograph=False)
    def bound(batch_images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        pixel_seed, latent_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        if dequantize:
            noise = tf.random.stateless_uniform(batch_images.shape, pixel_seed)
            floats = (tf.cast(batch_images, tf.float32) + noise) / 256
        else:
            floats = to_float(batch_images, binarize, pixel_seed, config.jit)
        sample = model.log_weights(floats)

        def some(done: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            sample_seed = tf.random.experimental.stateless_fold_in(latent_seed, done)
            weights = sample(at_once, sample_seed)
            # The last samples may be more than are wanted.
            wanted = (done + tf.range(at_once) < samples)[:, None]
            weights = tf.where(wanted, weights, -math.inf)
            total = tf.reduce_logsumexp(tf.concat([weights, total[None]], axis=0), axis=0)
            return done + at_once, total

        nothing = tf.fill((batch,), -math.inf)
        total = tf.while_loop(lambda done, _: done < samples, some, [tf.constant(0), nothing])[1]
        return total - math.log(samples)

    results = []
    starts = range(0, len(images), batch)
    for start in progress(starts, len(starts), "importance samples"):
        index = np.arange(start, start + batch) % len(images)
        chunk_seed = tf.random.experimental.stateless_fold_in([seed, STREAM], start)
        results.append(bound(tf.constant(images[index]), chunk_seed).numpy())
    return np.concatenate(results)[: len(images)]


@dataclass(frozen=True, eq=False)
class Annealed:
    """What annealed importance sampling found.

    Attributes:
        bound: Lower bounds on log p(x) in expectation, `[count]`, in nats.
        acceptance: Share of HMC's proposals that were accepted, at every temperature.
        step_size: Of HMC's leapfrog steps.
        chains: Chains an image.
        steps: Number of temperatures between q(z|x), or p(z), and p(z|x).
    """

    bound: np.ndarray
    acceptance: float
    step_size: float
    chains: int
    steps: int


def annealed_importance_sampling(
    model: Any,
    images: np.ndarray,
    chains: int = 16,
    steps: int = 200,
    seed: int = 0,
    progress: Progress = silent,
    from_prior: bool = False,
) -> Annealed:
    """A tighter bound on log p(x) by Hamiltonian Monte Carlo from q(z|x) to p(z|x).

    Neal (2001); Wu et al. (2017) apply it to decoders, from the prior. From q(z|x) it takes fewer
    steps, and the mean weight is unbiased, too. If it starts from a flow, the chains move in the
    space before the flow. Step sizes are in units of the standard deviations of the start.

    Args:
        model: Has a prior and p(x|z); and q(z|x), unless it starts from the prior.
        images: uint8 `[count, height, width, channels]`.
        chains: Chains an image; the bound is of their mean weight.
        steps: Number of temperatures, with one HMC transition each.
        seed: Decides all random numbers.
        progress: Shows how much is done.
        from_prior: Start from p(z), for a model without an encoder that is trained.
    """
    config, binarize = model.config.training, model.config.data.binarize
    batch = min(len(images), ANNEALED_BATCH)

    @tf.function(jit_compile=config.jit, autograph=False)
    def run(
        batch_images: tf.Tensor, steps: tf.Tensor, step_size: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        pixel_seed, latent_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        floats = to_float(batch_images, binarize, pixel_seed, config.jit)
        prior = model.prior.distribution()
        repeated = tf.tile(floats, (chains, 1, 1, 1))

        base, flow = unflowed(prior if from_prior else model.encode(floats))
        if from_prior:
            base = tfd.BatchBroadcast(base, [batch])

        def joint(points: tf.Tensor) -> tf.Tensor:
            latents, log_volume = flow(points)
            flat = tf.reshape(latents, (-1, latents.shape[-1]))
            likelihood = tf.reshape(model.decode(flat).log_prob(repeated), (chains, -1))
            return likelihood + prior.log_prob(latents) + log_volume

        return anneal(base, joint, chains, steps, step_size, latent_seed)

    def chunk(start: int) -> tf.Tensor:
        return tf.constant(images[np.arange(start, start + batch) % len(images)])

    def seed_of(number: int) -> tf.Tensor:
        return tf.random.experimental.stateless_fold_in([seed, STREAM + 1], number)

    # A quarter of the steps is enough to see how many proposals are accepted.
    trials = {}
    for size in progress(STEP_SIZES, len(STEP_SIZES), "HMC step size"):
        accepted = run(chunk(0), tf.constant(max(1, steps // 4)), tf.constant(size), seed_of(-1))[1]
        trials[size] = float(tf.reduce_mean(accepted))
    step_size = min(trials, key=lambda size: abs(trials[size] - ACCEPTANCE))
    found, acceptances = [], []
    starts = range(0, len(images), batch)
    for start in progress(starts, len(starts), "annealing"):
        weights, accepted = run(
            chunk(start), tf.constant(steps), tf.constant(step_size), seed_of(start)
        )
        found.append(tf.reduce_logsumexp(weights, axis=0).numpy() - math.log(chains))
        acceptances.append(float(tf.reduce_mean(accepted)))
    bound = np.concatenate(found)[: len(images)]
    return Annealed(bound, float(np.mean(acceptances)), step_size, chains, steps)


def anneal(
    proposal: tfd.Distribution,
    target: Callable[[tf.Tensor], tf.Tensor],
    chains: int,
    steps: tf.Tensor,
    step_size: tf.Tensor,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Annealed importance sampling (Neal, 2001) by `tfp.mcmc` with Hamiltonian Monte Carlo.

    Args:
        proposal: Where the chains start; batch shape `[batch]`, event shape `[latent]`.
        target: Unnormalised log density where they end, from `[chains, batch, latent]` to
            `[chains, batch]`.
        chains: Number of independent chains.
        steps: Number of temperatures between, an int32 scalar.
        step_size: Scalar, in units of the proposal's standard deviations.
        seed: int32 `[2]`.

    Returns:
        Log weights, whose exponentials have the target's normaliser for a mean, and the shares of
        proposals that were accepted; each `[chains, batch]`.
    """
    start_seed, scale_seed, chain_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    start = proposal.sample(chains, seed=start_seed)
    # From samples of their own: the step size must not depend on where the chains are.
    scale = tf.math.reduce_std(proposal.sample(SCALE_SAMPLES, seed=scale_seed), axis=0)
    _, weights, results = tfp.mcmc.sample_annealed_importance_chain(
        num_steps=steps,
        proposal_log_prob_fn=proposal.log_prob,
        target_log_prob_fn=target,
        current_state=start,
        make_kernel_fn=lambda log_prob: _BootstrappedHMC(log_prob, step_size * scale),
        parallel_iterations=1,
        seed=chain_seed,
    )
    return weights, results.inner_results.accepted / tf.cast(steps, tf.float32)


class _Results(NamedTuple):
    """What TFP's annealing asks of a step's results, and the number of accepted proposals."""

    proposed_results: Any
    accepted_results: Any
    accepted: tf.Tensor


class _BootstrappedHMC(tfp.mcmc.TransitionKernel):
    """HMC that computes the log density anew at the beginning of each transition.

    TFP's annealing passes on the log density at the temperature of the step before, with which HMC
    accepts wrongly (tensorflow/probability issues 267 and 1429).
    """

    def __init__(self, target: Callable[[tf.Tensor], tf.Tensor], step_size: tf.Tensor) -> None:
        self._kernel = tfp.mcmc.HamiltonianMonteCarlo(target, step_size, LEAPFROG_STEPS)

    @property
    def is_calibrated(self) -> bool:
        return True

    def one_step(self, current_state: tf.Tensor, previous_kernel_results: Any, seed: Any) -> Any:
        before = self._kernel.bootstrap_results(current_state)
        state, after = self._kernel.one_step(current_state, before, seed)
        accepted = previous_kernel_results.accepted + tf.cast(after.is_accepted, tf.float32)
        return state, _Results(after.proposed_results, after.accepted_results, accepted)

    def bootstrap_results(self, init_state: tf.Tensor) -> Any:
        results = self._kernel.bootstrap_results(init_state)
        accepted = tf.zeros_like(results.accepted_results.target_log_prob)
        return _Results(results.proposed_results, results.accepted_results, accepted)
