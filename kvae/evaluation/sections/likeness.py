"""Rows on how like samples are to the data."""

import math
from typing import Any

import numpy as np

from kvae.data import Dataset
from kvae.evaluation import adversary, samples
from kvae.evaluation.compared import Compared, compared_of
from kvae.evaluation.labels import labelled
from kvae.evaluation.rows import Row
from kvae.models.chunks import of_rows
from kvae.models.samples import covered, recalled, told_apart

GOOD_COVERAGE = 0.8
"""Samples are as varied as the data if their coverage is not below this, nor their recall below
`GOOD_RECALL`."""
GOOD_RECALL = 0.2
"""Samples that are blurred, or mixtures of images, are near to all images but nearer to each other:
their coverage is high, and their recall is below this. On the Frey Faces and MNIST the samples of
the reference recipe have a recall below 0.02, those of learned priors one above 0.4."""


def samples_against_data(compared: Compared) -> list[Row]:
    """Precision, recall, density and coverage of the model's images.

    Args:
        compared: The images that are compared.
    """
    count = len(compared.held_out)
    made, held_out = compared.made, dict(compared.made)
    if compared.reconstructions is not None:
        held_out["reconstructions"] = compared.reconstructions
    pairs = {"training": (compared.train, made), "held-out": (compared.held_out, held_out)}
    found = {
        (kind, reference): samples.fidelity(
            real, each[kind] if reference == "training" else each[kind][:count]
        )
        for kind in made
        for reference, (real, each) in pairs.items()
        if len(real) > samples.NEIGHBOURS
    }
    verdicts = {
        ("prior samples", "training"): _blame({kind: found[kind, "training"] for kind in made})
    }
    return [
        Row(
            f"{kind}, {reference} images",
            "",
            found[kind, reference]._asdict(),
            verdicts.get((kind, reference)) or _covered(found[kind, reference].coverage),
        )
        for kind, reference in found
    ]


def _blame(found: dict[str, samples.Fidelity]) -> str:
    """A verdict on why samples from the prior are unlike training images, from all fidelities.

    It is empty where the model makes too few kinds of images to tell.
    """
    prior = found["prior samples"]
    aggregated, decoded = found.get("aggregated-posterior samples"), found.get("reconstructions")
    if prior.coverage >= GOOD_COVERAGE:
        if prior.recall >= GOOD_RECALL:
            return "samples are as varied as the data"
        if decoded is not None and decoded.recall < GOOD_RECALL:
            return "blurred or too alike, as reconstructions are: try more epochs, or more latents"
        if aggregated is not None and aggregated.recall >= GOOD_RECALL:
            return "blurred or too alike: the prior is to blame; try fewer latents, or more images"
        return "blurred or too alike: near to the data, but nearer to each other"
    if decoded is not None and decoded.coverage < GOOD_COVERAGE / 2:
        return "the decoder is to blame: not even reconstructions come near the data"
    if aggregated is None:
        return ""
    if aggregated.coverage - prior.coverage > 0.2 * aggregated.coverage:
        return "the prior is to blame: latents of images decode well, but it is elsewhere"
    return "prior and aggregated posterior miss alike: the decoder blurs, or z is noisy"


def _covered(coverage: float) -> str:
    share = "nearly all" if coverage > 0.9 else "most" if coverage > 0.5 else "some"
    return f"{share} of the images are covered" if coverage > 0.1 else "hardly any are covered"


def rare_modes(compared: Compared) -> list[Row]:
    """Whether samples show what is rare among training images; no row if these are too few.

    Args:
        compared: The images that are compared.
    """
    made = compared.made["prior samples"]
    found = samples.rare_modes(compared.train, compared.held_out, made)
    if found is None:
        return []
    expected = found.of_held_out
    share = found.of_samples / expected if expected else math.inf
    often = (
        "none of them are shown"
        if not found.of_samples
        else "far too rarely"
        if share < 0.5
        else "too rarely"
        if share < 0.8
        else "as often as held-out images"
        if share < 1.25
        else "more often than held-out images"
    )
    return [
        Row(
            f"share in the {found.rare} rarest of {found.clusters} clusters",
            "",
            {
                "samples": found.of_samples,
                "held-out": found.of_held_out,
                "training": found.of_training,
            },
            often,
        ),
        Row(
            f"clusters with samples, of {found.clusters}",
            "",
            {"samples": found.reached},
            "all" if found.reached == found.clusters else "some have none",
        ),
    ]


def memorising(compared: Compared) -> list[Row]:
    """Whether samples are nearer to training images than held-out images are.

    Args:
        compared: The images that are compared.
    """
    prior = np.median(samples.nearest(compared.made["prior samples"], compared.train)[0])
    held_out = np.median(samples.nearest(compared.held_out, compared.train)[0])
    # Smooth samples are somewhat nearer to all images, which does not make them copies.
    copies = prior < held_out / 2
    verdict = (
        "samples are much nearer to training images than new images are: memorised"
        if copies
        else "no nearer than new images are: not memorised"
        if prior >= held_out
        else "somewhat nearer than new images are"
    )
    unit = "of white"
    return [
        Row("samples to their nearest training image", unit, {"median": float(prior)}, verdict),
        Row("held-out images to theirs", unit, {"median": float(held_out)}),
    ]


def adversaries(model: Any, dataset: Dataset, compared: Compared) -> tuple[str, list[Row]]:
    """Whether the generator leaves out images, and whether the discriminator has won.

    Args:
        model: A model that tells real images from its own.
        dataset: The dataset, which has the labels of its training images.
        compared: The images that are compared.

    Returns:
        Whether samples are `healthy`, `partly collapsed` or `collapsed`; and the rows.
    """
    made = compared.made["prior samples"]
    coverage = float(covered(compared.held_out, made, compared.train).mean())
    recall = float(recalled(compared.held_out, made).mean())
    rarest, is_missing = _rarest(dataset, compared)
    verdict = adversary.verdict(coverage, recall, is_missing)
    cure = f": {adversary.CURE}" if is_missing or coverage < adversary.PARTLY else ""
    alike = f"they are too alike, or blurred: {adversary.CURE_OF_ALIKE}"
    seen, unseen, own = (
        _scores(model, images) for images in (compared.train, compared.held_out, made)
    )
    known, told = (float(told_apart(scores, own).mean()) for scores in (seen, unseen))
    won = adversary.outcome(verdict, told)
    learned = f"it knows these by heart: {adversary.CURE_OF_KNOWN}"
    return verdict, [
        Row("coverage of held-out images", "", {"value": coverage}, f"{verdict}{cure}"),
        Row(
            "recall of held-out images",
            "",
            {"value": recall},
            alike if recall < adversary.ALIKE else "samples are not all alike",
        ),
        rarest,
        Row("discriminator, held-out images told from samples", "", {"value": told}, won),
        Row(
            "discriminator, training images told from samples",
            "",
            {"value": known},
            learned if known - told > adversary.KNOWN else "much as held-out images",
        ),
    ]


def _rarest(dataset: Dataset, compared: Compared) -> tuple[Row, bool]:
    """The label, or the cluster of training images, that is rarest among samples, and whether it is
    missing."""
    of_train = compared_of(dataset.train).labels if labelled(dataset.train) else None
    data, made = adversary.kinds_of(compared.train, of_train, compared.made["prior samples"])
    kind = adversary.rarest(data, made)
    name = f"cluster {kind.number + 1}"
    if of_train is not None:
        names = dataset.label_names
        name = f"label {names[kind.number] if names else kind.number}"
    what = "labels" if of_train is not None else "clusters"
    row = Row(
        f"rarest of {len(np.unique(data))} {what}, share of samples",
        "",
        {"value": kind.of_samples},
        f"{name}, which {kind.of_data:.1%} of training images have: {kind.verdict}",
    )
    return row, kind.verdict == "missing"


def _scores(model: Any, images: np.ndarray) -> np.ndarray:
    """The discriminator's scores of images, floats `[count, height, width, channels]`."""
    return of_rows(model, lambda model, some, _: model.discriminate(some), images)
