"""What a newcomer looks at and tries next."""

from pathlib import Path
from typing import Any

import click

from kvae_cli import output

PICTURES = {
    "reconstructions": "test images above, what the model makes of them below",
    "samples": "images that the model made up",
    "curves": "how the training went",
}
"""The pictures of a run that say most, and what they show; the first that there is comes first."""


def show_run(folder: Path, saved_model: Path, results: dict[str, Any]) -> None:
    """Print whether the model of a complete run is any good, where it is, and what to try next.

    Args:
        folder: The run.
        saved_model: Its saved model.
        results: The contents of the run's `results.json`.
    """
    from kvae.runs.folders import FIGURES, MODELS

    verdict = results.get("verdict")
    if isinstance(verdict, str):
        click.echo()
        output.line(verdict)
    click.echo()
    for name, meaning in PICTURES.items():
        picture = folder / FIGURES / f"{name}.png"
        if picture.is_file():
            output.line(f"Open     {picture}  ({meaning})")
            break
    output.line(f"Run      {folder}")
    output.line(f"Model    {saved_model}")
    models = saved_model.parent
    extra = "" if models == MODELS else f" --models {models}"
    commands = {
        f"kvae sample {folder.name}{extra}": "new images, in samples.png",
        f"kvae evaluate {folder.name}{extra}": "how good the model is, line by line",
        f"tensorboard --logdir {folder.parent}": "all runs in a browser",
    }
    show_commands(commands)


def show_commands(commands: dict[str, str]) -> None:
    """Print what to try next.

    Args:
        commands: What each command does, by the command.
    """
    click.echo("\nNext:")
    output.table([[command, f"# {what}"] for command, what in commands.items()], "  ", left=1)


def show_newest() -> None:
    """Print what there is to do with the newest run of this folder, or how to make the first."""
    from kvae.errors import KvaeError
    from kvae.runs import folders

    found = folders.listing(folders.RUNS)
    if not found:
        show_commands({"kvae train": "trains a model of handwritten digits; needs no download"})
        return
    run = found[-1]
    model = folders.MODELS / run.name
    click.echo()
    try:
        results = folders.read_results(run)
    except KvaeError:
        output.line(f"The newest run, {run}, is damaged.")
        show_commands({"kvae list": "all runs and saved models"})
        return
    if results is None:
        output.line(f"The newest run, {run}, is not complete.")
        show_commands({f"kvae train --resume {run.name}": "resumes it, if it was interrupted"})
    elif not model.exists():
        output.line(f"The newest run, {run}, has no saved model in {folders.MODELS}.")
        show_commands({f"kvae export {run.name}": "makes one"})
    else:
        output.line(f"The newest run is {run.name}.")
        show_run(run, model, results)
