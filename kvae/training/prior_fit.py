"""Fits a prior to the latents of the training images, after training.

The aggregated posterior q(z) is the mean of q(z|x) over the training images. It is the prior with
the largest ELBO (Hoffman & Johnson, 2016). If p(z) differs from it, samples come from latents that
the decoder never saw in training. Dai & Wipf (2019) and Ghosh et al. (2020) train the encoder and
the decoder first, and then fit p(z) to samples of q(z).
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras

from kvae import registry
from kvae.config import Config, TrainingConfig
from kvae.data import Dataset
from kvae.errors import UsageError
from kvae.models.aggregated import LADDER, SAMPLES, best_mixture, latents_of
from kvae.models.base import Conditional
from kvae.models.build import build
from kvae.progress import Progress, silent
from kvae.training.loop import train

FLOW_STEPS = 10_000
FLOW_RATE = 0.003


@dataclass(frozen=True)
class PriorFit:
    """A model with a new prior.

    Attributes:
        model: A new model with the encoder and the decoder of the given one, and the new prior.
        held_out: The mean log density of the validation images' latents, in nats, by the number of
            components that was tried. Empty for a flow, of which there is one.
    """

    model: Any
    held_out: dict[int, float]


def fit_prior(
    model: Any,
    dataset: Dataset,
    prior: str,
    components: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> PriorFit:
    """Replace the prior of a trained model by one that is fitted to its aggregated posterior.

    Args:
        model: A trained VAE, which is not changed.
        dataset: The dataset that it was trained on.
        prior: A name in `kvae.registry.PRIOR_FITS`.
        components: Number of components of a mixture; None chooses the number under which latents
            of validation images have the highest likelihood.
        seed: Decides all random numbers.
        progress: Shows how much is done.

    Raises:
        UsageError: `components` is given for a flow, or is larger than the number of latents; or
            the model is conditional, or of a family whose prior cannot be replaced.
    """
    if isinstance(model, Conditional):
        raise UsageError("no prior can be fitted to a conditional model: train it with `prior`")
    if not hasattr(model.config.model, "prior_fitted"):
        raise UsageError(
            f"no prior can be fitted to a model of family {model.config.family}: train it with "
            "`prior`, if it has that option"
        )
    fit = registry.resolve(registry.PRIOR_FITS, prior)
    return fit(model, dataset, components, seed, progress)


def mixture(
    model: Any, dataset: Dataset, components: int | None, seed: int, progress: Progress
) -> PriorFit:
    """Fit a mixture of Gaussians by expectation maximisation.

    Args:
        model: A trained VAE, which is not changed.
        dataset: The dataset that it was trained on.
        components: Number of components; None chooses the number under which latents of validation
            images have the highest likelihood.
        seed: Decides all random numbers.
        progress: Shows how much is done.

    Raises:
        UsageError: `components` is larger than the number of latents.
    """
    train, held_out = (
        latents_of(model, split, SAMPLES, seed) for split in (dataset.train, dataset.validation)
    )
    if components and components > len(train):
        raise UsageError(
            f"components must be at most the {len(train):,} latents that a mixture is fitted to, "
            f"got {components:,}"
        )
    candidates = (components,) if components else LADDER
    best, found = best_mixture(train, held_out, len(dataset.train), candidates, seed, progress)
    new = _with_prior(model, _fitted(model.config, prior="mixture", components=best.components))
    new.prior.assign(best.weights, best.means, best.factors)
    return PriorFit(new, found)


def flow(
    model: Any, dataset: Dataset, components: int | None, seed: int, progress: Progress
) -> PriorFit:
    """Fit a flow by maximum likelihood: the ELBO is maximised over the weights of the prior alone.

    Args:
        model: A trained VAE, which is not changed.
        dataset: The dataset that it was trained on.
        components: It must be None, because a flow has no components.
        seed: Decides all random numbers.
        progress: Shows how much is done.

    Raises:
        UsageError: `components` is given.
    """
    if components is not None:
        raise UsageError("`components` needs `prior=mixture`")
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
    # There is no dropout, so that the latents are those of the trained encoder.
    apart = dataclasses.replace(config.model, prior="flow", dropout=0.0)
    objective = type(config.objective)()
    fitting = _with_prior(
        model,
        dataclasses.replace(config, model=apart, objective=objective, training=alone),
    )
    fitting.encoder.trainable = fitting.decoder.trainable = False
    ticks = iter(progress(range(epochs), epochs, "flow"))
    train(fitting, dataset, lambda *_: next(ticks))
    new = _with_prior(model, _fitted(config, prior="flow"))
    _copy(fitting.prior, new.prior)
    return PriorFit(new, {})


def _fitted(config: Config, **changes: Any) -> Config:
    model = dataclasses.replace(config.model, prior_fitted=True, **changes)
    return dataclasses.replace(config, model=model)


def _with_prior(model: Any, config: Config) -> Any:
    """A new model of a configuration, with the weights of the given encoder and decoder."""
    new = build(config)
    _copy(model.encoder, new.encoder)
    _copy(model.decoder, new.decoder)
    return new


def _copy(source: keras.layers.Layer, target: keras.layers.Layer) -> None:
    for weight, value in zip(target.weights, source.weights, strict=True):
        weight.assign(value)
