"""Fits a new prior to a saved model, and saves the result as a new model."""

from pathlib import Path
from typing import TYPE_CHECKING

from kvae.errors import UsageError
from kvae.progress import Progress, silent
from kvae.runs.folders import MODELS, check_name, choose_name, dataset_of, find

if TYPE_CHECKING:
    from kvae.evaluation import Quantity


def fit_prior(
    model: str | None,
    prior: str,
    components: int | None = None,
    name: str | None = None,
    models: Path = MODELS,
    overwrite: bool = False,
    importance_samples: int = 500,
    seed: int = 0,
    data_dir: Path | None = None,
    progress: Progress = silent,
) -> tuple[Path, dict[int, float], list["Quantity"]]:
    """Fit a new prior to a saved model's aggregated posterior, and save both as a new model.

    Args:
        model: Name or path of a saved model; None takes the newest.
        prior: A name in `kvae.registry.PRIOR_FITS`.
        components: Number of components of a mixture; None chooses the number under which latents
            of validation images have the highest likelihood.
        name: Name of the new saved model; None makes one from the names of the old model and the
            prior.
        models: Folder of saved models.
        overwrite: Whether to replace a saved model of this name.
        importance_samples: Samples of z for each image, for the bounds on log p(x).
        seed: Decides all random numbers.
        data_dir: Where TensorFlow Datasets keeps its datasets; None is its default.
        progress: Shows how much is done.

    Returns:
        The folder of the new saved model; the values by which the prior was chosen, which are
        `kvae.training.PriorFit.held_out`; and a comparison of the old model with the new one on the
        test images.

    Raises:
        UsageError: The name is not allowed, or is that of the old model; or `components` does not
            go together with the prior.
        KvaeError: There is no such model or dataset, or the name is taken.
    """
    path = find(model, models, "saved model")
    name = f"{path.name}-{prior}" if name is None else name
    if path.resolve() == (models / check_name(name)).resolve():
        raise UsageError(f"name {name!r} is the model that the prior is fitted to: choose another")
    choose_name("", name, models, models, overwrite)
    dataset = dataset_of(path, None, data_dir, progress)

    from kvae import evaluation, training
    from kvae.runs import saved_models

    old = saved_models.load(path)
    fit = training.fit_prior(old, dataset, prior, components, seed, progress)
    both = {path.name: old, name: fit.model}
    found = evaluation.compare_models(both, dataset, seed, importance_samples, progress)
    kept = {quantity.name: quantity for quantity in found}
    results = {
        "split": "test",
        "images": len(dataset.test),
        "prior_fitted_to": path.name,
        "elbo": kept["ELBO"].values[1],
        "elbo_standard_error": kept["ELBO"].errors[1],
        "reconstruction": kept["reconstruction"].values[1],
        "kl": kept["KL"].values[1],
        "active_units": int(kept["active units"].values[1]),
    }
    saved = saved_models.save(fit.model, models / name, overwrite, results)
    return saved, fit.held_out, found
