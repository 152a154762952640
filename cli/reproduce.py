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
    help="Measure this claim alone; may be given again.  [default: all]",
)
@click.option(
    "--quick", is_flag=True, help="Train next to nothing: to see that it works, not what holds."
)
@options.jobs(2)
@click.option(
    "--output",
    "folder",
    type=options.FOLDER,
    default=Path("reports/reproduction"),
    show_default=True,
    help="Folder of the report, with its runs and saved models.",
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

    Trains what is needed on MNIST and the Frey Faces, and goes on where it was interrupted.

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
    """The command that makes the same report, with these values of its options."""
    options = [*(["--quick"] if quick else []), *(f"--only {name}" for name in only)]
    return " ".join(["kvae reproduce", *options])
