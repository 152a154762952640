"""kvae sweep"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kvae.experiments.backends import BACKENDS
from kvae_cli import compiled, options, output, signals, startup
from kvae_cli.train import train

if TYPE_CHECKING:
    from kvae.experiments.sweeps import Sweep

_OF_ONE_RUN = {
    "name", "overwrite", "runs", "models", "data_dir", "jit", "as_json", "strategy", "resume",
    "checkpoint_every",
}  # fmt: skip


class Values(click.ParamType):
    """Values of another type, separated by commas.

    Args:
        of: The type of each value.
    """

    def __init__(self, of: click.ParamType) -> None:
        self.of, self.name = of, of.name

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        if isinstance(self.of, options.IntegerList):
            return self.of.name
        metavar = self.of.get_metavar(param, ctx)
        return f"{metavar or self.of.name.split()[0].upper()},..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        # A list of units has commas itself, so it is varied by giving the option several times.
        parts = [value] if isinstance(self.of, options.IntegerList) else value.split(",")
        return tuple(self.of.convert(part, param, ctx) for part in parts)


def _varied(command: click.Command) -> click.Command:
    """Give a command the options of `kvae train`, each with several values."""
    for param in reversed(train.params):
        if not isinstance(param, click.Option) or param.name in _OF_ONE_RUN:
            continue
        option = (
            click.Option(param.opts, is_flag=True, help=param.help)
            if param.is_flag
            else click.Option(param.opts, type=Values(param.type), multiple=True, help=param.help)
        )
        command.params.insert(0, option)
    return command


@_varied
@click.command()
@click.option(
    "--name",
    help="Name of the sweep; the names of its runs begin with it.  [default: such as frey-sweep]",
)
@options.jobs(1)
@click.option(
    "--backend",
    type=click.Choice(list(BACKENDS)),
    default="loky",
    show_default=True,
    help="Where runs are trained: in processes on this machine, or on a Ray or Dask cluster.",
)
@options.runs
@options.models
@click.option(
    "--sweeps",
    type=options.FOLDER,
    default=Path("sweeps"),
    show_default=True,
    help="Folder of tables and figures.",
)
@options.data_dir
@options.jit
@options.as_json
def sweep(
    name: str | None,
    jobs: int,
    backend: str,
    runs: Path,
    models: Path,
    sweeps: Path,
    data_dir: Path | None,
    jit: bool | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Train every combination of options, and compare them in one table.

    The options are those of kvae train. Each can have several values, separated by commas; several
    values of --hidden are given by repeating it (--hidden 200 --hidden 200,200). Runs that are
    complete are not trained again, so the same command resumes an interrupted sweep.

    \b
    kvae sweep --dataset frey --latent 2,5,10,20 --seed 0,1,2
    """
    from kvae.experiments import sweeps as all_sweeps

    grid: dict[str, tuple[Any, ...]] = {"jit": (jit,)}
    for option, given in chosen.items():
        values = tuple(v for part in given for v in part) if isinstance(given, tuple) else (given,)
        if values and values != (None,) and values != (False,):
            grid[option] = values
    name, planned = all_sweeps.plan(grid, name, runs, data_dir, output.progress, models)
    epochs = sum(run.config.training.epochs for run in planned)
    click.echo(f"{name}: {len(planned)} runs, {epochs:,} epochs.", err=True)
    with signals.repeatable(), output.bar(None, epochs, "training", "epoch") as bar:

        def show(done: int) -> None:
            bar.update(done - bar.n)

        result = all_sweeps.sweep(
            name, planned, runs, models, sweeps, jobs, backend, show, startup.install
        )
    failed = [outcome for outcome in result.outcomes if outcome.error]
    if as_json:
        output.as_json({"folder": str(result.folder), **result.to_json()})
    else:
        _report(result)
        there = len(planned) - len(result.trained) - len(failed)
        click.echo(f"\nTrained  {len(result.trained)} runs; {there} were there before")
        click.echo(f"Figures  {result.folder}")
    for outcome in failed:
        error = output.printable(" ".join(str(outcome.error).split()))
        click.echo(f"{outcome.name} failed: {error}", err=True)
    if failed:
        # A damaged file of compiled code may be the reason.
        compiled.forget()
        raise SystemExit(1)


def _report(result: "Sweep") -> None:
    from kvae.experiments.sweeps import title

    lines = [["", "runs", *(metric.label for metric in result.metrics)]]
    for row in result.rows:
        cells = []
        for metric in result.metrics:
            text = f"{row.mean[metric.name]:.2f}" if metric.name in row.mean else ""
            spread = f" ± {row.stddev[metric.name]:.2f}" if text and row.stddev else ""
            cells.append(text + spread)
        lines.append([title(row.options) or "all", str(len(row.runs)), *cells])
    click.echo(
        "Nats for each image or row of the test data, mean ± standard deviation over seeds:\n"
    )
    output.table(lines)
