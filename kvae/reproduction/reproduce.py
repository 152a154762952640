"""Train the models that the claims are about, measure each claim, and write the report."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kvae import data, registry
from kvae.config import Config, configure
from kvae.errors import KvaeError
from kvae.experiments.backends import side_by_side
from kvae.experiments.sweeps import Planned, is_another, train_missing
from kvae.io.files import atomic_file, check_writable, write_json
from kvae.io.reading import read_json
from kvae.progress import Progress, silent
from kvae.reproduction import page
from kvae.reproduction.claim import CONFIG, FULL, QUICK, Bench, Claim, Finding, Places, task_file
from kvae.reproduction.claims import CLAIMS
from kvae.runs.folders import read_results

FINDINGS = "findings.json"
RUNS = "runs.csv"
RESULTS = ("elbo", "elbo_standard_error", "reconstruction", "kl", "active_units", "epochs")
SECONDS = "training_seconds"


@dataclass(frozen=True)
class Reproduction:
    """What `reproduce` measured and wrote.

    Attributes:
        page: The report as an HTML page; `README.md` beside it has the same content as Markdown,
            and `runs.csv` the results of each run.
        findings: The finding of each claim.
        trained: Names of the runs that were trained now and did not exist before.
    """

    page: Path
    findings: dict[Claim, Finding]
    trained: list[str]

    def to_json(self) -> dict[str, Any]:
        """The claims, parts and verdicts as plain dictionaries, lists, strings and numbers."""
        return {
            "page": str(self.page),
            "claims": [
                {
                    "claim": claim.name,
                    "source": claim.source,
                    "claimed": claim.claimed,
                    "seeds": finding.seeds,
                    "verdict": finding.verdict,
                    "parts": [vars(part) for part in finding.parts],
                }
                for claim, finding in self.findings.items()
            ],
        }


def _call(quick: bool, only: Sequence[str]) -> str:
    """The call of `reproduce` in Python."""
    return f"reproduce(output, only={list(only)}, quick={quick})"


def reproduce(
    output: Path,
    only: Sequence[str] = (),
    quick: bool = False,
    jobs: int = 1,
    data_dir: Path | None = None,
    progress: Progress = silent,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    prepare: Callable[[], None] = lambda: None,
    command: Callable[[bool, Sequence[str]], str] = _call,
) -> Reproduction:
    """Train the runs that the claims need, measure the claims, and write the report.

    Runs and measurements that exist in `output` already are not made again.

    Args:
        output: Folder of the report, of its runs and of its saved models.
        only: Names in `kvae.reproduction.claims.CLAIMS` of the claims to measure; all if empty.
        quick: Train very little, to test that everything works. The verdicts then mean nothing.
        jobs: How many runs are trained at the same time.
        data_dir: Folder of the datasets that `kvae.data.load` prepares.
        progress: Wraps the steps of loading a dataset, and the claims that are measured, to show
            how many are done.
        on_progress: Called about once a second with the number of epochs that are done in all runs
            together, and with the number of epochs in all.
        prepare: Called in every new process before TensorFlow is imported there.
        command: Returns the command that the report shows for repeating it, from the arguments
            `quick` and `only`.

    Returns:
        The findings, and where the report is.

    Raises:
        UsageError: `only` has a name that is not in the table of claims.
        KvaeError: a dataset cannot be loaded, a folder cannot be written, a run in `output` was
            trained or measured with other options, or a run failed.
    """
    chosen: dict[str, Claim] = {name: registry.resolve(CLAIMS, name) for name in only or CLAIMS}
    claims = [chosen[name] for name in CLAIMS if name in chosen]
    budget = QUICK if quick else FULL
    runs, models, work = (output / folder for folder in ("runs", "saved_models", "work"))
    check_writable(work)
    datasets = {name: data.load(name, data_dir, progress=progress) for name in ("mnist", "frey")}
    planned: dict[str, Planned] = {}
    needed_by: dict[str, list[str]] = {}
    for claim in claims:
        for run in claim.wanted(budget):
            options = {**run.options, **({} if budget.jit else {"jit": False})}
            dataset = datasets[options.pop("dataset")]
            config = configure(dataset, **options)
            if run.measured_by and _is_measured(task_file(work, run.measured_by), config):
                continue
            planned[run.name] = Planned(run.name, options, config, dataset)
            needed_by.setdefault(run.name, []).append(claim.name)
            if is_another(runs / run.name, config):
                raise KvaeError(
                    f"{runs / run.name} was trained with other options: choose another `output`"
                )
    epochs = sum(run.config.training.epochs for run in planned.values())
    trained, errors = train_missing(
        list(planned.values()),
        runs,
        models,
        jobs,
        on_progress=lambda done: on_progress(done, epochs),
        prepare=prepare,
    )
    for name, error in errors.items():
        raise KvaeError(f"run {name} failed: {error}")
    tasks = [
        partial(_store, task_file(work, name), task)
        for claim in claims
        for name, task in claim.tasks(budget, Places(data_dir, runs, models)).items()
        if not task_file(work, name).is_file()
    ]
    side_by_side(tasks, jobs, prepare)
    bench = Bench(budget, datasets, runs, models, work)
    findings = {claim: claim.measure(bench) for claim in progress(claims, len(claims), "measuring")}
    preface = [
        f"This page was made by `{command(quick, only)}`. For each claim it says what was "
        "claimed and what we measured, and gives a verdict: *reproduced* if all parts of the claim "
        "hold, *not reproduced* if none does, and *refined* if some do. ± is the standard "
        "deviation over seeds.",
        "The report that kvae re-implements trains MNIST for 30 to 50 epochs, and does not say "
        "what Adagrad's accumulators start with: 0.1 in Keras, and 0 in PyTorch. The verdicts are "
        f"those of {next(iter(budget.mnist_trainings))}, as in the recipe `reference`; tables say "
        "what the others are.",
    ]
    results = {name: read_results(runs / name) or {} for name in planned}
    if results:
        _write_results(output / RUNS, results, needed_by)
        hours = sum(found[SECONDS] for found in results.values()) / 3600
        preface.append(
            f"Training the {len(results)} runs in the folder `runs` took {hours:.1f} hours in "
            f"total. [{RUNS}]({RUNS}) has the results of each on test images, and the claims that "
            "are measured on it."
        )
    if quick:
        preface.append(
            "**This is a quick test with very little training. It shows that the command works; "
            "its verdicts mean nothing.**"
        )
    written = page.write(output, findings, preface, lambda claim: command(quick, [claim.name]))
    found = Reproduction(written, findings, trained)
    write_json(output / FINDINGS, found.to_json())
    return found


def _write_results(
    table: Path, results: Mapping[str, Mapping[str, Any]], needed_by: Mapping[str, Sequence[str]]
) -> None:
    """Write a table with a row for each run.

    Args:
        table: The file.
        results: The results of each run, by its name.
        needed_by: The names of the claims that are measured on each run, by the run's name.
    """
    columns = *RESULTS, SECONDS
    rows = [
        [name, *(found.get(column, "") for column in columns), " ".join(needed_by[name])]
        for name, found in results.items()
    ]
    with (
        atomic_file(table) as scratch,
        scratch.open("w", encoding="utf-8", newline="") as file,
    ):
        csv.writer(file).writerows([["run", *columns, "claims"], *rows])


def _is_measured(result: Path, config: Config) -> bool:
    """Whether there is the result of measuring a run with this configuration."""
    if not result.is_file():
        return False
    if read_json(result).get(CONFIG) != config.to_json():
        raise KvaeError(
            f"{result} is of a run with other options: choose another `output`, or delete it"
        )
    return True


def _store(result: Path, task: Callable[[], Any]) -> None:
    """Run a task and store what it returns at once, so that an interruption loses nothing else."""
    write_json(result, task())
