"""All that there is to say of a trained model, with a plain-language verdict a line."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.data import Dataset
from kvae.data.dataset import Split
from kvae.data.pixels import to_float
from kvae.errors import UsageError
from kvae.evaluation import classical, labels, latents, likelihood, reconstruction, samples
from kvae.evaluation.elbo import CHUNK, Evaluation, Evaluator
from kvae.evaluation.statistics import standard_error
from kvae.models.flows import Flowed
from kvae.models.vae.model import VAE, bounds, seed_pair
from kvae.progress import Progress, silent

COMPARED = 5000
"""Images of each kind that are compared pairwise, at most."""
ANNEALED = 100
AGGREGATED = 10_000
AGGREGATED_FLOWS = 500
"""Fewer, where the density of a point under another image's posterior takes many passes."""
GOOD_COVERAGE = 0.8


@dataclass(frozen=True)
class Row:
    """One figure, or a few of a kind.

    Attributes:
        name: What it is of.
        unit: Such as `nats`; empty where there is none.
        values: By column.
        verdict: What it means.
    """

    name: str
    unit: str
    values: dict[str, float]
    verdict: str = ""


@dataclass(frozen=True)
class Report:
    """What `evaluate` found.

    Attributes:
        model: The model's dataset and sizes, in one line.
        images: The images, in one line.
        verdict: Of the latents: `healthy`, `partly collapsed` or `collapsed`.
        groups: Rows by the title of their group.
        kl_per_dimension: Nats, `[latent]`.
    """

    model: str
    images: str
    verdict: str
    groups: dict[str, list[Row]]
    kl_per_dimension: list[float]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        groups = {
            title: {
                row.name: {**row.values, "unit": row.unit, "verdict": row.verdict} for row in rows
            }
            for title, rows in self.groups.items()
        }
        return {
            "model": self.model,
            "images": self.images,
            "verdict": self.verdict,
            "groups": groups,
            "kl_per_dimension": self.kl_per_dimension,
        }


def evaluate(
    model: VAE,
    dataset: Dataset,
    split: str = "test",
    importance_samples: int = 500,
    seed: int = 0,
    progress: Progress = silent,
) -> Report:
    """Measure a model on a split of a dataset: likelihood, latents, samples, reconstructions.

    Args:
        model: A VAE.
        dataset: Its training images are what samples are compared with, too.
        split: `train`, `validation` or `test`.
        importance_samples: Draws of z an image for the importance-weighted bound.
        seed: Decides all random numbers.
        progress: Shows how far along the longer parts are.

    Raises:
        UsageError: the model is for images of another shape.
    """
    config = model.config
    if config.model.image_shape != dataset.image_shape:
        raise UsageError(
            f"the model is for images of {config.model.image_shape}, but {dataset.name} has "
            f"{dataset.image_shape}"
        )
    held_out = dataset.split(split)
    chunk = min(CHUNK, len(held_out))
    elbo = Evaluator(model, config.data.binarize, seed, chunk, config.training.jit)(held_out.images)
    bound = likelihood.importance_weighted_bound(
        model, held_out.images, importance_samples, seed, progress
    )
    drawn = _Drawn(model, dataset.train, held_out, seed)
    groups = {
        "Likelihood": [
            *_bounds(elbo, bound, importance_samples),
            *_annealed(model, held_out, importance_samples, seed, progress),
            _bits(model, held_out, bound, importance_samples, seed, progress),
        ],
        "Latent use": _latent_use(model, dataset, elbo, seed),
        "Samples against data": _samples(drawn),
        "Memorising": _memorising(drawn),
        "Reconstruction": _reconstruction(drawn),
    }
    if model.decoder.likelihood.measure == "density":
        groups["Against linear models"] = _classical(model, dataset, held_out, bound)
    if _labelled(dataset.train) and held_out.labels is not None:
        groups["Labels"] = _labels(model, dataset.train, held_out)
    hidden = "-".join(map(str, config.model.hidden))
    objective = config.training.objective_in(config.training.epochs)
    fitted = ", fitted afterwards" if config.model.prior_fitted else ""
    return Report(
        model=f"{config.data.dataset}, {hidden} hidden units, {config.model.latent} latents, "
        f"{config.model.likelihood} likelihood, {config.model.posterior} posterior, "
        f"{config.model.prior} prior{fitted}, trained on: {objective}",
        images=f"{len(held_out):,} {split} images of {dataset.name}",
        verdict=latents.verdict(elbo.kl_per_dimension, elbo.posterior_means),
        groups=groups,
        kl_per_dimension=[float(kl) for kl in elbo.kl_per_dimension],
    )


def _labelled(split: Split) -> bool:
    """Whether there are labels to be told apart."""
    return split.labels is not None and len(np.unique(split.labels)) > 1


def _row(name: str, each: np.ndarray, unit: str = "nats", verdict: str = "") -> Row:
    """A mean over images with its standard error."""
    values = {"value": float(np.mean(each)), "standard error": standard_error(each)}
    return Row(name, unit, values, verdict)


def _bounds(elbo: Evaluation, bound: np.ndarray, samples: int) -> list[Row]:
    gap = float(np.mean(bound - elbo.elbo))
    share = gap / max(float(elbo.kl.mean()), 1e-6)
    near = "close to" if share < 0.1 else "some way from" if share < 0.3 else "far from"
    return [
        _row("ELBO", elbo.elbo, verdict="a lower bound on log p(x)"),
        _row("reconstruction", elbo.reconstruction, verdict="expected log p(x|z)"),
        _row("KL", elbo.kl, verdict="cost of the latents"),
        _row(
            f"importance-weighted, {samples} samples",
            bound,
            verdict=f"{gap:.2f} above the ELBO: q(z|x) is {near} the true posterior",
        ),
    ]


def _annealed(
    model: VAE, held_out: Split, samples: int, seed: int, progress: Progress
) -> list[Row]:
    some = held_out.spread(ANNEALED).images
    annealed = likelihood.annealed_importance_sampling(model, some, seed=seed, progress=progress)
    bound = likelihood.importance_weighted_bound(model, some, samples, seed)
    differences = annealed.bound - bound
    gain, error = float(differences.mean()), standard_error(differences)
    if abs(gain) <= max(0.5, 2 * error):
        verdict = "agrees with the importance-weighted bound"
    elif gain > 0:
        verdict = "above the importance-weighted bound, which more samples would raise"
    else:
        verdict = "below the importance-weighted bound: more steps would be needed"
    acceptable = 0.5 <= annealed.acceptance <= 0.95
    return [
        _row(f"annealed importance sampling, {len(some)} images", annealed.bound),
        Row(
            "its gain on those images",
            "nats",
            {"value": gain, "standard error": error},
            verdict,
        ),
        Row(
            "HMC acceptance",
            "",
            {"value": annealed.acceptance},
            "as it should be" if acceptable else "too far from 0.75 to trust the annealing",
        ),
    ]


def _bits(
    model: VAE, held_out: Split, bound: np.ndarray, samples: int, seed: int, progress: Progress
) -> Row:
    pixels = math.prod(held_out.images.shape[1:])
    measure = model.decoder.likelihood.measure
    if measure == "binary" and model.config.data.binarize == "none":
        verdict = (
            "not to be had: grey levels under a Bernoulli are no distribution; train with "
            "--binarize dynamic"
        )
        return Row("bits per dimension", "bits", {}, verdict)
    if measure != "density":
        what = "black and white pixels" if measure == "binary" else "8-bit pixels"
        bits = -bound / (pixels * math.log(2))
        return _row("bits per dimension", bits, "bits", f"of {what}, at most")
    dequantized = likelihood.importance_weighted_bound(
        model, held_out.images, samples, seed, progress, dequantize=True
    )
    # A density over [0, 1] counts a grey level for 1/256.
    return _row(
        "bits per dimension",
        8 - dequantized / (pixels * math.log(2)),
        "bits",
        "of 8-bit pixels, at most: by uniform dequantisation (Theis et al., 2016)",
    )


def _latent_use(model: VAE, dataset: Dataset, elbo: Evaluation, seed: int) -> list[Row]:
    kl, latent = elbo.kl_per_dimension, model.config.model.latent
    verdict = latents.verdict(kl, elbo.posterior_means)
    advice = {
        "healthy": "every dimension is in use",
        "partly collapsed": "some dimensions are not in use: fewer would do, or a smaller --beta "
        "or longer training might use them",
        "collapsed": "the decoder ignores the latents: try a smaller --beta, --optimizer adam, "
        "more --epochs or --mean-activation sigmoid",
    }[verdict]
    flowed = isinstance(model.encode(model.inputs(dataset.train.images[:1])), Flowed)
    some = dataset.train.spread(AGGREGATED_FLOWS if flowed else AGGREGATED)
    posterior = model.encode(model.inputs(some.images, seed))
    draws = posterior.experimental_sample_and_log_prob(seed=seed_pair(seed))
    divergences = bounds.divergence(posterior, model.prior.distribution(), *draws).numpy()
    information, error = latents.mutual_information(posterior, seed)
    most = math.log(len(some))
    distance = float(divergences.mean()) - information
    if information > most - 0.5:
        apart = "at most: so many images cannot show more mutual information"
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
            f"active units, of {latent}",
            "",
            {"value": elbo.active_units},
            f"{verdict}: {advice}",
        ),
        Row(
            "mutual information of x and z",
            "nats",
            {"value": information, "standard error": error},
            f"of at most {most:.2f}, the log of {len(some):,} training images",
        ),
        Row(
            "KL(q(z) || p(z))",
            "nats",
            {"value": distance},
            apart,
        ),
    ]


class _Drawn:
    """Images in [0, 1] to compare: real ones, and what the model makes of noise and of them."""

    def __init__(self, model: VAE, train: Split, held_out: Split, seed: int) -> None:
        train, held_out = train.spread(COMPARED), held_out.spread(COMPARED)
        self.train, self.held_out = _shown(model, train), _shown(model, held_out)
        inputs = model.inputs(train.images, seed)
        self.prior = model.sample(len(train), seed).numpy()
        posterior = model.encode(inputs)
        # An order of their own, so that any first few are of all kinds.
        order = np.random.RandomState(seed).permutation(len(train))
        drawn = posterior.sample(seed=seed_pair(seed)).numpy()[order]
        self.aggregated = model.mean_images(tf.constant(drawn)).numpy()
        self.train_reconstructions = model.reconstruct(inputs).numpy()
        self.reconstructions = model.reconstruct(model.inputs(held_out.images, seed)).numpy()


def _samples(drawn: _Drawn) -> list[Row]:
    count = len(drawn.held_out)
    kinds = {
        "prior samples": (drawn.prior, drawn.prior[:count]),
        "aggregated-posterior samples": (drawn.aggregated, drawn.aggregated[:count]),
        "reconstructions": (drawn.train_reconstructions, drawn.reconstructions),
    }
    references = {"training": drawn.train, "held-out": drawn.held_out}
    found = {
        (kind, reference): samples.fidelity(real, images)
        for kind, both in kinds.items()
        for (reference, real), images in zip(references.items(), both, strict=True)
        if len(real) > samples.NEIGHBOURS
    }
    coverage = {kind: found[kind, "training"].coverage for kind in kinds}
    prior, aggregated, decoded = coverage.values()
    if prior >= GOOD_COVERAGE:
        blame = "samples are as varied as the data"
    elif decoded < GOOD_COVERAGE / 2:
        blame = "the decoder is to blame: not even reconstructions come near the data"
    elif aggregated - prior > 0.2 * aggregated:
        blame = "the prior is to blame: latents of images decode well, but it is elsewhere"
    else:
        blame = "prior and aggregated posterior miss alike: the decoder blurs, or z is noisy"
    verdicts = {("prior samples", "training"): blame}
    return [
        Row(
            f"{kind}, {reference} images",
            "",
            found[kind, reference]._asdict(),
            verdicts.get((kind, reference), _covered(found[kind, reference].coverage)),
        )
        for kind, reference in found
    ]


def _covered(coverage: float) -> str:
    share = "nearly all" if coverage > 0.9 else "most" if coverage > 0.5 else "some"
    return f"{share} of the images are covered" if coverage > 0.1 else "hardly any are covered"


def _memorising(drawn: _Drawn) -> list[Row]:
    prior = np.median(samples.nearest(drawn.prior, drawn.train)[0])
    held_out = np.median(samples.nearest(drawn.held_out, drawn.train)[0])
    # Smooth samples are nearer to everything; a copy is nearer by far.
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


def _reconstruction(drawn: _Drawn) -> list[Row]:
    found = reconstruction.compare_images(drawn.held_out, drawn.reconstructions)
    share = found.sharpness / found.data_sharpness if found.data_sharpness else 1.0
    sharp = "as sharp as the data" if share > 0.8 else "softer" if share > 0.4 else "blurred"
    return [
        Row("mean squared error a pixel", "", {"value": found.mean_squared_error}),
        Row("PSNR", "dB", {"value": found.psnr}),
        Row("SSIM", "", {"value": found.ssim}, "1 is the same image"),
        Row("sharpness", "", {"value": found.sharpness}, f"{share:.0%} of the data's: {sharp}"),
        Row("sharpness of the data", "", {"value": found.data_sharpness}),
    ]


def _classical(model: VAE, dataset: Dataset, held_out: Split, bound: np.ndarray) -> list[Row]:
    train, test = _shown(model, dataset.train), _shown(model, held_out)
    latent = min(model.config.model.latent, len(train) - 1, math.prod(train.shape[1:]) - 1)
    rows = []
    for name, density in (
        ("probabilistic PCA", classical.probabilistic_pca),
        ("factor analysis", classical.factor_analysis),
    ):
        exact = density(train, test, latent)
        gain, error = float(np.mean(bound - exact)), standard_error(bound - exact)
        if gain > 2 * error:
            verdict = f"the VAE is {gain:.1f} ± {error:.1f} better"
        elif gain < -2 * error:
            verdict = f"the VAE is {-gain:.1f} ± {error:.1f} WORSE than this linear model"
        else:
            verdict = f"the VAE is no different ({gain:+.1f} ± {error:.1f})"
        rows.append(_row(f"{name}, {latent} dimensions", exact, verdict=verdict))
    return rows


def _labels(model: VAE, train: Split, held_out: Split) -> list[Row]:
    means = [_means(model, split) for split in (train, held_out)]
    assert train.labels is not None
    assert held_out.labels is not None
    found = labels.label_scores(means[0], train.labels, means[1], held_out.labels)
    chance = float(np.max(np.bincount(held_out.labels)) / len(held_out))
    return [
        Row(name, "", {"value": value}, verdict)
        for name, value, verdict in (
            ("5 nearest neighbours, accuracy", found.knn, f"the commonest label has {chance:.2f}"),
            ("linear probe, accuracy", found.linear, f"the commonest label has {chance:.2f}"),
            ("k-means and labels, NMI", found.clusters, "1 where clusters are labels, 0 by chance"),
        )
    ]


def _means(model: VAE, split: Split) -> np.ndarray:
    parts = [
        model.encode(model.inputs(split.images[start : start + CHUNK], start)).mean()
        for start in range(0, len(split), CHUNK)
    ]
    return np.concatenate(parts)


def _shown(model: VAE, split: Split) -> np.ndarray:
    """Images as the model's means should look: grey even where chance makes its inputs binary."""
    binarize = model.config.data.binarize
    seed = seed_pair(0)
    return to_float(
        tf.constant(split.images), "none" if binarize == "dynamic" else binarize, seed
    ).numpy()
