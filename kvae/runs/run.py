"""A run, from its configuration to its folder and its saved model."""

import contextlib
import dataclasses
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvae.config import CONFIG, Config, read_config
from kvae.errors import Interrupted, KvaeError, NotFiniteError, UsageError, first_line
from kvae.io.files import (
    atomic_file,
    atomic_folder,
    check_writable,
    locked,
    move_folder,
    remove_scratch,
    write_json,
)
from kvae.progress import Progress, silent
from kvae.runs.folders import (
    CHECKPOINTS,
    FIGURES,
    FRAMES,
    HISTORY,
    MODELS,
    REPLACES,
    RESULTS,
    RUNS,
    attempt,
    check_name,
    choose_name,
    dataset_of,
    find,
    is_complete,
    name_of,
    read_history,
    read_results,
    to_resume,
)
from kvae.runs.history import COLUMNS, Epoch

if TYPE_CHECKING:
    import tensorflow as tf

    from kvae.data import Dataset
    from kvae.evaluation import Evaluation, Quantity
    from kvae.gallery import Subject
    from kvae.models.vae.model import VAE
    from kvae.runs.checkpoints import Checkpoints
    from kvae.runs.summaries import Summaries
    from kvae.training.loop import State

logger = logging.getLogger(__name__)

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
    history: list[Epoch]
    results: dict[str, Any]


def start(
    dataset: "Dataset",
    config: Config,
    name: str | None = None,
    runs: Path = RUNS,
    models: Path = MODELS,
    overwrite: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
    strategy: "tf.distribute.Strategy | None" = None,
    on_name: Callable[[str], None] = lambda name: None,
    checkpoint_every: int | None = None,
    asked_to_stop: Callable[[], int | None] = lambda: None,
) -> Run:
    """Train a new model, evaluate it on the test images, draw it, and export it.

    Args:
        dataset: What `kvae.data.load` gave.
        config: What `kvae.configure` gave.
        name: Names the run and the saved model; by default made from dataset and latent size.
        runs: Folder of runs.
        models: Folder of saved models.
        overwrite: Replace a run and a saved model of this name, once the new ones are whole: until
            then the new run is in `runs/.NAME.new`.
        on_epoch: Called after every epoch.
        strategy: As `kvae.training.train` takes it; of its workers this one is the chief.
        on_name: Called with the name, once it is this run's.
        checkpoint_every: As `kvae.runs.checkpoints.Checkpoints` takes it.
        asked_to_stop: Called every second or so. Once it gives the number of a signal, the run is
            saved and ended.

    Raises:
        UsageError: `name` cannot be a name, or a batch cannot be shared equally.
        KvaeError: the name is taken, a folder cannot be written, the saved model to start from is
            not there or of another kind, a loss is not finite, or another worker is gone.
        Interrupted: a signal asked to stop.
    """
    with _new_run(dataset, config, name, runs, models, overwrite) as place:
        on_name(place.name)
        try:
            state = _new_state(dataset, config, models)
        except BaseException:
            shutil.rmtree(place.folder)
            raise
        checkpoints = _checkpoints(place, state, dataset, checkpoint_every)
        return _complete(state, dataset, place, checkpoints, on_epoch, strategy, asked_to_stop)


def resume(
    dataset: "Dataset",
    name: str,
    runs: Path = RUNS,
    models: Path = MODELS,
    overwrite: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
    strategy: "tf.distribute.Strategy | None" = None,
    checkpoint_every: int | None = None,
    asked_to_stop: Callable[[], int | None] = lambda: None,
) -> Run:
    """Go on with a run that was interrupted, from its newest checkpoint.

    What comes out is what would have come out without the interruption, bit for bit.

    Args:
        dataset: What the run was started with.
        name: The run's.
        runs: As in `start`.
        models: Likewise.
        overwrite: Replace a saved model of this name that was trained with other options.
        on_epoch: Called after every epoch that is done anew.
        strategy: As in `start`.
        checkpoint_every: Likewise.
        asked_to_stop: Likewise.

    Raises:
        KvaeError: there is no such run, it is complete, damaged or in use, or as in `start`.
        Interrupted: a signal asked to stop.
    """
    folder = to_resume(name, runs)
    if is_complete(folder):
        raise KvaeError(f"{folder} is complete: there is nothing to go on with")
    name = name_of(folder)
    check_writable(models)
    place = _Place(name, folder, folder.parent / name, models, overwrite or folder.name != name)
    with locked(folder):
        config = read_config(folder)
        if not place.replaces and _is_another(models / name, config):
            raise KvaeError(f"{models / name} exists already: --overwrite it")
        remove_scratch(folder)
        remove_scratch(runs, name)
        state = _new_state(dataset, config, models)
        checkpoints = _checkpoints(place, state, dataset, checkpoint_every)
        checkpoints.restore()
        return _complete(state, dataset, place, checkpoints, on_epoch, strategy, asked_to_stop)


def _is_another(model: Path, config: Config) -> bool:
    """Whether a saved model is there that is not what a run with this configuration exported."""
    return model.exists() and read_config(model) != config


@dataclass(frozen=True)
class _Place:
    """Where a run is made.

    Attributes:
        name: Its name.
        folder: Where it is while it is not complete.
        final: Where it is then.
        models: Folder of saved models.
        replaces: Whether a run and a saved model that are there are to be replaced.
    """

    name: str
    folder: Path
    final: Path
    models: Path
    replaces: bool


@contextlib.contextmanager
def _new_run(
    dataset: "Dataset",
    config: Config,
    name: str | None,
    runs: Path,
    models: Path,
    overwrite: bool,
) -> Iterator[_Place]:
    """Make the folder of a run, whose name no other process can have."""
    with contextlib.ExitStack() as stack:
        while True:
            chosen = choose_name(dataset.name, config.model.latent, name, runs, models, overwrite)
            final = runs / chosen
            folder = attempt(final) if final.exists() else final
            try:
                if folder != final:
                    stack.enter_context(locked(final))
                if folder.exists():
                    # What a process left that was to replace the run, and was killed.
                    with locked(folder):
                        shutil.rmtree(folder)
                (final / REPLACES).unlink(missing_ok=True)
                with atomic_folder(folder, locks=stack) as scratch:
                    write_json(scratch / CONFIG, config.to_json())
                    if folder != final:
                        (scratch / REPLACES).touch()
                break
            except FileExistsError as error:
                # Another process was faster.
                if name is not None:
                    raise KvaeError(
                        f"{error}: choose another --name, or wait for the process that makes it"
                    ) from error
        yield _Place(chosen, folder, final, models, overwrite)


def _checkpoints(
    place: _Place, state: "State", dataset: "Dataset", every: int | None
) -> "Checkpoints":
    from kvae.runs.checkpoints import Checkpoints

    return Checkpoints(place.folder / CHECKPOINTS, state, dataset, every)


def assist(
    dataset: "Dataset",
    config: Config,
    strategy: "tf.distribute.Strategy",
    resumed: Path | None = None,
    models: Path = MODELS,
    on_epoch: Callable[[Epoch], None] | None = None,
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
    from kvae.runs.checkpoints import Checkpoints
    from kvae.training.loop import train

    state = _new_state(dataset, config, models)
    if resumed:
        Checkpoints(resumed / CHECKPOINTS, state, dataset).restore()

    def after(epoch: "Epoch", validation: "Evaluation") -> None:
        if on_epoch:
            on_epoch(epoch)

    train(state.model, dataset, after, state, strategy=strategy)


def _new_state(dataset: "Dataset", config: Config, models: Path) -> "State":
    from kvae.models.vae.model import build
    from kvae.training.loop import State

    model = build(config, dataset.train.images)
    if config.training.start_from is not None:
        model.set_weights(_to_start_from(config, models).get_weights())
    return State(model, dataset)


def _complete(
    state: "State",
    dataset: "Dataset",
    place: _Place,
    checkpoints: "Checkpoints",
    on_epoch: Callable[[Epoch], None] | None,
    strategy: "tf.distribute.Strategy | None",
    asked_to_stop: Callable[[], int | None],
) -> Run:
    """Train on from a state, evaluate, draw and export."""
    with _explained(place, state):
        from kvae import gallery
        from kvae.runs import export
        from kvae.runs.film import Film
        from kvae.training.loop import new_evaluator, train

        name, folder, model = place.name, place.folder, state.model
        config = model.config
        evaluate = new_evaluator(model, dataset)
        film = Film(model, config.training.epochs)
        if state.history:
            film.resume(folder / FRAMES, len(state.history))
        summaries = _summaries(place, state, dataset)

        def stop_if(signal: int | None) -> None:
            if signal is not None:
                raise Interrupted(signal)

        with _history_file(folder / HISTORY, state.history) as append:

            def after(epoch: "Epoch", validation: "Evaluation") -> None:
                append(epoch)
                if summaries:
                    summaries.epoch(epoch, validation)
                film.shoot(epoch.epoch)
                if on_epoch:
                    on_epoch(epoch)

            def along() -> None:
                film.save(folder / FRAMES)
                if summaries:
                    summaries.flush()

            def pause() -> None:
                signal = asked_to_stop()
                if checkpoints.due or signal is not None:
                    checkpoints.save(along)
                stop_if(signal)

            history = train(model, dataset, after, state, evaluate, strategy, pause)
        last = history[-1].epoch
        if config.training.patience is not None:
            checkpoints.save_best()
        test = evaluate(dataset.test.images)
        results = _results(test, history, config)
        _warn_of_collapse(name, test, config)
        columns = {name: [getattr(epoch, name) for epoch in history] for name in COLUMNS}
        subject = gallery.Subject(name, model, dataset, columns, film.frames())
        stop_if(asked_to_stop())
        pictures = gallery.draw(subject, gallery.quick(model), folder / FIGURES)
        if summaries:
            summaries.pictures(pictures, last)
            summaries.project(test)
            summaries.close()
        stop_if(asked_to_stop())
        replaces = place.replaces or (place.models / name).exists()
        saved = export.save(model, place.models / name, replaces, results)
        write_json(folder / RESULTS, results)
        _publish(place)
        return Run(name, place.final, saved, model, history, results)


def _publish(place: _Place) -> None:
    """Give a run that is complete its name, and remove the run that had it."""
    if place.folder != place.final:
        move_folder(place.folder, place.final, replace=True)
    if (place.final / REPLACES).exists():
        shutil.rmtree(attempt(place.final), ignore_errors=True)
        (place.final / REPLACES).unlink()


def _summaries(place: _Place, state: "State", dataset: "Dataset") -> "Summaries | None":
    try:
        from kvae.runs.summaries import Summaries
    except ImportError as error:
        if (error.name or "").split(".")[0] != "tensorboard":
            raise
        logger.warning("TensorBoard is not installed: the run has no events for it")
        return None
    config, epochs = state.model.config, len(state.history)
    return Summaries(place.folder, place.name, state.model, dataset, config, epochs)


@contextlib.contextmanager
def _explained(place: _Place, state: "State") -> Iterator[None]:
    """Say of what ends a run whether, and from where, it can be gone on with."""
    import tensorflow as tf

    go_on = f"kvae train --resume {place.name} goes on"
    try:
        yield
    except Interrupted as error:
        raise Interrupted(error.signal, f"stopped after {state.reached}: {go_on}") from error
    except UsageError:
        raise
    except NotFiniteError as error:
        # It would not be otherwise the next time.
        if any((place.folder / CHECKPOINTS).glob("*.index")):
            kept = f"kvae export {place.folder} saves the model of its last checkpoint"
        else:
            shutil.rmtree(place.folder)
            kept = f"nothing is kept of {place.name}"
        raise KvaeError(f"{error}; {kept}") from error
    except (OSError, tf.errors.OpError, MemoryError) as error:
        said = first_line(error)
        if "No space left" in said:
            what = f"no space left on the device of {place.folder} and {place.models}: make some"
        elif isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
            what = f"out of memory ({said}): try a smaller --batch-size or --hidden"
        elif isinstance(error, OSError):
            what = f"cannot write {error.filename or place.folder}: {error.strerror}"
        else:
            what = said
        raise KvaeError(f"{what}; then {go_on}") from error
    except KvaeError as error:
        raise KvaeError(f"{error}; {go_on}") from error


def _to_start_from(config: Config, models: Path) -> "VAE":
    """The saved model that has the weights for a run to start from."""
    from kvae.runs import export

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
def _history_file(path: Path, past: list[Epoch]) -> Iterator[Callable[[Epoch], None]]:
    """Write a history anew, with the epochs that are past, and let others be appended."""
    lines = [",".join(COLUMNS), *(epoch.to_csv() for epoch in past)]
    with atomic_file(path) as scratch:
        scratch.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:

        def append(epoch: "Epoch") -> None:
            file.write(epoch.to_csv() + "\n")
            file.flush()

        yield append


def _results(test: "Evaluation", history: list[Epoch], config: Config) -> dict[str, Any]:
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
    name = f"{path.name}-{prior}" if name is None else name
    if path.resolve() == (models / check_name(name)).resolve():
        raise UsageError(f"name {name!r} is the model that the prior is fitted to: choose another")
    choose_name("", 0, name, models, models, overwrite)
    dataset = dataset_of(path, None, data_dir, progress)

    from kvae import evaluation, training
    from kvae.runs import export

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
    from kvae.models.vae.model import build
    from kvae.runs import export
    from kvae.runs.checkpoints import load_weights

    folder = find(run, runs, "run")
    model = build(read_config(folder))
    load_weights(folder / CHECKPOINTS, model)
    results = read_results(folder)
    check_writable(models)
    return export.save(model, models / name_of(folder), overwrite, results)


def subject(
    model: Path, dataset: "Dataset", runs: Path = RUNS, seed: int = 0, progress: Progress = silent
) -> "Subject":
    """What `kvae.gallery` draws, of a saved model and of the run of its name, if there is one.

    Raises:
        KvaeError: the model or the run is damaged.
    """
    from kvae.gallery import Subject
    from kvae.runs import export
    from kvae.runs.film import read_frames

    folder = runs / model.name
    history = read_history(folder) if (folder / HISTORY).is_file() else None
    frames = read_frames(folder / FRAMES) if (folder / FRAMES).is_file() else None
    return Subject(model.name, export.load(model), dataset, history, frames, seed, progress)
