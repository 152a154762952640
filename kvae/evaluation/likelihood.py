"""Tight bounds on log p(x): importance weighting and annealing."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from kvae.data.pixels import to_float
from kvae.models.base import check_labels, given, of_any_label
from kvae.models.chunks import in_chunks, rows_at_once
from kvae.models.flows import unflowed
from kvae.progress import Progress, silent

# Separates these random numbers from those of training and of the ELBO under the same seed.
STREAM = 2

STEP_SIZES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.8)
"""The step sizes of HMC that can be chosen: 2^n - 1, of which n are tried."""
ACCEPTANCE = 0.75
"""The step size is chosen whose share of accepted proposals is closest to this."""
LEAPFROG_STEPS = 5
ANNEALED_BATCH = 20
"""The number of images whose chains run at a time."""
SCALE_SAMPLES = 64
"""The number of samples from which the standard deviations of the start are estimated."""


def importance_weighted_bound(
    model: Any,
    images: np.ndarray,
    samples: int,
    seed: int = 0,
    progress: Progress = silent,
    dequantize: bool = False,
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """A lower bound on log p(x) of each image by importance sampling (Burda et al., 2016).

    Of a conditional model it is a bound on log p(x|y), where y is the image's label.

    A few samples are taken at a time, so that memory does not grow with their number.

    Args:
        model: A model that bounds log p(x).
        images: uint8 `[count, height, width, channels]`.
        samples: The number of samples of z for each image.
        seed: Decides all random numbers.
        progress: Shows how much is done.
        dequantize: Add uniform noise that fills the gaps between grey levels. With it the expected
            log density is a lower bound on the log probability of 8-bit pixels, if the width of a
            grey level, 1/256, is taken into account (Theis et al., 2016).
        labels: The number of each image's label, `[count]`, for a conditional model.

    Returns:
        `[count]`, in nats.

    Raises:
        UsageError: A conditional model has no labels, another model has some, or they are not as
            many as the images.
    """
    check_labels(model, labels, len(images))
    config, binarize = model.config.training, model.config.data.binarize
    rows = rows_at_once(model.config)
    # A batch has few images with many samples each, so that each image is encoded only once.
    batch = max(1, min(len(images), rows // min(samples, 50)))
    at_once = max(1, min(samples, rows // batch))

    @tf.function(jit_compile=config.jit, autograph=False)
    def bound(
        batch_images: tf.Tensor, seed: tf.Tensor, batch_labels: tf.Tensor | None = None
    ) -> tf.Tensor:
        pixel_seed, latent_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        if dequantize:
            noise = tf.random.stateless_uniform(batch_images.shape, pixel_seed)
            floats = (tf.cast(batch_images, tf.float32) + noise) / 256
        else:
            floats = to_float(batch_images, binarize, pixel_seed, config.jit)
        sample = given(model, batch_labels).log_weights(floats)

        def some(done: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            sample_seed = tf.random.experimental.stateless_fold_in(latent_seed, done)
            log_weights = sample(at_once, sample_seed)
            # The last samples are ignored if they are more than are wanted.
            wanted = (done + tf.range(at_once) < samples)[:, None]
            log_weights = tf.where(wanted, log_weights, -math.inf)
            total = tf.reduce_logsumexp(tf.concat([log_weights, total[None]], axis=0), axis=0)
            return done + at_once, total

        nothing = tf.fill((batch,), -math.inf)
        total = tf.while_loop(lambda done, _: done < samples, some, [tf.constant(0), nothing])[1]
        return total - math.log(samples)

    def chunk(start: int, index: np.ndarray) -> tf.Tensor:
        chunk_seed = tf.random.experimental.stateless_fold_in([seed, STREAM], start)
        some = () if labels is None else (tf.constant(labels[index]),)
        return bound(tf.constant(images[index]), chunk_seed, *some)

    found: np.ndarray = in_chunks(chunk, len(images), batch, progress, "importance samples")
    return found


def multiplications(model: Any) -> int:
    """How many multiplications of its matrix products and convolutions decode one latent vector.

    Args:
        model: A model that decodes latents.
    """
    model = of_any_label(model)
    latent = tf.TensorSpec([1, *model.prior.distribution().event_shape])
    decode = tf.function(lambda latents: model.decode(latents).mean(), autograph=False)
    total = 0
    for operation in decode.get_concrete_function(latent).graph.get_operations():
        shapes = [tensor.shape.as_list() for tensor in operation.inputs]
        if operation.type == "MatMul":
            total += math.prod(shapes[0]) * math.prod(operation.outputs[0].shape[1:])
        elif operation.type == "Conv2D":
            total += math.prod(operation.outputs[0].shape) * math.prod(shapes[1][:3])
        elif operation.type == "Conv2DBackpropInput":
            # A transposed convolution: each number of its input meets all of the kernel but the
            # channels of that input.
            total += math.prod(shapes[2]) * math.prod(shapes[1][:3])
    return total


@dataclass(frozen=True, eq=False)
class Annealed:
    """The result of annealed importance sampling.

    Attributes:
        bound: A lower bound on log p(x) of each image, in expectation, `[count]`, in nats.
        acceptance: Share of HMC's proposals that were accepted, over all temperatures.
        step_size: The size of HMC's leapfrog steps, in standard deviations of the start.
        chains: The number of chains for each image.
        steps: The number of temperatures from the start, q(z|x) or p(z), to p(z|x).
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
    labels: np.ndarray | None = None,
) -> Annealed:
    """A tighter lower bound on log p(x) by annealed importance sampling (Neal, 2001).

    Of a conditional model it is a bound on log p(x|y), where y is the image's label.

    Chains of Hamiltonian Monte Carlo (HMC) move samples from q(z|x) to p(z|x). Wu et al. (2017)
    start them from the prior instead. From q(z|x) fewer steps are needed, and the mean weight is
    unbiased, too. If the start is a flow, the chains move in the space before the flow.

    Args:
        model: A model with a prior and p(x|z), and with q(z|x) unless chains start from the prior.
        images: uint8 `[count, height, width, channels]`.
        chains: The number of chains for each image. The bound is the log of their mean weight.
        steps: The number of temperatures, each with one HMC transition.
        seed: Decides all random numbers.
        progress: Shows how much is done.
        from_prior: Start from p(z), for a model without a trained encoder.
        labels: The number of each image's label, `[count]`, for a conditional model.

    Raises:
        UsageError: A conditional model has no labels, another model has some, or they are not as
            many as the images.
    """
    annealing = Annealing(model, min(len(images), ANNEALED_BATCH), chains, from_prior)
    return annealing(images, steps, seed, progress, labels)


class Annealing:
    """Annealed importance sampling, compiled once for a model whose variables may change.

    Args:
        model: A model with a prior and p(x|z), and with q(z|x) unless chains start from the prior.
        batch: The number of images whose chains run at a time.
        chains: The number of chains for each image.
        from_prior: Start from p(z), for a model without a trained encoder.
    """

    def __init__(self, model: Any, batch: int, chains: int, from_prior: bool) -> None:
        self._model, self._batch, self._chains = model, batch, chains
        config, binarize = model.config.training, model.config.data.binarize

        @tf.function(jit_compile=config.jit, autograph=False)
        def run(
            batch_images: tf.Tensor,
            steps: tf.Tensor,
            step_size: tf.Tensor,
            seed: tf.Tensor,
            batch_labels: tf.Tensor | None = None,
        ) -> tuple[tf.Tensor, tf.Tensor]:
            pixel_seed, latent_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
            floats = to_float(batch_images, binarize, pixel_seed, config.jit)
            seen = given(model, batch_labels)
            prior = seen.prior.distribution()
            repeated = tf.tile(floats, (chains, 1, 1, 1))

            base, flow = unflowed(prior if from_prior else seen.encode(floats))
            if from_prior:
                base = tfd.BatchBroadcast(base, [batch])

            def joint(points: tf.Tensor) -> tf.Tensor:
                latents, log_det = flow(points)
                flat = tf.reshape(latents, (-1, latents.shape[-1]))
                log_likelihood = tf.reshape(seen.decode(flat).log_prob(repeated), (chains, -1))
                return log_likelihood + prior.log_prob(latents) + log_det

            return anneal(base, joint, chains, steps, step_size, latent_seed)

        self._run = run

    def __call__(
        self,
        images: np.ndarray,
        steps: int,
        seed: int = 0,
        progress: Progress = silent,
        labels: np.ndarray | None = None,
    ) -> Annealed:
        """The bounds of images.

        Args:
            images: uint8 `[count, height, width, channels]`.
            steps: The number of temperatures, each with one HMC transition.
            seed: Decides all random numbers.
            progress: Shows how much is done.
            labels: The number of each image's label, `[count]`, for a conditional model.

        Raises:
            UsageError: A conditional model has no labels, another model has some, or they are not
                as many as the images.
        """
        check_labels(self._model, labels, len(images))

        def at(
            index: np.ndarray, steps: int, step_size: float, number: int
        ) -> tuple[tf.Tensor, tf.Tensor]:
            chunk_seed = tf.random.experimental.stateless_fold_in([seed, STREAM + 1], number)
            some = () if labels is None else (tf.constant(labels[index]),)
            sizes = tf.constant(steps), tf.constant(step_size)
            return self._run(tf.constant(images[index]), *sizes, chunk_seed, *some)

        # Larger steps are accepted less often, so that each trial rules out half of the sizes. A
        # quarter of the steps is enough to measure how many proposals are accepted.
        trials: dict[float, float] = {}
        sizes: Sequence[float] = STEP_SIZES
        halvings = len(STEP_SIZES).bit_length()
        first = np.arange(self._batch) % len(images)
        for _ in progress(range(halvings), halvings, "HMC step size"):
            middle = len(sizes) // 2
            size = sizes[middle]
            accepted = at(first, max(1, steps // 4), size, -1)[1]
            trials[size] = float(tf.reduce_mean(accepted))
            sizes = sizes[middle + 1 :] if trials[size] > ACCEPTANCE else sizes[:middle]
        step_size = min(trials, key=lambda size: abs(trials[size] - ACCEPTANCE))
        acceptances = []

        def chunk(start: int, index: np.ndarray) -> tf.Tensor:
            log_weights, accepted = at(index, steps, step_size, start)
            acceptances.append(float(tf.reduce_mean(accepted)))
            return tf.reduce_logsumexp(log_weights, axis=0) - math.log(self._chains)

        found = in_chunks(chunk, len(images), self._batch, progress, "annealing")
        bound = found - self._model.config.data.log_scale
        return Annealed(bound, float(np.mean(acceptances)), step_size, self._chains, steps)


def anneal(
    proposal: tfd.Distribution,
    target: Callable[[tf.Tensor], tf.Tensor],
    chains: int,
    steps: tf.Tensor,
    step_size: tf.Tensor,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Annealed importance sampling (Neal, 2001) by `tfp.mcmc` with Hamiltonian Monte Carlo (HMC).

    Args:
        proposal: The distribution in which the chains start; batch shape `[batch]`, event shape
            `[latent]`.
        target: The unnormalised log density of the distribution in which the chains end, from
            `[chains, batch, latent]` to `[chains, batch]`.
        chains: The number of independent chains.
        steps: The number of temperatures between the two, an int32 scalar.
        step_size: The size of leapfrog steps, a scalar, in the proposal's standard deviations.
        seed: int32 `[2]`; decides all random numbers.

    Returns:
        Log weights, and the shares of proposals that were accepted; each `[chains, batch]`. The
        expectation of a weight is the normalising constant of the target.
    """
    start_seed, scale_seed, chain_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    start = proposal.sample(chains, seed=start_seed)
    # Other samples than those that the chains start with: the step size must not depend on where
    # the chains are.
    scale = tf.math.reduce_std(proposal.sample(SCALE_SAMPLES, seed=scale_seed), axis=0)
    _, log_weights, results = tfp.mcmc.sample_annealed_importance_chain(
        num_steps=steps,
        proposal_log_prob_fn=proposal.log_prob,
        target_log_prob_fn=target,
        current_state=start,
        make_kernel_fn=lambda log_prob: _BootstrappedHMC(log_prob, step_size * scale),
        parallel_iterations=1,
        seed=chain_seed,
    )
    return log_weights, results.inner_results.accepted / tf.cast(steps, tf.float32)


class _Results(NamedTuple):
    """The results of a step that TFP's annealing reads, and the number of accepted proposals."""

    proposed_results: Any
    accepted_results: Any
    accepted: tf.Tensor


class _BootstrappedHMC(tfp.mcmc.TransitionKernel):
    """HMC that computes the log density again at the beginning of each transition.

    TFP's annealing passes on the log density at the temperature of the previous step. HMC would
    accept wrong proposals with it (tensorflow/probability issues 267 and 1429).
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
