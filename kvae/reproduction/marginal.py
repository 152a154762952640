"""Marginal likelihoods in a training; TensorFlow is imported only when it is called."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kvae import data
from kvae.config import configure
from kvae.metrics import Row

if TYPE_CHECKING:
    from kvae.models.plan import Evaluation

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
    from functools import partial

    from kvae.evaluation import annealed_importance_sampling
    from kvae.models.build import build
    from kvae.reproduction.mcem import MonteCarloEM
    from kvae.training import train
    from kvae.training.optimizers import new_optimizer

    mnist = data.load("mnist", data_dir)
    count, steps, times = annealed
    train_images = mnist.train.take(slice(size))
    # Nothing is chosen by validation images here: a few are enough, and take no time.
    few = mnist.validation.take(slice(10))
    dataset = dataclasses.replace(mnist, train=train_images, validation=few, test=few)
    named = "aevb" if estimator == "mcem" else estimator
    config = configure(
        dataset,
        "paper",
        latent=LATENT,
        hidden=(HIDDEN,),
        epochs=epochs,
        seed=seed,
        jit=jit,
        estimator=named,
    )
    model = build(config, dataset.train.images)
    plans = {"mcem": MonteCarloEM}.get(estimator, type(model).plan)
    plan = plans(model, dataset, partial(new_optimizer, config.training, size))
    some = np.concatenate([split.spread(count).images for split in (train_images, mnist.test)])
    when = np.unique(np.geomspace(max(1, epochs / 50), epochs, times).round().astype(int))
    found: dict[str, list[float]] = {"seen": [], "seconds": [], "train": [], "test": []}
    seconds = 0.0

    def measure(row: Row, _: "Evaluation") -> None:
        nonlocal seconds
        seconds += float(row["seconds"])
        if row["epoch"] in when:
            bound = annealed_importance_sampling(
                model, some, CHAINS, steps, seed, from_prior=True
            ).bound
            found["seen"].append(float(row["epoch"]) * size)
            found["seconds"].append(seconds)
            found["train"].append(float(bound[:count].mean()))
            found["test"].append(float(bound[count:].mean()))

    train(model, dataset, measure, plan=plan)
    return found
