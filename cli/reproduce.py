"""kvae reproduce"""

from collections.abc import Sequence
from pathlib import Path

import click

from kvae.reproduction.claims import CLAIMS
from kvae_cli import options, output, signals, startup


@click.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(CLAIMS)),
    help="Measure only this claim; may be given several times.  [default: all]",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Train only briefly, to check that the command works. The verdicts mean nothing.",
)
@options.jobs(2)
@click.option(
    "--output",
    "folder",
    type=options.FOLDER,
    default=Path("reports/reproduction"),
    show_default=True,
    help="Folder of the report, its runs and its saved models.",
)
@options.data_dir
@options.as_json
def reproduce(
    only: tuple[str, ...],
    quick: bool,
    jobs: int,
    folder: Path,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Measure what was claimed of these models, and write a report with a verdict on each claim.

    Models are trained on MNIST and the Frey Faces. The same command resumes an interrupted
    reproduction.

    \b
    kvae reproduce --only frey-sigmoid
    """
    from kvae.reproduction.reproduce import reproduce as measure

    with signals.repeatable(), output.bar(None, 0, "training", "epoch") as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = measure(
            folder, only, quick, jobs, data_dir, output.steps, show, startup.install, _command
        )
    if as_json:
        output.as_json(found.to_json())
        return
    for claim, finding in found.findings.items():
        click.echo(f"{claim.name}: {finding.verdict}")
        for part in finding.parts:
            holds = {True: "yes", False: "no ", None: "?  "}[part.holds]
            click.echo(f"  {holds}  {part.claimed}: {part.measured}")
    click.echo(f"\nReport  {found.page}")


def _command(quick: bool, only: Sequence[str]) -> str:
    """The command line that makes the same report."""
    options = [*(["--quick"] if quick else []), *(f"--only {name}" for name in only)]
    return " ".join(["kvae reproduce", *options])
