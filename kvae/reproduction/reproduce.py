"""Train the models that the claims are about, measure each claim, and write the report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvae import data, registry
from kvae.config import configure
from kvae.errors import KvaeError
from kvae.experiments.backends import side_by_side
from kvae.experiments.sweeps import Planned, is_another, train_missing
from kvae.io.files import check_writable, write_json
from kvae.progress import Progress, silent
from kvae.reproduction import page
from kvae.reproduction.claim import FULL, QUICK, Bench, Claim, Finding, kept_in
from kvae.reproduction.claims import CLAIMS

FINDINGS = "findings.json"


@dataclass(frozen=True)
class Reproduction:
    """What `reproduce` made.

    Attributes:
        page: The report as one HTML page; `README.md` beside it is the same as Markdown.
        findings: By claim.
        trained: Names of the runs that were not there before.
    """

    page: Path
    findings: dict[Claim, Finding]
    trained: list[str]

    def to_json(self) -> dict[str, Any]:
        """Claims, parts and verdicts as plain dictionaries, lists, strings and numbers."""
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


def reproduce(
    output: Path,
    only: Sequence[str] = (),
    quick: bool = False,
    jobs: int = 1,
    data_dir: Path | None = None,
    progress: Progress = silent,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    prepare: Callable[[], None] = lambda: None,
) -> Reproduction:
    """Train what the claims take, measure them, and write the report.

    What is in `output` already is not trained again.

    Args:
        output: Folder of the report, with its runs and saved models.
        only: Names in `kvae.reproduction.claims.CLAIMS`; all of them where there are none.
        quick: Train hardly anything: to see that it works, not what holds.
        jobs: Runs that are trained at the same time.
        data_dir: As `kvae.data.load` takes it.
        progress: Likewise.
        on_progress: Called about once a second with the epochs of all runs that are done, and how
            many there are.
        prepare: As `kvae.experiments.sweeps.sweep` takes it.

    Raises:
        UsageError: there is no such claim.
        KvaeError: a dataset is not to be had, a folder cannot be written, what is in `output` was
            trained with other options, or a run failed.
    """
    claims: list[Claim] = [
        registry.resolve(CLAIMS, name) for name in CLAIMS if not only or name in only
    ]
    budget = QUICK if quick else FULL
    runs, models, work = (output / folder for folder in ("runs", "saved_models", "work"))
    check_writable(work)
    datasets = {name: data.load(name, data_dir, progress=progress) for name in ("mnist", "frey")}
    planned: dict[str, Planned] = {}
    for claim in claims:
        for run in claim.wanted(budget):
            options = {**run.options, "jit": budget.jit}
            dataset = datasets[options.pop("dataset")]
            config = configure(dataset, **options)
            planned[run.name] = Planned(run.name, options, config, dataset)
            if is_another(runs / run.name, config):
                raise KvaeError(
                    f"{runs / run.name} was trained with other options: choose another --output"
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
    tasks = {
        name: task
        for claim in claims
        for name, task in claim.tasks(budget, data_dir).items()
        if not kept_in(work, name).is_file()
    }
    for name, given in zip(tasks, side_by_side(list(tasks.values()), jobs, prepare), strict=True):
        write_json(kept_in(work, name), given)
    bench = Bench(budget, datasets, runs, models, work)
    findings = {claim: claim.measure(bench) for claim in progress(claims, len(claims), "measuring")}
    command = "kvae reproduce" + (" --quick" if quick else "")
    preface = [
        f"Made by `{command}{''.join(f' --only {name}' for name in only)}`. Each claim stands with "
        "what was claimed, what we measured, and a verdict: *reproduced* if all its parts hold, "
        "*not reproduced* if none does, *refined* if some do. ± is the standard deviation over "
        "seeds."
    ]
    if quick:
        preface.append(
            "**A quick look: next to nothing was trained for it. It shows that the command works; "
            "its verdicts mean nothing.**"
        )
    found = Reproduction(page.write(output, findings, preface), findings, trained)
    write_json(output / FINDINGS, found.to_json())
    return found
