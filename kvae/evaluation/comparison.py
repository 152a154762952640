"""Several models on the same images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kvae.data import Dataset
from kvae.errors import UsageError
from kvae.evaluation import reconstruction
from kvae.evaluation.elbo import CHUNK, Evaluator
from kvae.evaluation.likelihood import importance_weighted_bound
from kvae.evaluation.samples import fidelity
from kvae.evaluation.statistics import standard_error
from kvae.models.vae.model import VAE
from kvae.progress import Progress, silent

COMPARED = 2000
"""Images that samples are compared with pairwise, at most."""


@dataclass(frozen=True)
class Quantity:
    """One line of a comparison.

    Attributes:
        name: What it is.
        unit: Such as `nats`; empty where there is none.
        values: One a model.
        errors: Their standard errors, empty where there are none.
        best: Which model has the best value; None where more is neither better nor worse.
    """

    name: str
    unit: str
    values: list[float]
    errors: list[float]
    best: int | None


def compare_models(
    models: Mapping[str, VAE],
    dataset: Dataset,
    seed: int = 0,
    importance_samples: int | None = None,
    progress: Progress = silent,
) -> list[Quantity]:
    """ELBO, its parts, use of latents, reconstructions and samples of several models.

    Differences are taken image by image, so that their standard errors are those of the difference
    and not of the images.

    Args:
        models: Two or more, by name.
        dataset: Its test images are what they are compared on.
        seed: Decides all random numbers.
        importance_samples: Draws of z an image for bounds on log p(x); None leaves them out.
        progress: Shows how far along those are.

    Raises:
        UsageError: what the models say cannot be compared.
    """
    check_comparable(models)
    test = dataset.test
    chunk = min(CHUNK, len(test))
    found = [
        Evaluator(model, model.config.data.binarize, seed, chunk, model.config.training.jit)(
            test.images
        )
        for model in models.values()
    ]
    weighted = [
        importance_weighted_bound(model, test.images, importance_samples, seed, progress)
        for model in models.values()
        if importance_samples
    ]
    some, train = test.spread(COMPARED), dataset.train.spread(COMPARED)
    originals, real = some.images / np.float32(255), train.images / np.float32(255)
    restored = [
        reconstruction.compare_images(
            originals, model.reconstruct(model.inputs(some.images, seed)).numpy()
        )
        for model in models.values()
    ]
    samples = [fidelity(real, model.sample(len(real), seed).numpy()) for model in models.values()]

    def means(name: str, each: list[np.ndarray], best: int | None) -> Quantity:
        values = [float(values.mean()) for values in each]
        return Quantity(name, "nats", values, [standard_error(values) for values in each], best)

    def plain(name: str, unit: str, values: list[float], most: bool | None) -> Quantity:
        if most is None:
            return Quantity(name, unit, values, [], None)
        return Quantity(name, unit, values, [], int((np.argmax if most else np.argmin)(values)))

    def bound(name: str, each: list[np.ndarray]) -> list[Quantity]:
        best = int(np.argmax([values.mean() for values in each]))
        behind = [values - each[best] for values in each]
        return [means(name, each, best), means(f"{name}, behind the best", behind, best)]

    return [
        *(bound(f"log p(x), {importance_samples} samples", weighted) if weighted else []),
        *bound("ELBO", [each.elbo for each in found]),
        means(
            "reconstruction",
            [each.reconstruction for each in found],
            int(np.argmax([each.reconstruction.mean() for each in found])),
        ),
        means("KL", [each.kl for each in found], None),
        plain("active units", "", [float(each.active_units) for each in found], None),
        plain("squared error a pixel", "", [each.mean_squared_error for each in restored], False),
        plain("SSIM", "", [each.ssim for each in restored], True),
        plain("coverage of prior samples", "", [each.coverage for each in samples], True),
        plain("precision of prior samples", "", [each.precision for each in samples], True),
    ]


def check_comparable(models: Mapping[str, VAE]) -> None:
    """Refuse models whose ELBOs are of different things.

    Raises:
        UsageError: other data, other binarization, or probabilities beside densities.
    """
    kinds = {}
    for name, model in models.items():
        data = model.config.data
        measure = {
            "binary": "probabilities",
            "levels": "probabilities of grey levels",
            "density": "densities",
        }[model.decoder.likelihood.measure]
        binarized = f", binarized: {data.binarize}" if data.binarize != "none" else ""
        kinds[name] = f"{data.dataset} ({measure}{binarized})"
    if len(set(kinds.values())) > 1:
        each = "; ".join(f"{name}: {kind}" for name, kind in kinds.items())
        raise UsageError(f"these models' ELBOs are of different things: {each}")
