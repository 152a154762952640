"""Rows on log p(x) and its bounds."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.config import family
from kvae.data import Dataset
from kvae.data.dataset import Split
from kvae.evaluation import classical, likelihood, noise
from kvae.evaluation.classical import fewer
from kvae.evaluation.compared import shown
from kvae.evaluation.rows import Row, mean_row
from kvae.evaluation.statistics import standard_error
from kvae.models.base import Conditional, Exact, Infers, Noiseless, Quantizes, labels_of
from kvae.models.plan import Evaluation
from kvae.progress import Progress

ANNEALED = 100
"""The largest number of images on which annealed importance sampling is run."""
ANNEALED_COST = 7e7
"""The largest product of that number and of the multiplications that decode one latent vector: so
many take some minutes."""
FEWEST_ANNEALED = 10
"""Annealing fewer images says little."""
TOO_LARGE = Row(
    "annealed importance sampling",
    "",
    {},
    "left out: it would take too long with so large a decoder",
)
NOISE_FITTED = 20
"""The largest number of validation images that the noise of a generator is fitted to."""
MEANINGS = {
    "elbo": "a lower bound on {}",
    "reconstruction": "expected log p(x|z)",
    "kl": "cost of the latents",
}
"""Verdicts on terms that several families have, by name."""


def bounded(model: Any) -> str:
    """What a model's bounds bound: `log p(x)`, or `log p(x|y)` of a conditional model.

    Args:
        model: A model with a bound.
    """
    return "log p(x|y)" if isinstance(model, Conditional) else "log p(x)"


def bounds(model: Any, found: Evaluation, bound: np.ndarray, count: int) -> list[Row]:
    """The ELBO and its parts, and the importance-weighted bound; or log p(x) itself.

    Args:
        model: A model that bounds log p(x), or computes it.
        found: The model's metrics on the images.
        bound: The importance-weighted bound of each image, `[count]`, in nats.
        count: The number of importance samples for each image.
    """
    metrics = {metric.name: metric for metric in family(model.config.family).metrics}
    meanings = MEANINGS | ({"elbo": "{} itself, not a bound"} if isinstance(model, Exact) else {})
    rows = [
        mean_row(
            metrics[name].label,
            values,
            metrics[name].unit,
            meanings.get(name, "").format(bounded(model)),
        )
        for name, values in found.terms.items()
    ]
    # An image has one map of codes, and so more samples would not raise the bound.
    if isinstance(model, Exact | Quantizes):
        return rows
    gap = float(np.mean(bound - found.terms["elbo"]))
    verdict = f"{gap:.2f} above the ELBO"
    if "kl" in found.terms:
        share = gap / max(float(found.terms["kl"].mean()), 1e-6)
        near = "close to" if share < 0.1 else "some way from" if share < 0.3 else "far from"
        verdict += f": q(z|x) is {near} the true posterior"
    return [*rows, mean_row(f"importance-weighted, {count} samples", bound, verdict=verdict)]


def annealed(
    model: Any, dataset: Dataset, held_out: Split, count: int, seed: int, progress: Progress
) -> list[Row]:
    """Annealed importance sampling on some images, compared with the importance-weighted bound.

    Args:
        model: A model that decodes latents and bounds log p(x).
        dataset: The dataset that the images are of.
        held_out: The images.
        count: The number of importance samples for each image.
        seed: Decides all random numbers.
        progress: Shows how much is done.
    """
    affordable = int(ANNEALED_COST / likelihood.multiplications(model))
    if affordable < FEWEST_ANNEALED:
        return [TOO_LARGE]
    part, item = held_out.spread(min(ANNEALED, affordable)), model.config.data.item
    some, own_labels = part.images, labels_of(model, dataset, part)
    from_prior = not isinstance(model, Infers)
    found = likelihood.annealed_importance_sampling(
        model, some, seed=seed, progress=progress, from_prior=from_prior, labels=own_labels
    )
    bound = likelihood.importance_weighted_bound(model, some, count, seed, labels=own_labels)
    differences = found.bound - bound
    gain, error = float(differences.mean()), standard_error(differences)
    if abs(gain) <= max(0.5, 2 * error):
        verdict = "agrees with the importance-weighted bound"
    elif gain > 0:
        verdict = "above the importance-weighted bound, which more samples would raise"
    else:
        verdict = "below the importance-weighted bound: more steps would be needed"
    return [
        mean_row(f"annealed importance sampling, {len(some)} {item}s", found.bound),
        Row(
            f"its gain on those {item}s",
            "nats",
            {"value": gain, "standard error": error},
            verdict,
        ),
        _acceptance(found),
    ]


def annealed_with_noise(
    model: Noiseless, dataset: Dataset, held_out: Split, seed: int, progress: Progress
) -> list[Row]:
    """Annealed importance sampling on some images, for a generator of images without noise.

    Args:
        model: A model of images without noise.
        dataset: The dataset; the noise is fitted to some of its validation images.
        held_out: The images.
        seed: Decides all random numbers.
        progress: Shows how much is done.
    """
    affordable = int(ANNEALED_COST / likelihood.multiplications(model.with_noise(tf.constant(1.0))))
    if affordable < FEWEST_ANNEALED:
        return [TOO_LARGE]
    some = held_out.spread(min(ANNEALED, affordable))
    fitted = dataset.validation.spread(NOISE_FITTED)
    found = noise.annealed_with_noise(
        model, fitted.images, some.images, seed=seed, progress=progress
    )
    verdict = (
        f"from the prior, with Gaussian noise of {found.stddev:.4f} of white, which was fitted to "
        f"{len(fitted)} validation images (Wu et al., 2017)"
    )
    return [
        mean_row(
            f"annealed importance sampling, {len(some)} images",
            found.annealed.bound,
            verdict=verdict,
        ),
        _acceptance(found.annealed),
    ]


def _acceptance(found: likelihood.Annealed) -> Row:
    """How many proposals annealing accepted, and whether that is as it should be."""
    acceptable = 0.5 <= found.acceptance <= 0.95
    verdict = "as it should be" if acceptable else "too far from 0.75 to trust the annealing"
    return Row("HMC acceptance", "", {"value": found.acceptance}, verdict)


def bits(
    model: Any,
    dataset: Dataset,
    held_out: Split,
    bound: np.ndarray,
    count: int,
    seed: int,
    progress: Progress,
) -> Row:
    """Bits per dimension: how many bits the model needs to code a pixel.

    They are not defined for grey levels under a Bernoulli likelihood.

    Args:
        model: A model that bounds log p(x).
        dataset: The dataset that the images are of.
        held_out: The images.
        bound: The importance-weighted bound of each image, `[count]`, in nats.
        count: The number of importance samples for each image.
        seed: Decides all random numbers.
        progress: Shows how much is done.
    """
    pixels = math.prod(held_out.images.shape[1:])
    if model.measure == "binary" and model.config.data.binarize == "none":
        verdict = (
            "not defined: grey levels under a Bernoulli have no probability; train with "
            "`binarize=dynamic`"
        )
        return Row("bits per dimension", "bits", {}, verdict)
    if model.measure != "density":
        what = "black and white pixels" if model.measure == "binary" else "8-bit pixels"
        values = -bound / (pixels * math.log(2))
        most = "" if isinstance(model, Exact) else ", at most"
        return mean_row("bits per dimension", values, "bits", f"of {what}{most}")
    dequantized = likelihood.importance_weighted_bound(
        model,
        held_out.images,
        count,
        seed,
        progress,
        dequantize=True,
        labels=labels_of(model, dataset, held_out),
    )
    # A grey level has the width 1/256 in [0, 1], which adds log2(256) = 8 bits.
    return mean_row(
        "bits per dimension",
        8 - dequantized / (pixels * math.log(2)),
        "bits",
        "of 8-bit pixels, at most: by uniform dequantisation (Theis et al., 2016)",
    )


def linear_models(
    model: Any, dataset: Dataset, held_out: Split, bound: np.ndarray, dimensions: int
) -> list[Row]:
    """log p(x) under linear models, and how much better or worse the model is.

    Args:
        model: A model that bounds a log density.
        dataset: The dataset; the linear models are fitted to its training images.
        held_out: The images that the models are compared on.
        bound: The model's bound on log p(x) of each image, `[count]`, in nats.
        dimensions: The number of latent dimensions that the linear models have.
    """
    train, test = shown(model, dataset.train), shown(model, held_out)
    latent = fewer(dimensions, train)
    rows = []
    for name, log_density in (
        ("probabilistic PCA", classical.probabilistic_pca),
        ("factor analysis", classical.factor_analysis),
    ):
        exact = log_density(train, test, latent) - model.config.data.log_scale
        gain, error = float(np.mean(bound - exact)), standard_error(bound - exact)
        if gain > 2 * error:
            verdict = f"the model is {gain:.1f} ± {error:.1f} better"
        elif gain < -2 * error:
            verdict = f"the model is {-gain:.1f} ± {error:.1f} WORSE than this linear model"
        else:
            verdict = f"the model is no different ({gain:+.1f} ± {error:.1f})"
        rows.append(mean_row(f"{name}, {latent} dimensions", exact, verdict=verdict))
    return rows
