"""Rows on how a model uses its latents, its levels of latents, or its codes."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.data import Dataset
from kvae.data.dataset import Split
from kvae.evaluation import codes, latents
from kvae.evaluation.rows import Row
from kvae.models.base import given, labels_of, seed_pair
from kvae.models.chunks import rows_at_once
from kvae.models.estimates import divergence
from kvae.models.plan import Evaluation

AGGREGATED = 10_000
"""The largest number of training images that the aggregated posterior is made of."""
AGGREGATED_PARTS = 8
"""The number is also at most so many times that of images that go through the networks together."""
AGGREGATED_SLOWLY = 500
"""The same, for a posterior whose `log_prob` takes many passes through the networks."""


def latent_use(model: Any, dataset: Dataset, found: Evaluation, seed: int) -> list[Row]:
    """How much the latents are used, and how far the aggregated posterior is from the prior.

    Args:
        model: A model with q(z|x) and a prior.
        dataset: The dataset; the aggregated posterior is that of its training images.
        found: The model's metrics on the held-out images.
        seed: Decides all random numbers.
    """
    kl, verdict = found.per_dimension["kl_per_dimension"], latents.verdict(found)
    advice = {
        "healthy": "every dimension is in use",
        "partly collapsed": "some dimensions are not in use: fewer would do, or a smaller `beta` "
        "or longer training might use them",
        "collapsed": "the decoder ignores the latents: try a smaller `beta`, `optimizer=adam`, "
        "more `epochs` or `mean_activation=sigmoid`",
    }[verdict]
    most = AGGREGATED if model.has_quick_posterior else AGGREGATED_SLOWLY
    # All are encoded together, because their posteriors are one distribution.
    some = dataset.train.spread(min(most, AGGREGATED_PARTS * rows_at_once(model.config, most)))
    own_labels = labels_of(model, dataset, some)
    # A conditional model has an aggregated posterior and a prior for each label.
    parts = [some]
    if own_labels is not None:
        parts = [some.take(own_labels == label) for label in np.unique(own_labels)]
    share = np.array([len(part) for part in parts]) / len(some)
    costs, informations, errors = np.transpose(
        [_aggregated(given(model, labels_of(model, dataset, part)), part, seed) for part in parts]
    )
    information, error = float(share @ informations), float(np.linalg.norm(share * errors))
    limit = float(share @ [math.log(len(part)) for part in parts])
    distance = float(share @ costs) - information
    of_label, given_label = ("|y", " given y") if own_labels is not None else ("", "")
    if information > limit - 0.5:
        apart = f"at most: so many {model.config.data.item}s cannot show more mutual information"
    else:
        far = "near" if distance < 0.5 else "some way from" if distance < 2 else "far from"
        apart = f"the aggregated posterior is {far} the prior"
    return [
        Row(
            "KL per dimension, median",
            "nats",
            {"value": float(np.median(kl))},
            f"from {kl.min():.2f} to {kl.max():.2f}",
        ),
        Row(
            f"active units, of {len(kl)}",
            "",
            {"value": found.scalars["active_units"]},
            f"{verdict}: {advice}",
        ),
        Row(
            f"mutual information of x and z{given_label}",
            "nats",
            {"value": information, "standard error": error},
            f"of at most {limit:.2f}, the {'mean ' if given_label else ''}log of {len(some):,} "
            f"training {model.config.data.item}s{' by label' if given_label else ''}",
        ),
        Row(f"KL(q(z{of_label}) || p(z{of_label}))", "nats", {"value": distance}, apart),
    ]


def _aggregated(model: Any, some: Split, seed: int) -> tuple[float, float, float]:
    """The mean KL, the mutual information of x and z, and its standard error, in nats."""
    posterior = model.encode(model.inputs(some.images, seed))
    z, log_q = posterior.experimental_sample_and_log_prob(seed=seed_pair(seed))
    divergences = divergence(posterior, model.prior.distribution(), z, log_q).numpy()
    return float(divergences.mean()), *latents.mutual_information(posterior, seed)


def level_use(model: Any, found: Evaluation) -> list[Row]:
    """Which levels of latents are in use, and what to do about one that is not.

    Args:
        model: A model whose latents have levels.
        found: The model's metrics on the held-out images.
    """
    levels = model.latent_levels
    ends = np.cumsum(levels)
    parts = np.split(latents.in_use(found), ends[:-1])
    costs = np.split(found.per_dimension["kl_per_dimension"], ends[:-1])
    rows = []
    for number, (used, kl) in enumerate(zip(parts, costs, strict=True), 1):
        verdict = f"in use: {used.sum()} of {len(used)} dimensions"
        if used.mean() <= latents.COLLAPSED_SHARE:
            verdict = (
                f"not in use ({used.sum()} of {len(used)} dimensions): try a longer `kl_warmup` or "
                "`free_bits`, or do without it"
            )
        name = f"KL of level {number} of {len(levels)}, by dimension"
        rows.append(Row(name, "nats", {"value": float(kl.sum())}, verdict))
    return rows


def code_use(model: Any, found: Evaluation) -> list[Row]:
    """How many of its discrete codes a model uses, and how much better than uniform codes its prior
    is.

    Args:
        model: A model that quantizes.
        found: The model's metrics on the held-out images.
    """
    count, perplexity = model.code_count, float(found.scalars["perplexity"])
    verdict = codes.verdict(perplexity, count)
    cure = "" if verdict == "healthy" else f": {codes.CURE}"
    positions = math.prod(model.codes(tf.zeros((1, *model.config.model.image_shape))).shape)
    uniform = -positions * math.log(count)
    gain = float(found.terms["log_prior"].mean()) - uniform
    learned = "better" if gain > 0 else "WORSE" if gain < 0 else "better: it was not trained"
    used = {"value": float(found.scalars["used_codes"])}
    return [
        Row(f"perplexity of the codes, of {count}", "", {"value": perplexity}, f"{verdict}{cure}"),
        Row(f"codes in use, of {count}", "", used),
        Row(
            "log p(codes) of uniform codes",
            "nats",
            {"value": uniform},
            f"the prior's is {abs(gain):.1f} nats {learned}",
        ),
    ]
