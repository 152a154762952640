"""kvae list"""

from pathlib import Path
from typing import Any

import click

from kvae.errors import KvaeError
from kvae_cli import options, output


@click.command(name="list")
@options.runs
@options.models
@options.as_json
def listing(runs: Path, models: Path, as_json: bool) -> None:
    """List runs and saved models with their key figures, newest last."""
    from kvae.runs import folders

    found = {
        "runs": [_entry(path) for path in folders.listing(runs)],
        "saved_models": [_entry(path) for path in folders.listing(models)],
    }
    if as_json:
        output.as_json(found)
        return
    for title, folder in ("runs", runs), ("saved models", models):
        entries = found[title.replace(" ", "_")]
        shown = output.printable(str(folder))
        click.echo(f"{title} in {shown}: {len(entries) or 'none yet, kvae train makes one'}")
        if entries:
            head = ("", "dataset", "latent", "likelihood", "epochs", "test ELBO", "KL", "active")
            output.table([head, *map(_row, entries)], indent="  ")


def _entry(path: Path) -> dict[str, Any]:
    from kvae.config import read_config
    from kvae.runs.folders import read_results

    entry: dict[str, Any] = {"name": path.name, "path": str(path)}
    try:
        entry["config"] = read_config(path).to_json()
        entry["results"] = read_results(path)
    except KvaeError as error:
        entry["error"] = str(error)
    return entry


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    if "error" in entry:
        return (entry["name"], "damaged", *[""] * 6)
    config, results = entry["config"], entry["results"]
    dataset = config["data"]["dataset"]
    row = (
        entry["name"],
        Path(dataset).name if Path(dataset).is_absolute() else dataset,
        str(config["model"]["latent"]),
        config["model"]["likelihood"],
    )
    if results is None:
        return (*row, "unfinished", "", "", "")
    return (
        *row,
        # A model whose prior was fitted afterwards has none of its own.
        str(results.get("epochs", "")),
        f"{results['elbo']:.2f}",
        f"{results['kl']:.2f}",
        str(results["active_units"]),
    )
