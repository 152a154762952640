"""The rows of a report. Each function measures what one capability of a model makes possible."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.config import family
from kvae.data import Dataset
from kvae.data.dataset import Split
from kvae.data.pixels import to_float
from kvae.evaluation import (
    adversary,
    classical,
    codes,
    labels,
    latents,
    likelihood,
    noise,
    reconstruction,
    samples,
)
from kvae.evaluation.rows import Row, mean_row
from kvae.evaluation.statistics import standard_error
from kvae.models.base import (
    Conditional,
    Decodes,
    Exact,
    Generates,
    Infers,
    Noiseless,
    Quantizes,
    Reconstructs,
    given,
    labels_of,
    seed_pair,
)
from kvae.models.chunks import of_rows, rows_at_once, sampled
from kvae.models.estimates import divergence
from kvae.models.plan import Evaluation
from kvae.models.samples import covered, recalled, told_apart
from kvae.progress import Progress

COMPARED = 5000
"""The largest number of images of each kind that are compared pairwise."""
COMPARED_NUMBERS = 2**26
"""The largest number of all their pixels, 256 MiB of each kind, where images are not so large that
fewer than `FEWEST_COMPARED` would be compared."""
FEWEST_COMPARED = 100
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
AGGREGATED = 10_000
"""The largest number of training images that the aggregated posterior is made of."""
AGGREGATED_PARTS = 8
"""The number is also at most so many times that of images that go through the networks together."""
AGGREGATED_SLOWLY = 500
"""The same, for a posterior whose `log_prob` takes many passes through the networks."""
GOOD_COVERAGE = 0.8
"""Samples are as varied as the data if their coverage is not below this, nor their recall below
`GOOD_RECALL`."""
GOOD_RECALL = 0.2
"""Samples that are blurred, or mixtures of images, are near to all images but nearer to each other:
their coverage is high, and their recall is below this. On the Frey Faces and MNIST the samples of
the reference recipe have a recall below 0.02, those of learned priors one above 0.4."""
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


def adversaries(model: Any, dataset: Dataset, compared: "Compared") -> tuple[str, list[Row]]:
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


def _rarest(dataset: Dataset, compared: "Compared") -> tuple[Row, bool]:
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


def _aggregated(model: Any, some: Split, seed: int) -> tuple[float, float, float]:
    """The mean KL, the mutual information of x and z, and its standard error, in nats."""
    posterior = model.encode(model.inputs(some.images, seed))
    z, log_q = posterior.experimental_sample_and_log_prob(seed=seed_pair(seed))
    divergences = divergence(posterior, model.prior.distribution(), z, log_q).numpy()
    return float(divergences.mean()), *latents.mutual_information(posterior, seed)


class Compared:
    """The images that are compared: training images, held-out images, and images of the model.

    All are floats in [0, 1], `[count, height, width, channels]`.

    Args:
        model: The model; it makes the kinds of images that it can make.
        dataset: The dataset, which has the training images.
        held_out: Images that the model was not trained on.
        seed: Decides all random numbers.

    Attributes:
        train: Some training images.
        held_out: Some held-out images.
        made: Images of the model by kind, as many as training images. The kinds are `prior
            samples`, `aggregated-posterior samples` and `reconstructions` (of training images).
        reconstructions: Reconstructions of `held_out`; None if the model does not reconstruct.
    """

    def __init__(self, model: Any, dataset: Dataset, held_out: Split, seed: int) -> None:
        train, held_out = compared_of(dataset.train), compared_of(held_out)
        own_labels = labels_of(model, dataset, train)
        self.train, self.held_out = shown(model, train), shown(model, held_out)
        self.made: dict[str, np.ndarray] = {}
        self.reconstructions: np.ndarray | None = None
        if isinstance(model, Generates):
            self.made["prior samples"] = sampled(model, len(train), seed)
        if isinstance(model, Infers) and isinstance(model, Decodes):
            # The order is random, because callers that need fewer take the first ones.
            order = np.random.RandomState(seed).permutation(len(train))
            z = of_rows(model, _inferred, train.images, seed, own_labels)[order]
            ordered = None if own_labels is None else own_labels[order]
            self.made["aggregated-posterior samples"] = of_rows(
                model, lambda model, z, _: model.mean_images(z), z, labels=ordered
            )
        if isinstance(model, Reconstructs):
            self.made["reconstructions"] = reconstructed(model, dataset, train, seed)
            self.reconstructions = reconstructed(model, dataset, held_out, seed)


def _inferred(model: Any, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A sample of q(z|x) for each image."""
    return model.encode(model.inputs(images, seed)).sample(seed=seed)


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


def _blame(found: dict[str, samples.Fidelity]) -> str:
    """A verdict on why samples from the prior are unlike training images, from all fidelities."""
    prior, aggregated = found["prior samples"], found.get("aggregated-posterior samples")
    decoded = found.get("reconstructions", prior)
    if prior.coverage >= GOOD_COVERAGE:
        if prior.recall >= GOOD_RECALL:
            return "samples are as varied as the data"
        if decoded.recall < GOOD_RECALL:
            return "blurred or too alike, as reconstructions are: try more epochs, or more latents"
        if aggregated is not None and aggregated.recall >= GOOD_RECALL:
            return "blurred or too alike: the prior is to blame; try fewer latents, or more images"
        return "blurred or too alike: near to the data, but nearer to each other"
    if decoded.coverage < GOOD_COVERAGE / 2:
        return "the decoder is to blame: not even reconstructions come near the data"
    if aggregated is None:
        return ""
    if aggregated.coverage - prior.coverage > 0.2 * aggregated.coverage:
        return "the prior is to blame: latents of images decode well, but it is elsewhere"
    return "prior and aggregated posterior miss alike: the decoder blurs, or z is noisy"


def _covered(coverage: float) -> str:
    share = "nearly all" if coverage > 0.9 else "most" if coverage > 0.5 else "some"
    return f"{share} of the images are covered" if coverage > 0.1 else "hardly any are covered"


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


def reconstructions(
    model: Any, dataset: Dataset, compared: Compared, dimensions: int | None
) -> list[Row]:
    """How close reconstructions of held-out images are to their originals, and how sharp.

    Args:
        model: The model that reconstructed them.
        dataset: The dataset; principal components are those of its training images.
        compared: The images that are compared.
        dimensions: The number of principal components that reconstruct the same images; None for
            no comparison.
    """
    assert compared.reconstructions is not None
    found = reconstruction.compare_images(compared.held_out, compared.reconstructions)
    linear = []
    if dimensions is not None:
        train = shown(model, dataset.train)
        components = fewer(dimensions, train)
        pca = classical.pca_reconstructions(train, compared.held_out, components)
        error = float(np.mean(np.square(compared.held_out - pca)))
        note = f"the model's is {found.mean_squared_error / error:.2f} times as large"
        linear = [Row(f"that of PCA, {components} components", "", {"value": error}, note)]
    share = found.sharpness / found.data_sharpness if found.data_sharpness else 1.0
    sharp = "as sharp as the data" if share > 0.8 else "softer" if share > 0.4 else "blurred"
    return [
        Row("mean squared error a pixel", "", {"value": found.mean_squared_error}),
        *linear,
        Row("PSNR", "dB", {"value": found.psnr}),
        Row("SSIM", "", {"value": found.ssim}, "1 is the same image"),
        Row("sharpness", "", {"value": found.sharpness}, f"{share:.0%} of the data's: {sharp}"),
        Row("sharpness of the data", "", {"value": found.data_sharpness}),
    ]


def restored_rows(
    model: Any, dataset: Dataset, held_out: Split, dimensions: int | None
) -> list[Row]:
    """How close reconstructions of held-out rows of numbers are to their originals.

    Args:
        model: A model that reconstructs.
        dataset: The dataset; principal components are those of its training rows.
        held_out: The rows.
        dimensions: The number of principal components that reconstruct the same rows; None for no
            comparison.
    """
    train, test = dataset.train.images, held_out.images
    error = float(np.mean(np.square(test - reconstructed(model, dataset, held_out))))
    note = "of standardised columns: that of their means is about 1" if dataset.columns else ""
    rows = [Row("mean squared error a number", "", {"value": error}, note)]
    if dimensions is not None and math.prod(train.shape[1:]) > 1:
        components = fewer(dimensions, train)
        pca = classical.pca_reconstructions(train, test, components)
        other = float(np.mean(np.square(test - pca)))
        note = f"the model's is {error / other:.2f} times as large"
        rows.append(Row(f"that of PCA, {components} components", "", {"value": other}, note))
    return rows


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


def fewer(dimensions: int, images: np.ndarray) -> int:
    """The dimensions that a linear model can have.

    Args:
        dimensions: The largest number.
        images: The images that it is fitted to, `[count, ...]`.
    """
    return min(dimensions, len(images) - 1, math.prod(images.shape[1:]) - 1)


def labelled(*splits: Split) -> bool:
    """Whether all splits have labels, and those of the first are not all the same.

    Args:
        splits: Images with or without labels.
    """
    labels_of = [split.labels for split in splits if split.labels is not None]
    return len(labels_of) == len(splits) and len(np.unique(labels_of[0])) > 1


def label_rows(model: Any, train: Split, held_out: Split) -> list[Row]:
    """How well embeddings tell labels apart that the model never saw.

    Args:
        model: A model that embeds images.
        train: Labelled images that the labels are learned from.
        held_out: Labelled images that this is measured on.
    """
    assert train.labels is not None
    assert held_out.labels is not None
    embeddings = [_embeddings(model, split) for split in (train, held_out)]
    found = labels.label_scores(embeddings[0], train.labels, embeddings[1], held_out.labels)
    chance = float(np.max(np.bincount(held_out.labels)) / len(held_out))
    return [
        Row(name, "", {"value": value}, verdict)
        for name, value, verdict in (
            ("5 nearest neighbours, accuracy", found.knn, f"the commonest label has {chance:.2f}"),
            ("linear probe, accuracy", found.linear, f"the commonest label has {chance:.2f}"),
            ("k-means and labels, NMI", found.clusters, "1 where clusters are labels, 0 by chance"),
        )
    ]


def _embeddings(model: Any, split: Split) -> np.ndarray:
    def embed(model: Any, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return model.embed(model.inputs(images, seed))

    return of_rows(model, embed, split.images)


def compared_of(split: Split, most: int = COMPARED) -> Split:
    """Those of some images that are compared.

    Args:
        split: The images.
        most: The largest number of images; large images are fewer.
    """
    fitting = max(FEWEST_COMPARED, COMPARED_NUMBERS // math.prod(split.images.shape[1:]))
    return split.spread(min(most, fitting))


def reconstructed(model: Any, dataset: Dataset, split: Split, seed: int = 0) -> np.ndarray:
    """The reconstructions of images, given their labels if the model is conditional.

    Args:
        model: A model that reconstructs.
        dataset: The dataset that the images are of.
        split: The images.
        seed: Decides the random numbers of dynamic binarization.
    """

    def again(model: Any, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return model.reconstruct(model.inputs(images, seed))

    return of_rows(model, again, split.images, seed, labels_of(model, dataset, split))


def shown(model: Any, split: Split) -> np.ndarray:
    """Images that those of the model should be like, in [0, 1].

    With dynamic binarization these are the grey images, although the model sees binary ones: the
    means of p(x|z) are grey, too. A model that draws pixels draws binary ones, as it sees them.

    Args:
        model: The model.
        split: The images.
    """
    binarize = model.config.data.binarize
    if binarize == "dynamic" and not model.draws_pixels:
        binarize = "none"
    return to_float(tf.constant(split.images), binarize, seed_pair(0)).numpy()
