"""kvae list"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kvae.errors import KvaeError
from kvae_cli import options, output

if TYPE_CHECKING:
    from kvae.metrics import Metric


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
            metrics = _metrics(entries)
            labels = [metric.label for metric in metrics.values()]
            rows = [_row(entry, list(metrics)) for entry in entries]
            head = ["", "dataset", "family", "model", "epochs", *labels]
            output.table([head, *rows], indent="  ")


def _entry(path: Path) -> dict[str, Any]:
    from kvae.config import read_config
    from kvae.runs.folders import read_results

    entry: dict[str, Any] = {"name": path.name, "path": str(path)}
    try:
        config = read_config(path)
        entry["config"] = config.to_json()
        entry["label"] = config.model.label
        entry["results"] = read_results(path)
    except KvaeError as error:
        entry["error"] = str(error)
    return entry


def _metrics(entries: list[dict[str, Any]]) -> dict[str, "Metric"]:
    """The metrics of the families that are listed, as far as a model has them, by name."""
    from kvae.config import family

    found: dict[str, Metric] = {}
    for entry in entries:
        if "config" in entry and "error" not in entry:
            metrics, results = family(entry["config"]["family"]).metrics, entry["results"] or {}
            found |= {metric.name: metric for metric in metrics if metric.name in results}
    return found


def _row(entry: dict[str, Any], metrics: list[str]) -> list[str]:
    if "error" in entry:
        return [entry["name"], "damaged", "", "", "", *("" for _ in metrics)]
    config, results = entry["config"], entry["results"]
    dataset = config["data"]["dataset"]
    row = [
        entry["name"],
        Path(dataset).name if Path(dataset).is_absolute() else dataset,
        config["family"],
        entry["label"],
    ]
    if results is None:
        return [*row, "unfinished", *("" for _ in metrics)]
    # A model whose prior was fitted after training has no epochs of its own.
    return [*row, str(results.get("epochs", "")), *(_figure(results.get(m)) for m in metrics)]


def _figure(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else "" if value is None else str(value)
