"""A saved model with a prior that was fitted after training."""

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
    """Fit a new prior to a saved model's aggregated posterior, and save the two as a new model.

    Args:
        model: Name or path of a saved model; None for the newest.
        prior: A name in `kvae.registry.PRIOR_FITS`.
        components: Number of components of a mixture; None chooses the number under which latents
            of validation images are likeliest.
        name: Name of the new saved model; None makes one from the old one's and the prior's.
        models: Folder of saved models.
        overwrite: Replace a saved model of this name.
        importance_samples: Samples of z an image for the bounds on log p(x).
        seed: Decides all random numbers.
        data_dir: Where TensorFlow Datasets keeps its datasets; None is its default.
        progress: Shows how much is done.

    Returns:
        The new saved model; the figures by which the prior was chosen, as in
        `kvae.training.PriorFit.held_out`; and the old model compared with the new one on the test
        images.

    Raises:
        UsageError: `name` cannot be a name, or is the old one; or options do not go together.
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
