"""A prior fitted afterwards to where a trained encoder puts the data.

The aggregated posterior q(z), the mean of q(z|x) over the training images, is what a prior would
have to be for nothing to be lost (Hoffman & Johnson, 2016); where it is not, samples come from
latents that the decoder never saw. Fitting p(z) to draws of q(z) when all else is done: Dai & Wipf
(2019), Ghosh et al. (2020).
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.mixture import GaussianMixture

from kvae import registry
from kvae.config import Config, TrainingConfig
from kvae.data import Dataset
from kvae.data.dataset import Split
from kvae.errors import UsageError
from kvae.models.vae.model import VAE, build
from kvae.progress import Progress, silent
from kvae.training.loop import train

DRAWS = 20_000
"""Latents that a mixture is fitted to, at least one a training image and at most this many."""
LADDER = (1, 2, 5, 10, 20, 30, 50, 70, 100, 150, 200, 300, 500)
FLOW_STEPS = 10_000
FLOW_RATE = 0.003
CHUNK = 1000


@dataclass(frozen=True)
class PriorFit:
    """A model with a new prior.

    Attributes:
        model: The encoder and the decoder are those that were given.
        held_out: What was tried, by number of components: the mean log density, in nats, of the
            validation images' latents. For a flow, by epoch: their ELBO, which rises alike.
    """

    model: VAE
    held_out: dict[int, float]


def fit_prior(
    model: VAE,
    dataset: Dataset,
    prior: str,
    components: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> PriorFit:
    """Replace a trained model's prior by one fitted to its aggregated posterior.

    Args:
        model: Is left as it is.
        dataset: What it was trained on.
        prior: A name in `kvae.registry.PRIOR_FITS`.
        components: Of a mixture; by default chosen by the likelihood of validation latents.
        seed: Decides draws and starting points.
        progress: Shows how far along it is.

    Raises:
        UsageError: a flow is to have components, or a mixture more than there are draws.
    """
    fit = registry.resolve(registry.PRIOR_FITS, prior)
    return fit(model, dataset, components, seed, progress)


def mixture(
    model: VAE, dataset: Dataset, components: int | None, seed: int, progress: Progress
) -> PriorFit:
    """A mixture of Gaussians by scikit-learn's expectation maximisation."""
    train = draws(model, dataset.train, max(1, DRAWS // len(dataset.train)), seed)[:DRAWS]
    held_out = draws(model, dataset.validation, max(1, DRAWS // len(dataset.validation)), seed)
    # A component needs more points than it has dimensions for its covariance to mean something.
    most = max(1, len(train) // (model.config.model.latent + 1))
    if components and components > len(train):
        raise UsageError(
            f"components must be at most the {len(train):,} latents that a mixture is fitted to, "
            f"got {components:,}"
        )
    candidates = (components,) if components else [size for size in LADDER if size <= most]
    found: dict[int, float] = {}
    best: GaussianMixture | None = None
    for size in progress(candidates, len(candidates), "mixtures"):
        fitted = GaussianMixture(size, random_state=seed, max_iter=300).fit(train)
        found[size] = float(fitted.score(held_out))
        if best is not None and found[size] < found[best.n_components]:
            break
        best = fitted
    assert best is not None
    new = _with_prior(model, _fitted(model.config, prior="mixture", components=best.n_components))
    new.prior.assign(best.weights_, best.means_, best.precisions_cholesky_)
    return PriorFit(new, found)


def flow(
    model: VAE, dataset: Dataset, components: int | None, seed: int, progress: Progress
) -> PriorFit:
    """A flow by maximum likelihood: training goes on with all but the prior frozen."""
    if components is not None:
        raise UsageError("components are a mixture's: leave them, or fit --prior mixture")
    config = model.config
    steps = -(-len(dataset.train) // min(config.training.batch_size, len(dataset.train)))
    epochs = max(2, -(-FLOW_STEPS // steps))
    alone = TrainingConfig(
        epochs,
        config.training.batch_size,
        optimizer="adam",
        learning_rate=FLOW_RATE,
        schedule="cosine",
        patience=epochs,
        seed=seed,
        jit=config.training.jit,
    )
    # Nothing is dropped: the latents are to be those of the trained encoder.
    apart = dataclasses.replace(config.model, prior="flow", dropout=0.0)
    fitting = _with_prior(model, Config(config.recipe, config.data, apart, alone))
    fitting.encoder.trainable = fitting.decoder.trainable = False
    ticks = iter(progress(range(epochs), epochs, "flow"))
    history = train(fitting, dataset, lambda *_: next(ticks))
    new = _with_prior(model, _fitted(config, prior="flow"))
    _copy(fitting.prior, new.prior)
    return PriorFit(new, {epoch.epoch: epoch.validation_elbo for epoch in history})


def _fitted(config: Config, **changes: Any) -> Config:
    model = dataclasses.replace(config.model, prior_fitted=True, **changes)
    return dataclasses.replace(config, model=model)


def _with_prior(model: VAE, config: Config) -> VAE:
    """A new model with the given one's encoder and decoder, and the configuration's prior."""
    new = build(config)
    _copy(model.encoder, new.encoder)
    _copy(model.decoder, new.decoder)
    return new


def _copy(source: keras.layers.Layer, target: keras.layers.Layer) -> None:
    for weight, value in zip(target.weights, source.weights, strict=True):
        weight.assign(value)


def draws(model: VAE, split: Split, each: int, seed: int) -> np.ndarray:
    """Latents of images, `[each * count, latent]`: `each` draws of q(z|x) an image."""
    found = []
    for start in range(0, len(split), CHUNK):
        chunk_seed = tf.random.experimental.stateless_fold_in([seed, 0], start)
        images = model.inputs(split.images[start : start + CHUNK], chunk_seed)
        found.append(model.encode(images).sample(each, seed=chunk_seed).numpy())
    latents = np.concatenate(found, axis=1)
    order = np.random.RandomState(seed).permutation(latents.shape[0] * latents.shape[1])
    return latents.reshape(-1, latents.shape[-1])[order]
