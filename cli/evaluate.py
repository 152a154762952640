"""kvae evaluate"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kvae_cli import options, output

if TYPE_CHECKING:
    from kvae.evaluation import Report, Row


@click.command()
@click.argument("model", required=False)
@click.option("--dataset", help="Images to evaluate on.  [default: the model's own]")
@click.option(
    "--split",
    type=click.Choice(("train", "validation", "test")),
    default="test",
    show_default=True,
    help="Which images of the dataset.",
)
@options.importance_samples
@options.seed
@options.models
@options.data_dir
@options.as_json
def evaluate(
    model: str | None,
    dataset: str | None,
    split: str,
    importance_samples: int,
    seed: int,
    models: Path,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Measure how good MODEL is: its likelihood, latents, samples and reconstructions.

    MODEL is the name or the path of a saved model, by default the newest. The report says in words
    what each figure means.
    """
    from kvae.runs import folders

    path = folders.find(model, models, "saved model")
    images = folders.dataset_of(path, dataset, data_dir, output.progress)

    from kvae import evaluation
    from kvae.runs import saved_models

    report = evaluation.evaluate(
        saved_models.load(path), images, split, importance_samples, seed, output.steps
    )
    if as_json:
        output.as_json({"name": path.name, **report.to_json()})
        return
    output.line(f"{path.name}: {report.model}; {report.images}")
    _print(report)


def _print(report: "Report") -> None:
    for title, rows in report.groups.items():
        columns = list(dict.fromkeys(column for row in rows for column in row.values))
        lines = [[title, *columns, "", ""]]
        lines += [
            [
                f"  {row.name}",
                *(_figure(row, column) for column in columns),
                row.unit,
                output.spoken(row.verdict),
            ]
            for row in rows
        ]
        click.echo()
        output.table(lines, left=2)


def _figure(row: "Row", column: str) -> str:
    if column not in row.values:
        return ""
    value = row.values[column]
    if isinstance(value, int):
        return str(value)
    digits = 2 if abs(value) >= 10 or row.unit == "nats" else 4 if abs(value) < 0.1 else 3
    text = f"{value:.{digits}f}"
    return f"± {text}" if column == "standard error" else text
