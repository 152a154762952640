"""A run, from its configuration to its folder and its saved model; and finding them again.

A run is a folder that explains itself: `runs/NAME/config.json` (all that is needed to do it again),
`history.csv` (a row an epoch), `checkpoints/`, TensorBoard events, `figures/`, and `results.json`
once it is done. A saved model is `saved_models/NAME/`.
"""

import contextlib
import csv
import dataclasses
import difflib
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvae.config import CONFIG, Config, read_config
from kvae.errors import KvaeError, UsageError
from kvae.files import check_writable, read_json, set_aside, whole_file, write_json
from kvae.progress import Progress, silent

if TYPE_CHECKING:
    import tensorflow as tf

    from kvae.data import Dataset
    from kvae.evaluation import Evaluation, Quantity
    from kvae.gallery import Subject
    from kvae.models.vae import VAE
    from kvae.training import Epoch
    from kvae.training.loop import State

logger = logging.getLogger(__name__)

RUNS = Path("runs")
MODELS = Path("saved_models")
RESULTS = "results.json"
HISTORY = "history.csv"
CHECKPOINTS = "checkpoints"
FRAMES = "frames.npz"
FIGURES = "figures"
OBJECTIVE = "objective"
"""The one column of a history that is no number."""

CHECKPOINT_SECONDS = 60.0

_NOT_OF_WEIGHTS = {"dropout", "initial_stddev", "prior_fitted"}
"""Fields of a model's configuration that say nothing about what its weights are for."""


@dataclass(frozen=True)
class Run:
    """What `start` made.

    Attributes:
        name: Its name.
        folder: `runs/NAME`.
        saved_model: `saved_models/NAME`.
        model: The trained model.
        history: An entry an epoch.
        results: What `results.json` holds.
    """

    name: str
    folder: Path
    saved_model: Path
    model: "VAE"
    history: list["Epoch"]
    results: dict[str, Any]


def start(
    dataset: "Dataset",
    config: Config,
    name: str | None = None,
    runs: Path = RUNS,
    models: Path = MODELS,
    overwrite: bool = False,
    on_epoch: Callable[["Epoch"], None] | None = None,
    strategy: "tf.distribute.Strategy | None" = None,
) -> Run:
    """Train a new model, evaluate it on the test images, draw it, and export it.

    Args:
        dataset: What `kvae.data.load` gave.
        config: What `kvae.configure` gave.
        name: Names the run and the saved model; by default made from dataset and latent size.
        runs: Folder of runs.
        models: Folder of saved models.
        overwrite: Replace a run and a saved model of this name, once the new ones are whole.
        on_epoch: Called after every epoch.
        strategy: As `kvae.training.train` takes it; of its workers this one is the chief.

    Raises:
        UsageError: `name` cannot be a name, or a batch cannot be shared equally.
        KvaeError: the name is taken, a folder cannot be written, the saved model to start from is
            not there or of another kind, a loss is not finite, or another worker is gone.
    """
    name = choose_name(dataset.name, config.model.latent, name, runs, models, overwrite)
    state = _new_state(dataset, config, models)
    with _new_folder(runs / name) as folder:
        write_json(folder / CONFIG, config.to_json())
        return _complete(state, dataset, folder, models, overwrite, on_epoch, strategy)


def resume(
    dataset: "Dataset",
    name: str,
    runs: Path = RUNS,
    models: Path = MODELS,
    overwrite: bool = False,
    on_epoch: Callable[["Epoch"], None] | None = None,
    strategy: "tf.distribute.Strategy | None" = None,
) -> Run:
    """Go on with a run that was interrupted, from its newest checkpoint.

    What comes out is what would have come out without the interruption, bit for bit.

    Args:
        dataset: What the run was started with.
        name: The run's.
        runs: As in `start`.
        models: Likewise.
        overwrite: Replace a saved model of this name.
        on_epoch: Called after every epoch that is done anew.
        strategy: As in `start`.

    Raises:
        KvaeError: there is no such run, it is complete or damaged, or as in `start`.
    """
    folder = to_resume(name, runs)
    check_writable(models)
    if (models / folder.name).exists() and not overwrite:
        raise KvaeError(f"{models / folder.name} exists already: --overwrite it")
    state = _new_state(dataset, read_config(folder), models)
    _restore(state, folder)
    return _complete(state, dataset, folder, models, overwrite, on_epoch, strategy)


def to_resume(name: str, runs: Path) -> Path:
    """The folder of a run that was interrupted.

    Raises:
        KvaeError: there is no such run, or it is complete.
    """
    folder = find(name, runs, "run")
    if (folder / RESULTS).is_file():
        raise KvaeError(f"{folder} is complete: there is nothing to go on with")
    return folder


def assist(
    dataset: "Dataset",
    config: Config,
    strategy: "tf.distribute.Strategy",
    resumed: Path | None = None,
    models: Path = MODELS,
    on_epoch: Callable[["Epoch"], None] | None = None,
) -> None:
    """Train along as a worker that is not the chief, and write nothing.

    Args:
        dataset: As in `start`; the chief's.
        config: Likewise.
        strategy: Likewise.
        resumed: Folder of the run that the chief goes on with.
        models: As in `start`.
        on_epoch: Likewise.

    Raises:
        KvaeError: as in `start`.
    """
    from kvae.training.loop import train

    state = _new_state(dataset, config, models)
    if resumed:
        _restore(state, resumed)

    def after(epoch: "Epoch", validation: "Evaluation") -> None:
        if on_epoch:
            on_epoch(epoch)

    train(state.model, dataset, after, state, strategy=strategy)


def _new_state(dataset: "Dataset", config: Config, models: Path) -> "State":
    from kvae.models.vae import build
    from kvae.training.loop import State

    model = build(config, dataset.train.images)
    if config.training.start_from is not None:
        model.set_weights(_to_start_from(config, models).get_weights())
    return State(model, dataset)


def _restore(state: "State", folder: Path) -> None:
    """Bring a state to where the newest checkpoint of a run has it."""
    from kvae.training.checkpoints import Checkpoints
    from kvae.training.history import Epoch

    epochs = Checkpoints(folder / CHECKPOINTS, state).restore()
    columns = read_history(folder) if epochs else {}
    rows = list(zip(*columns.values(), strict=True))[:epochs]
    if len(rows) < epochs:
        raise KvaeError(f"{folder / HISTORY} is damaged: it ends before epoch {epochs}")
    state.history = [Epoch.from_columns(dict(zip(columns, row, strict=True))) for row in rows]


def _complete(
    state: "State",
    dataset: "Dataset",
    folder: Path,
    models: Path,
    overwrite: bool,
    on_epoch: Callable[["Epoch"], None] | None,
    strategy: "tf.distribute.Strategy | None",
) -> Run:
    """Train on from a state, evaluate, draw and export."""
    from kvae import export, gallery
    from kvae.training.checkpoints import Checkpoints
    from kvae.training.film import Film
    from kvae.training.history import COLUMNS
    from kvae.training.loop import new_evaluator, train
    from kvae.training.summaries import Summaries

    name, model = folder.name, state.model
    config = model.config
    evaluate = new_evaluator(model, dataset)
    checkpoints = Checkpoints(folder / CHECKPOINTS, state)
    summaries = Summaries(folder, model, dataset, config)
    film = Film(model, config.training.epochs)
    if state.history:
        film.resume(folder / FRAMES, len(state.history))
    saved_at = time.monotonic()
    with _history_file(folder / HISTORY, state.history) as append:

        def after(epoch: "Epoch", validation: "Evaluation") -> None:
            nonlocal saved_at
            append(epoch)
            summaries.epoch(epoch, validation)
            film.shoot(epoch.epoch)
            if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                film.save(folder / FRAMES)
                checkpoints.save(epoch.epoch)
                saved_at = time.monotonic()
            if on_epoch:
                on_epoch(epoch)

        history = train(model, dataset, after, state, evaluate, strategy)
    last = history[-1].epoch
    film.save(folder / FRAMES)
    if config.training.patience is None:
        checkpoints.save(last)
    else:
        checkpoints.save_best()
    test = evaluate(dataset.test.images)
    results = _results(test, history, config)
    _warn_of_collapse(name, test, config)
    columns = {name: [getattr(epoch, name) for epoch in history] for name in COLUMNS}
    subject = gallery.Subject(name, model, dataset, columns, film.frames())
    pictures = gallery.draw(subject, gallery.quick(model), folder / FIGURES)
    summaries.pictures(pictures, last)
    summaries.project(test)
    summaries.close()
    saved = export.save(model, models / name, overwrite, results)
    write_json(folder / RESULTS, results)
    return Run(name, folder, saved, model, history, results)


def choose_name(
    dataset: str, latent: int, name: str | None, runs: Path, models: Path, overwrite: bool
) -> str:
    """The name of a run to be, checked or made up, in folders that can be written.

    Raises:
        UsageError: `name` cannot be a name.
        KvaeError: `name` is taken, or a folder cannot be written.
    """
    check_writable(runs)
    check_writable(models)

    def taken(candidate: str) -> Path | None:
        places = (runs / candidate, models / candidate)
        return next((place for place in places if place.exists()), None)

    if name is not None:
        place = taken(check_name(name))
        if place and not overwrite:
            raise KvaeError(f"{place} exists already: choose another --name, or --overwrite it")
        return name
    base = f"{stem(dataset)}-z{latent}"
    name, number = base, 1
    while taken(name):
        number += 1
        name = f"{base}-{number}"
    return name


def check_name(name: str) -> str:
    """`name`, if it can name a run, a saved model or a sweep.

    Raises:
        UsageError: it cannot.
    """
    if not re.fullmatch(r"\w[\w.-]{0,99}", name):
        raise UsageError(
            f"name {name!r} must be letters, digits, '_', '-' and '.', not start with '-' or "
            "'.', and have at most 100 of them"
        )
    return name


def stem(dataset: str) -> str:
    """What names begin with that are made up for a dataset."""
    text = Path(dataset).stem if Path(dataset).is_absolute() else dataset
    return re.sub(r"\W+", "-", text).strip("-") or "images"


def _to_start_from(config: Config, models: Path) -> "VAE":
    """The saved model that has the weights for a run to start from."""
    from kvae import export

    path = find(config.training.start_from, models, "saved model")
    saved, new = (dataclasses.asdict(c.model) for c in (read_config(path), config))
    for name in saved:
        if name not in _NOT_OF_WEIGHTS and saved[name] != new[name]:
            raise KvaeError(
                f"cannot start from {path}: its {name} is {saved[name]}, that of the new run "
                f"{new[name]}; give the options it was trained with, or another model"
            )
    return export.load(path)


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Make the folder of a run; one in its place is put back if the block fails."""
    with set_aside(folder) if folder.exists() else contextlib.nullcontext():
        folder.mkdir()
        yield folder


@contextlib.contextmanager
def _history_file(path: Path, past: list["Epoch"]) -> Iterator[Callable[["Epoch"], None]]:
    """Write a history anew, with the epochs that are past, and let others be appended."""
    from kvae.training.history import COLUMNS

    lines = [",".join(COLUMNS), *(epoch.to_csv() for epoch in past)]
    with whole_file(path) as scratch:
        scratch.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:

        def append(epoch: "Epoch") -> None:
            file.write(epoch.to_csv() + "\n")
            file.flush()

        yield append


def read_history(folder: Path) -> dict[str, list[Any]]:
    """The columns of a run's `history.csv` by name: numbers, and the objectives' names.

    Raises:
        KvaeError: it is missing or damaged.
    """
    path = folder / HISTORY
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [
                {
                    name: row[name] if name == OBJECTIVE else float(row[name])
                    for name in reader.fieldnames or ()
                }
                for row in reader
            ]
    except OSError as error:
        raise KvaeError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise KvaeError(f"{path} is damaged: {error}") from error
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def _results(test: "Evaluation", history: list["Epoch"], config: Config) -> dict[str, Any]:
    patient = config.training.patience is not None
    kept = max(history, key=lambda epoch: epoch.validation_elbo) if patient else history[-1]
    return {
        "split": "test",
        "images": len(test.elbo),
        "elbo": float(test.elbo.mean()),
        "elbo_standard_error": test.elbo_standard_error,
        "reconstruction": float(test.reconstruction.mean()),
        "kl": float(test.kl.mean()),
        "active_units": test.active_units,
        "kl_per_dimension": [float(kl) for kl in test.kl_per_dimension],
        "epochs": len(history),
        "epoch": kept.epoch,
        "objective": kept.objective,
        "validation_elbo": kept.validation_elbo,
        "training_seconds": round(sum(epoch.seconds for epoch in history), 3),
    }


def _warn_of_collapse(name: str, test: "Evaluation", config: Config) -> None:
    from kvae.evaluation import verdict

    if verdict(test.kl_per_dimension, test.posterior_means) == "collapsed":
        logger.warning(
            "%s: the posterior has collapsed: nearly all of the %d latent dimensions have a KL "
            "under 0.01 nats, so the decoder ignores them; try a smaller --beta, more --epochs, "
            "another --optimizer or --learning-rate, or --mean-activation sigmoid",
            name,
            config.model.latent,
        )


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
        components: As `kvae.training.fit_prior` takes it.
        name: Of the new saved model; by default the old one's and the prior's.
        models: Folder of saved models.
        overwrite: Replace a saved model of this name.
        importance_samples: Draws of z an image for the bounds on log p(x).
        seed: Decides all random numbers.
        data_dir: As `kvae.data.load` takes it.
        progress: Shows how far along it is.

    Returns:
        The new saved model; what was tried, as `kvae.training.PriorFit.held_out`; and the old model
        compared with the new one on the test images.

    Raises:
        UsageError: `name` cannot be a name, or is the old one; or the options do not go together.
        KvaeError: there is no such model or dataset, or the name is taken.
    """
    path = find(model, models, "saved model")
    name = name or f"{path.name}-{prior}"
    if path == models / name:
        raise UsageError(f"name {name!r} is the model that the prior is fitted to: choose another")
    choose_name("", 0, name, models, models, overwrite)
    dataset = dataset_of(path, None, data_dir, progress)

    from kvae import evaluation, export, training

    old = export.load(path)
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
    saved = export.save(fit.model, models / name, overwrite, results)
    return saved, fit.held_out, found


def export_run(run: str, runs: Path = RUNS, models: Path = MODELS, overwrite: bool = False) -> Path:
    """Export the newest checkpoint of a run as a saved model of the same name.

    Raises:
        KvaeError: there is no such run, it has no checkpoint, or the saved model exists.
    """
    from kvae import export
    from kvae.models.vae import build
    from kvae.training.checkpoints import load_weights

    folder = find(run, runs, "run")
    model = build(read_config(folder))
    load_weights(folder / CHECKPOINTS, model)
    results = read_json(folder / RESULTS) if (folder / RESULTS).exists() else None
    check_writable(models)
    return export.save(model, models / folder.name, overwrite, results)


def find(name: str | None, folder: Path, what: str) -> Path:
    """The folder of a run or of a saved model.

    Args:
        name: Its name in `folder`, or its path; None for the newest.
        folder: Where they are.
        what: `run` or `saved model`, for the message.

    Raises:
        KvaeError: it is not there; the message has the nearest name.
    """
    if name is None:
        newest = max(listing(folder), key=_changed, default=None)
        if newest is None:
            raise KvaeError(f"there is no {what} in {folder} yet: kvae train makes one")
        return newest
    for path in folder / name, Path(name):
        if path.is_dir():
            return path
    known = [path.name for path in listing(folder)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "kvae list shows what is there"
    raise KvaeError(f"there is no {what} {name!r} in {folder}: {hint}")


def dataset_of(
    model: Path,
    name: str | None = None,
    data_dir: Path | None = None,
    progress: Progress = silent,
) -> "Dataset":
    """The dataset of a saved model, or another one for it.

    Args:
        model: Folder of the saved model.
        name: Another dataset than it was trained on, as `kvae.data.load` takes it.
        data_dir: As `kvae.data.load` takes it.
        progress: Likewise.

    Raises:
        KvaeError: the dataset is not to be had, or its images have another shape.
    """
    from kvae import data

    config = read_config(model)
    of_data = config.data
    images = data.load(
        name or of_data.dataset, data_dir, of_data.split_seed, of_data.image_size, progress
    )
    if images.image_shape != config.model.image_shape:
        shapes = [" x ".join(map(str, s)) for s in (config.model.image_shape, images.image_shape)]
        raise KvaeError(
            f"{model.name} is for images of {shapes[0]}, but {images.name} has {shapes[1]}"
        )
    return images


def subject(
    model: Path, dataset: "Dataset", runs: Path = RUNS, seed: int = 0, progress: Progress = silent
) -> "Subject":
    """What `kvae.gallery` draws, of a saved model and of the run of its name, if there is one.

    Raises:
        KvaeError: the model or the run is damaged.
    """
    from kvae import export
    from kvae.gallery import Subject
    from kvae.training.film import read_frames

    folder = runs / model.name
    history = read_history(folder) if (folder / HISTORY).is_file() else None
    frames = read_frames(folder / FRAMES) if (folder / FRAMES).is_file() else None
    return Subject(model.name, export.load(model), dataset, history, frames, seed, progress)


def listing(folder: Path) -> list[Path]:
    """The runs or saved models in a folder, oldest first."""
    if not folder.is_dir():
        return []
    found = [
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and (path / CONFIG).is_file()
    ]
    return sorted(found, key=_changed)


def _changed(path: Path) -> float:
    return (path / CONFIG).stat().st_mtime
