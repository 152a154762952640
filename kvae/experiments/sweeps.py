"""Grids of runs: every combination of some options, trained side by side, in one table.

A sweep keeps no books of its own. Its runs are ordinary ones, and those that are there already,
with the same configuration and their results, are not trained again: a sweep that was interrupted,
or that has grown, goes on with what is missing.
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
from kvae.config import Config, configure, read_config
from kvae.data.request import canonical
from kvae.errors import KvaeError, UsageError
from kvae.experiments.backends import side_by_side
from kvae.io.files import check_writable, whole_folder, write_json
from kvae.progress import Progress, silent
from kvae.runs import resume, start
from kvae.runs.folders import (
    HISTORY,
    MODELS,
    RESULTS,
    RUNS,
    check_name,
    is_complete,
    read_history,
    read_results,
    stem,
)

if TYPE_CHECKING:
    from kvae.data import Dataset

SWEEPS = Path("sweeps")
SWEEP = "sweep.json"
MOST = 10_000
"""Runs of a sweep."""
QUANTITIES = ("reconstruction", "kl", "elbo", "active_units", "training_seconds")


@dataclass(frozen=True)
class Planned:
    """A run of a sweep.

    Attributes:
        name: Of the run and its saved model.
        options: Those that the sweep varies, by name.
        config: The whole configuration.
        dataset: What it is trained on.
    """

    name: str
    options: dict[str, Any]
    config: Config
    dataset: "Dataset"


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        name: Of the run.
        options: Those that the sweep varies, by name.
        results: What its `results.json` holds; None if it failed.
        error: Why it failed.
    """

    name: str
    options: dict[str, Any]
    results: dict[str, Any] | None
    error: str | None = None


@dataclass(frozen=True)
class Row:
    """The runs that differ by nothing but their seed.

    Attributes:
        options: What they have in common of that which the sweep varies.
        runs: Names of those that succeeded.
        mean: Of each of `QUANTITIES`, on the test images.
        stddev: Likewise, over seeds; None of a single run.
    """

    options: dict[str, Any]
    runs: list[str]
    mean: dict[str, float]
    stddev: dict[str, float] | None


@dataclass(frozen=True)
class Sweep:
    """A grid of runs that is done.

    Attributes:
        name: Its name.
        folder: `sweeps/NAME`, with `sweep.json` and figures.
        outcomes: Of every run, in the order of the grid.
        trained: Names of the runs that were not there before.
        rows: The table.
    """

    name: str
    folder: Path
    outcomes: list[Outcome]
    trained: list[str]
    rows: list[Row]

    def to_json(self) -> dict[str, Any]:
        """Its name, table and outcomes as plain dictionaries, lists, strings and numbers."""
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
) -> tuple[str, list[Planned]]:
    """Every combination of a grid as a run with a name.

    Args:
        grid: Values by option: `dataset`, `recipe`, `image_size`, and what `kvae.configure` takes.
            Options with more than one value are those that the sweep varies.
        name: Of the sweep, with which its runs' names begin; by default made from the dataset.
        runs: Folder of runs, in which those that are there must be of this sweep.
        data_dir: As `kvae.data.load` takes it.
        progress: Likewise.

    Returns:
        The sweep's name and its runs.

    Raises:
        UsageError: a combination cannot be, or the name cannot.
        KvaeError: a dataset is not to be had, or a run of one of the names was made with other
            options.
    """
    grid = {"dataset": ("digits",), "recipe": ("reference",), "image_size": (None,), **grid}
    varied = [option for option, values in grid.items() if len(values) > 1]
    for option in varied:
        if len(set(grid[option])) < len(grid[option]):
            raise UsageError(f"--{option.replace('_', '-')} has a value twice")
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
            raise UsageError(f"two runs would be called {run}: vary what names tell apart")
        config = configure(dataset, **options)
        if is_another(runs / run, config):
            raise KvaeError(
                f"{runs / run} was trained with other options: choose another --name for the sweep"
            )
        planned.append(Planned(run, mine, config, dataset))
    return name, planned


def is_another(folder: Path, config: Config) -> bool:
    """Whether there is a run in the folder that has another configuration."""
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
    """Train what is missing of a sweep, and draw up its table and figures.

    Args:
        name: What `plan` gave.
        planned: Likewise.
        runs: Folder of runs.
        models: Folder of saved models.
        sweeps: Folder of sweeps.
        jobs: Runs that are trained at the same time.
        backend: A name in `kvae.experiments.backends.BACKENDS`. A cluster needs folders that all
            of its machines see.
        on_progress: Called about once a second with the epochs that are done, of all runs together.
        prepare: Called in every other process before TensorFlow is imported there.

    Raises:
        KvaeError: a folder cannot be written, the backend is not to be had, or every run failed.
    """
    check_writable(sweeps)
    trained, errors = train_missing(planned, runs, models, jobs, backend, on_progress, prepare)
    outcomes = [
        Outcome(
            run.name,
            run.options,
            None if run.name in errors else read_results(runs / run.name, QUANTITIES),
            errors.get(run.name),
        )
        for run in planned
    ]
    if len(errors) == len(planned):
        raise KvaeError(
            f"all {len(planned)} runs failed; the first said: {errors[planned[0].name]}"
        )
    rows = tabulate(outcomes)
    result = Sweep(name, sweeps / name, outcomes, trained, rows)
    histories = {run: read_history(runs / run) for row in rows for run in row.runs}
    _write(result, histories)
    return result


def train_missing(
    planned: Sequence[Planned],
    runs: Path = RUNS,
    models: Path = MODELS,
    jobs: int = 1,
    backend: str = "loky",
    on_progress: Callable[[int], None] = lambda epochs: None,
    prepare: Callable[[], None] = lambda: None,
) -> tuple[list[str], dict[str, str]]:
    """Train those runs whose saved model is not there; the arguments are those of `sweep`.

    Returns:
        Names of the runs that were trained, and by name why others failed.

    Raises:
        KvaeError: a folder cannot be written, or the backend is not to be had.
    """
    for folder in runs, models:
        check_writable(folder)
    runs, models = runs.resolve(), models.resolve()
    # The saved model is the last that a run writes.
    missing = [run for run in planned if not (models / run.name / RESULTS).is_file()]
    tasks = [partial(_train, run, runs, models) for run in missing]
    with _watching(planned, runs, on_progress):
        said = side_by_side(tasks, jobs, prepare, backend)
    errors = {run.name: error for run, error in zip(missing, said, strict=True) if error}
    return [run.name for run in missing if run.name not in errors], errors


def _train(run: Planned, runs: Path, models: Path) -> str | None:
    """Train one run; what went wrong, if something did."""
    try:
        folder = runs / run.name
        if folder.exists() and not is_complete(folder):
            resume(run.dataset, run.name, runs, models, overwrite=True)
        else:
            start(run.dataset, run.config, run.name, runs, models, overwrite=True)
    except KvaeError as error:
        return str(error)
    except Exception as error:  # Whatever it is, the others are to go on.
        return f"{type(error).__name__}: {error}"
    return None


@contextlib.contextmanager
def _watching(
    planned: Sequence[Planned],
    runs: Path,
    on_progress: Callable[[int], None],
) -> Iterator[None]:
    """Tell how many epochs are done, by what the runs write, in whichever process they are."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(1.0):
            tell()

    def tell() -> None:
        on_progress(sum(_epochs(runs / run.name) for run in planned))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        tell()


def _epochs(folder: Path) -> int:
    try:
        return max(0, (folder / HISTORY).read_bytes().count(b"\n") - 1)
    except OSError:
        return 0


def tabulate(outcomes: Sequence[Outcome]) -> list[Row]:
    """Mean and standard deviation over the runs that differ by nothing but their seed."""
    groups: dict[tuple[Any, ...], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.results is not None:
            key = tuple((k, v) for k, v in outcome.options.items() if k != "seed")
            groups.setdefault(key, []).append(outcome)
    rows = []
    for key, group in groups.items():
        values = {q: [float(o.results[q]) for o in group if o.results] for q in QUANTITIES}
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
    """Options as one would say them."""
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
    # One line of final ELBOs against latent sizes for each combination of the other options.
    lines: dict[str, list[tuple[int, float, float]]] = {}
    for row in result.rows:
        if "latent" in row.options:
            others = {k: v for k, v in row.options.items() if k != "latent"}
            error = row.stddev["elbo"] if row.stddev else 0.0
            point = (row.options["latent"], row.mean["elbo"], error)
            lines.setdefault(title(others) or result.name, []).append(point)
    with whole_folder(result.folder, replace=True) as scratch:
        write_json(scratch / SWEEP, result.to_json())
        figures.save(figures.histories(curves, result.name), scratch / "curves.png")
        if lines:
            figures.save(figures.by_latent(lines, result.name), scratch / "latent.png")
