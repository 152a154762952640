"""Sweeps: train every combination of some options, and compare the runs in one table.

A sweep stores no state besides its runs, which are ordinary ones. A run that exists already with
the same configuration and its results is not trained again, so a sweep that was interrupted or
extended trains only the runs that are missing.
"""

import contextlib
import dataclasses
import itertools
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from kvae import data
from kvae.config import Config, configure, family, read_config
from kvae.data.request import canonical
from kvae.errors import KvaeError, UsageError
from kvae.experiments.backends import side_by_side
from kvae.io.files import atomic_folder, check_writable, write_json
from kvae.metrics import Metric
from kvae.progress import Progress, silent
from kvae.runs import resume, start
from kvae.runs.folders import (
    MODELS,
    RUNS,
    check_name,
    is_complete,
    read_results,
    stem,
    to_start_from,
)
from kvae.runs.history import HISTORY, read_history

if TYPE_CHECKING:
    from kvae.data import Dataset

SECONDS = Metric("training_seconds", "training, s", "s")
SWEEPS = Path("sweeps")
SWEEP = "sweep.json"
MOST = 10_000
"""How many runs a sweep can have."""


@dataclass(frozen=True)
class Planned:
    """A run that is to be trained.

    Attributes:
        name: The name of the run and of its saved model.
        options: The options that the sweep varies and their values for this run, by name.
        config: The whole configuration.
        dataset: The dataset that it is trained on.
    """

    name: str
    options: dict[str, Any]
    config: Config
    dataset: "Dataset"


@dataclass(frozen=True)
class Outcome:
    """The results of a run, or the reason why it failed.

    Attributes:
        name: The name of the run.
        options: The options that the sweep varies and their values for this run, by name.
        results: The content of its `results.json`; None if it failed.
        error: Why it failed; None if it did not.
    """

    name: str
    options: dict[str, Any]
    results: dict[str, Any] | None
    error: str | None = None


@dataclass(frozen=True)
class Row:
    """A row of the table: the runs that differ only in their seed.

    Attributes:
        options: The options that the sweep varies, without the seed, and their values for these
            runs, by name.
        runs: Names of the runs that succeeded.
        mean: The mean of each metric over the runs, by its name.
        stddev: The standard deviation of each of them; None if there is a single run.
    """

    options: dict[str, Any]
    runs: list[str]
    mean: dict[str, float]
    stddev: dict[str, float] | None


@dataclass(frozen=True)
class Sweep:
    """A sweep whose runs are trained.

    Attributes:
        name: The name of the sweep.
        folder: The folder `sweeps/NAME`, which holds `sweep.json` and the figures.
        outcomes: The outcome of every run, in the order of the grid.
        trained: Names of the runs that were trained now and did not exist before.
        rows: The rows of the table.
        metrics: The columns of the table.
    """

    name: str
    folder: Path
    outcomes: list[Outcome]
    trained: list[str]
    rows: list[Row]
    metrics: list[Metric]

    def to_json(self) -> dict[str, Any]:
        """The name, table and outcomes as plain dictionaries, lists, strings and numbers."""
        return {
            "name": self.name,
            "rows": [dataclasses.asdict(row) for row in self.rows],
            "runs": [dataclasses.asdict(outcome) for outcome in self.outcomes],
        }


def plan(
    grid: Mapping[str, Sequence[Any]],
    name: str | None = None,
    runs: Path = RUNS,
    data_dir: Path | None = None,
    progress: Progress = silent,
    models: Path = MODELS,
) -> tuple[str, list[Planned]]:
    """Name and configure a run for every combination of a grid's values.

    Args:
        grid: The values of each option, by its name: `dataset`, `recipe`, `image_size`, and the
            options of `kvae.configure`. The sweep varies the options with more than one value.
        name: The name of the sweep, with which the names of its runs begin; by default made from
            the name of the dataset.
        runs: Folder of runs. A run that has the name of one of this sweep's runs must have its
            configuration, too.
        data_dir: Folder of the datasets that `kvae.data.load` prepares.
        progress: Wraps the steps of loading a dataset to show how many are done.
        models: Folder of saved models, in which `start_from` names one.

    Returns:
        The sweep's name and its runs.

    Raises:
        UsageError: the name or a combination of values is not valid.
        KvaeError: a dataset cannot be loaded, or a run of the same name was made with other
            options.
    """
    grid = {"dataset": ("digits",), "recipe": (None,), "image_size": (None,), **grid}
    varied = [option for option, values in grid.items() if len(values) > 1]
    for option in varied:
        if len(set(grid[option])) < len(grid[option]):
            raise UsageError(f"`{option}` has a value twice")
    size = math.prod(len(values) for values in grid.values())
    if size > MOST:
        raise UsageError(f"these options make {size:,} runs, more than {MOST:,}: vary fewer")
    default = f"{stem(canonical(grid['dataset'][0]))}-sweep"
    name = check_name(default if name is None else name)
    datasets = {
        key: data.load(key[0], data_dir, image_size=key[1], progress=progress)
        for key in itertools.product(grid["dataset"], grid["image_size"])
    }
    planned: list[Planned] = []
    for values in itertools.product(*grid.values()):
        options = dict(zip(grid, values, strict=True))
        mine = {option: options[option] for option in varied}
        dataset = datasets[options.pop("dataset"), options.pop("image_size")]
        run = check_name("-".join([name, *(_label(option, mine[option]) for option in varied)]))
        if any(run == other.name for other in planned):
            raise UsageError(
                f"two runs would be called {run}: choose values whose names differ, such as files "
                "with different names"
            )
        like = to_start_from(options.get("start_from"), models)
        config = configure(dataset, like=like, **options)
        if is_another(runs / run, config):
            raise KvaeError(
                f"{runs / run} was trained with other options: choose another `name` for the sweep"
            )
        planned.append(Planned(run, mine, config, dataset))
    return name, planned


def is_another(folder: Path, config: Config) -> bool:
    """Whether a folder holds a run with another configuration.

    Args:
        folder: The folder of the run, which need not exist.
        config: The configuration that the run should have.
    """
    return folder.exists() and read_config(folder) != config


def _label(option: str, value: Any) -> str:
    if option == "dataset":
        value = canonical(value)
    text = "-".join(map(str, value)) if isinstance(value, tuple) else stem(str(value))
    return {"latent": "z", "hidden": "h"}.get(option, option.replace("_", "-")) + text


def sweep(
    name: str,
    planned: Sequence[Planned],
    runs: Path = RUNS,
    models: Path = MODELS,
    sweeps: Path = SWEEPS,
    jobs: int = 1,
    backend: str = "loky",
    on_progress: Callable[[int], None] = lambda epochs: None,
    prepare: Callable[[], None] = lambda: None,
) -> Sweep:
    """Train the runs of a sweep that are missing, and write the table and the figures.

    Args:
        name: The name of the sweep, from `plan`.
        planned: The runs of the sweep, from `plan`.
        runs: Folder of runs.
        models: Folder of saved models.
        sweeps: Folder of sweeps.
        jobs: How many runs are trained at the same time.
        backend: Where the runs are trained; a name in `kvae.experiments.backends.BACKENDS`. All
            machines of a cluster must have access to the folders.
        on_progress: Called about once a second with the number of epochs that are done in all runs
            together.
        prepare: Called in every new process before TensorFlow is imported there.

    Returns:
        The table, and the outcome of every run.

    Raises:
        KvaeError: a folder cannot be written, the backend is not installed or does not answer, or
            every run failed.
    """
    check_writable(sweeps)
    trained, errors = train_missing(planned, runs, models, jobs, backend, on_progress, prepare)
    outcomes = [
        Outcome(
            run.name,
            run.options,
            None if run.name in errors else read_results(runs / run.name),
            errors.get(run.name),
        )
        for run in planned
    ]
    if len(errors) == len(planned):
        raise KvaeError(
            f"all {len(planned)} runs failed; the first error: {errors[planned[0].name]}"
        )
    metrics = _metrics(planned)
    rows = tabulate(outcomes, metrics)
    # A family may have metrics that only some of its models have.
    metrics = [metric for metric in metrics if any(metric.name in row.mean for row in rows)]
    result = Sweep(name, sweeps / name, outcomes, trained, rows, metrics)
    histories = {run: read_history(runs / run) for row in rows for run in row.runs}
    _write(result, histories)
    return result


def _metrics(planned: Sequence[Planned]) -> list[Metric]:
    """The metrics of the families that are planned, and the time that training takes."""
    found: dict[str, Metric] = {}
    for run in planned:
        found |= {metric.name: metric for metric in family(run.config.family).metrics}
    return [*found.values(), SECONDS]


def train_missing(
    planned: Sequence[Planned],
    runs: Path = RUNS,
    models: Path = MODELS,
    jobs: int = 1,
    backend: str = "loky",
    on_progress: Callable[[int], None] = lambda epochs: None,
    prepare: Callable[[], None] = lambda: None,
) -> tuple[list[str], dict[str, str]]:
    """Train the runs that are not complete or have no saved model.

    Args:
        planned: All runs.
        runs: Folder of runs.
        models: Folder of saved models.
        jobs: How many runs are trained at the same time.
        backend: Where the runs are trained; a name in `kvae.experiments.backends.BACKENDS`.
        on_progress: Called about once a second with the number of epochs that are done in all runs
            together.
        prepare: Called in every new process before TensorFlow is imported there.

    Returns:
        The names of the runs that were trained, and the error of each run that failed, by its name.

    Raises:
        KvaeError: a folder cannot be written, a saved model of a run's name has another
            configuration, or the backend is not installed or does not answer.
    """
    for folder in runs, models:
        check_writable(folder)
    runs, models = runs.resolve(), models.resolve()
    missing = [
        run
        for run in planned
        if not (is_complete(runs / run.name) and is_complete(models / run.name))
    ]
    for run in missing:
        if is_another(models / run.name, run.config):
            raise KvaeError(
                f"{models / run.name} is another model: choose another `name`, or move it away"
            )
    tasks = [partial(_train, run, runs, models) for run in missing]
    with _epochs_reported(planned, runs, on_progress):
        found = side_by_side(tasks, jobs, prepare, backend)
    errors = {run.name: error for run, error in zip(missing, found, strict=True) if error}
    return [run.name for run in missing if run.name not in errors], errors


def _train(run: Planned, runs: Path, models: Path) -> str | None:
    """Train one run, or resume it. Returns the error if it failed, else None."""
    try:
        folder = runs / run.name
        if folder.exists() and not is_complete(folder):
            resume(run.dataset, run.name, runs, models, overwrite=True)
        else:
            start(run.dataset, run.config, run.name, runs, models, overwrite=True)
    except KvaeError as error:
        return str(error)
    except Exception as error:  # Whatever failed, the other runs are still to be trained.
        return f"{type(error).__name__}: {error}"
    return None


@contextlib.contextmanager
def _epochs_reported(
    planned: Sequence[Planned],
    runs: Path,
    on_progress: Callable[[int], None],
) -> Iterator[None]:
    """Report how many epochs are done, once a second while the block runs and once at its end.

    The epochs are counted in the histories that the runs write, since the runs may be trained in
    other processes.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1.0):
            report()

    def report() -> None:
        on_progress(sum(_epochs(runs / run.name) for run in planned))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        report()


def _epochs(folder: Path) -> int:
    try:
        return max(0, (folder / HISTORY).read_bytes().count(b"\n") - 1)
    except OSError:
        return 0


def tabulate(outcomes: Sequence[Outcome], metrics: Sequence[Metric]) -> list[Row]:
    """Make a table with a row for the runs that differ only in their seed.

    Args:
        outcomes: The outcomes of all runs; those that failed are left out.
        metrics: What the table shows, as far as all runs of a row have it.
    """
    groups: dict[tuple[Any, ...], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.results is not None:
            key = tuple((k, v) for k, v in outcome.options.items() if k != "seed")
            groups.setdefault(key, []).append(outcome)
    rows = []
    for key, group in groups.items():
        found = [outcome.results for outcome in group if outcome.results]
        names = [m.name for m in metrics if all(m.name in results for results in found)]
        values = {name: [float(results[name]) for results in found] for name in names}
        rows.append(
            Row(
                dict(key),
                [outcome.name for outcome in group],
                {q: mean(v) for q, v in values.items()},
                {q: stdev(v) for q, v in values.items()} if len(group) > 1 else None,
            )
        )
    return rows


def title(options: Mapping[str, Any]) -> str:
    """Options as words, such as `latent 10, hidden 200-200`.

    Args:
        options: The value of each option, by its name.
    """
    return ", ".join(
        f"{option.replace('_', ' ')} {'-'.join(map(str, v)) if isinstance(v, tuple) else v}"
        for option, v in options.items()
    )


def _write(result: Sweep, histories: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    from kvae import figures

    curves = {
        title(row.options) or result.name: [histories[run] for run in row.runs]
        for row in result.rows
    }
    # The first metric is plotted against the latent size, with a line for each combination of the
    # other options.
    first = result.metrics[0]
    lines: dict[str, list[tuple[int, float, float]]] = {}
    for row in result.rows:
        if "latent" in row.options and first.name in row.mean:
            others = {k: v for k, v in row.options.items() if k != "latent"}
            error = row.stddev[first.name] if row.stddev else 0.0
            point = (row.options["latent"], row.mean[first.name], error)
            lines.setdefault(title(others) or result.name, []).append(point)
    with atomic_folder(result.folder, replace=True) as scratch:
        write_json(scratch / SWEEP, result.to_json())
        figures.save(figures.histories(curves, result.metrics, result.name), scratch / "curves.png")
        if lines:
            figures.save(figures.by_latent(lines, first, result.name), scratch / "latent.png")
