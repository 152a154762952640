"""kvae export"""

from pathlib import Path

import click

from kvae_cli import options, output


@click.command()
@click.argument("run")
@options.overwrite
@options.runs
@options.models
def export(run: str, overwrite: bool, runs: Path, models: Path) -> None:
    """Export the newest checkpoint of RUN, a name or a path, as a saved model."""
    from kvae.runs.saved_models import export_run

    output.line(str(export_run(run, runs, models, overwrite)))
