"""Marginal likelihoods in a training; TensorFlow is imported only when it is called."""

import dataclasses
import time
from pathlib import Path

import numpy as np

from kvae import data
from kvae.config import configure

LATENT, HIDDEN = 3, 100
CHAINS = 16


def marginal_likelihoods(
    estimator: str,
    size: int,
    epochs: int,
    annealed: tuple[int, int, int],
    data_dir: Path | None = None,
    seed: int = 0,
    jit: bool = True,
) -> dict[str, list[float]]:
    """The marginal likelihood in a training on some of MNIST, by annealed importance sampling.

    Annealing begins at the prior for every estimator, as Monte Carlo EM has no encoder.

    Args:
        estimator: `aevb`, `wake-sleep`, or `mcem` for Monte Carlo EM.
        size: Training images.
        epochs: To train for.
        annealed: Images of each split that are measured, temperatures, and how often.
        data_dir: As `kvae.data.load` takes it.
        seed: Decides the weights and the random numbers.
        jit: Compile with XLA.

    Returns:
        By name: `seen`, training images seen when it was measured, `seconds` of training until
        then, and `train` and `test`, mean log p(x) in nats of images trained on and of test images.
    """
    from kvae.evaluation import annealed_importance_sampling
    from kvae.models.vae.model import build
    from kvae.reproduction.mcem import MonteCarloEM
    from kvae.training.epochs import CompiledEpoch, new_optimizer

    mnist = data.load("mnist", data_dir)
    dataset = dataclasses.replace(mnist, train=mnist.train.take(slice(size)))
    config = configure(
        dataset,
        "paper",
        latent=LATENT,
        hidden=(HIDDEN,),
        epochs=epochs,
        seed=seed,
        jit=jit,
        **({} if estimator == "mcem" else {"estimator": estimator}),
    )
    images = dataset.train.images
    model = build(config, images)
    optimizer = new_optimizer(config.training, len(images))
    kind = MonteCarloEM if estimator == "mcem" else CompiledEpoch
    run = kind(model, optimizer, images, config.training, config.data.binarize)
    count, steps, times = annealed
    some = np.concatenate([split.spread(count).images for split in (dataset.train, dataset.test)])
    when = np.unique(np.geomspace(max(1, epochs / 50), epochs, times).round().astype(int))
    found: dict[str, list[float]] = {"seen": [], "seconds": [], "train": [], "test": []}
    seconds = 0.0
    for number in range(1, epochs + 1):
        start = time.perf_counter()
        run(number)
        seconds += time.perf_counter() - start
        if number in when:
            bound = annealed_importance_sampling(
                model, some, CHAINS, steps, seed, from_prior=True
            ).bound
            found["seen"].append(float(number * size))
            found["seconds"].append(seconds)
            found["train"].append(float(bound[:count].mean()))
            found["test"].append(float(bound[count:].mean()))
    return found
