"""kvae train"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kvae import registry
from kvae.errors import UsageError
from kvae_cli import next_steps, options, output, signals

if TYPE_CHECKING:
    from kvae.metrics import Row


@options.of_configuration
@click.command()
@click.option(
    "--dataset",
    default="digits",
    show_default=True,
    help="Images: digits, mnist, frey, frey/blocks, tfds:NAME, or the path of a folder of images, "
    "a .npy file or a .npz file. A table of numbers: a .csv file, or a .npy file of floats.",
)
@options.recipe
@options.model_family
@options.seed
@click.option(
    "--strategy",
    type=click.Choice(list(registry.STRATEGIES)),
    help="Share each batch among this machine's GPUs, or among the workers of $TF_CONFIG.",
)
@click.option(
    "--resume",
    metavar="RUN",
    is_flag=False,
    flag_value="",
    help="Resume an interrupted run from its newest checkpoint, or train a run longer, with more "
    "--epochs in all. Without RUN it is the run of --name, which is started if it does not exist.",
)
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    metavar="EPOCHS",
    help="Save a checkpoint for --resume after every so many epochs.  [default: by time]",
)
@click.option(
    "--image-size", type=options.ImageSize(), help="Resize images of your own or of tfds:NAME."
)
@click.option("--name", help="Name of the run and of the saved model.  [default: such as frey-z5]")
@options.overwrite
@options.runs
@options.models
@options.data_dir
@options.jit
@options.as_json
@click.pass_context
def train(
    context: click.Context,
    dataset: str,
    recipe: str | None,
    family: str | None,
    image_size: tuple[int, int] | None,
    name: str | None,
    overwrite: bool,
    runs: Path,
    models: Path,
    data_dir: Path | None,
    jit: bool | None,
    as_json: bool,
    strategy: str | None,
    resume: str | None,
    checkpoint_every: int | None,
    **chosen: Any,
) -> None:
    """Train a model of images or of a table, evaluate it on the test images, and export it.

    Writes the run to runs/NAME (configuration, history, checkpoints, TensorBoard events, figures)
    and the trained model to saved_models/NAME.

    \b
    kvae train
    kvae train --dataset frey --latent 5
    kvae train --dataset path/to/images --image-size 64x64 --latent 20
    kvae train --dataset measurements.csv
    kvae train --resume digits-z2
    kvae train --resume digits-z2 --epochs 600
    """
    from kvae import config as configuration
    from kvae import data
    from kvae import runs as all_runs
    from kvae.runs import folders
    from kvae.runs.longer import with_epochs

    if name is not None:
        # Before the images are read, which may take long.
        folders.check_name(name)
    resumed = _to_resume(resume, name, runs)
    if resumed:
        config = configuration.read_config(resumed)
        _refuse_contradictions(context, resumed, config)
        if chosen["epochs"] is not None:
            config = with_epochs(resumed, config, chosen["epochs"])
        is_longer = config != configuration.read_config(resumed)
        if folders.is_complete(resumed) and not is_longer:
            click.echo(f"{resumed} is complete: there is nothing to resume.", err=True)
            _report(resumed, models / resumed.name, config, as_json)
            return
    shared, index = _share(strategy)
    if resumed:
        images = folders.dataset_of(resumed, None, data_dir, output.progress)
    else:
        like = folders.to_start_from(chosen["start_from"], models)
        # The weights of another model are for columns that are standardised as its own are.
        columns = None if like is None else like.data.columns
        images = data.load(
            dataset, data_dir, image_size=image_size, progress=output.progress, columns=columns
        )
        config = configuration.configure(images, recipe, family, like, jit=jit, **chosen)

    def introduce(name: str | None, memory: int | None = None) -> None:
        given = [option for option, value in chosen.items() if value is not None]
        _introduce(images, config, name, given, memory)

    with (
        output.bar(None, config.training.epochs, "compiling", "epoch") as bar,
        signals.deferred() as asked_to_stop,
    ):

        def show(row: "Row") -> None:
            if bar.n == 0:
                # The estimate of the remaining time must not include the time of compiling.
                bar.unpause()
                bar.set_description("training", refresh=False)
            bar.set_postfix_str(_figures(row, config.family), refresh=False)
            bar.update(int(row["epoch"]) - bar.n)

        if index > 0:
            introduce(None)
            click.echo(f"Worker {index} trains along and writes nothing.", err=True)
            from kvae.runs.assist import assist

            assist(images, config, shared, resumed, models, show)
            return
        rest = (runs, models, overwrite, show, shared)
        further = {
            "checkpoint_every": checkpoint_every,
            "asked_to_stop": asked_to_stop,
            "progress": output.steps,
        }
        if resumed:
            introduce(resumed.name)
            further["epochs"] = chosen["epochs"]
            run = all_runs.resume(images, str(resumed), *rest, **further)
        else:
            run = all_runs.start(images, config, name, *rest, introduce, **further)

    _report(run.folder, run.saved_model, config, as_json)


def _to_resume(resume: str | None, name: str | None, runs: Path) -> Path | None:
    """The folder of the run to resume; None to start one."""
    from kvae.runs import folders

    if resume is None:
        return None
    if resume and name not in (None, resume):
        raise UsageError(f"--resume {resume} and --name {name} are two runs: give one of them")
    if not resume and name is None:
        raise UsageError("--resume needs the name of a run, or a --name")
    if not resume and not (runs / str(name)).exists():
        return None
    return folders.find(resume or str(name), runs, "run")


def _refuse_contradictions(context: click.Context, folder: Path, config: Any) -> None:
    """Refuse options that a run was not started with."""
    from kvae.data.request import canonical

    own = config.flat()
    wrong = []
    for option, value in context.params.items():
        given = context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE
        if option == "dataset":
            value = canonical(value)
        # More epochs train the run longer.
        if given and option in own and own[option] != value and option != "epochs":
            wrong.append(f"--{option.replace('_', '-')} (it has {own[option]})")
    if wrong:
        raise UsageError(
            f"{folder} was started with other options than {', '.join(wrong)}: leave them out to "
            "resume it, or start another run"
        )


def _share(strategy: str | None) -> tuple[Any, int]:
    """The strategy that shares the work, or None, and the number of this process's worker."""
    if strategy is None:
        return None, 0
    from kvae.training import workers

    shared = workers.new_strategy(strategy)
    return shared, workers.worker_index(shared)


def _introduce(
    images: Any, config: Any, name: str | None, given: list[str], memory: int | None
) -> None:
    """Print the images, the model and the training, and which options the images decided."""
    from kvae.config import facts, family
    from kvae.io.machine import in_bytes

    training = config.training
    lines = [
        f"{images.description}: {len(images.train):,} to train on, {len(images.validation):,} to "
        f"validate, {len(images.test):,} to test.",
        *output.notes(images),
        *family(config.family).reasons(config, facts(images), given),
        (f"{name}: " if name else "")
        + f"{config.model.summary}, {training.epochs} epochs of {training.optimizer} at "
        f"{training.learning_rate:g}, batches of {training.batch_size}, recipe {config.recipe}"
        + (f", about {in_bytes(memory)} of memory" if memory else "")
        + (f", from the weights of {training.start_from}." if training.start_from else "."),
    ]
    for line in lines:
        click.echo(output.printable(line), err=True)


def _figures(row: "Row", of_family: str) -> str:
    """The validation metrics of an epoch, for the progress bar."""
    from kvae.config import family

    columns = {f"validation_{metric.name}": metric for metric in family(of_family).metrics}
    return ", ".join(f"{m.label} {row[c]:.2f}" for c, m in columns.items() if c in row)


def _report(folder: Path, saved_model: Path, config: Any, as_json: bool) -> None:
    from kvae.config import family
    from kvae.runs.folders import read_results

    metrics = family(config.family).metrics
    results = read_results(folder) or {}
    if as_json:
        output.as_json(
            {
                "name": folder.name,
                "run": str(folder),
                "saved_model": str(saved_model),
                "config": config.to_json(),
                "results": results,
            }
        )
        return
    item = config.data.item
    each = f"{'a' if config.data.numbers else 'an'} {item}"
    shown = [metric for metric in metrics if results.get(metric.name) is not None]
    unit = f", nats {each}" if any(metric.unit == "nats" for metric in shown) else ""
    click.echo(f"\n{folder.name} on {results['images']:,} test {item}s{unit}:\n")
    rows = []
    for metric in shown:
        value, error = results[metric.name], results.get(f"{metric.name}_standard_error")
        text = str(value) if isinstance(value, int) else f"{value:.2f}"
        rows.append((metric.label, text, f"± {error:.2f}" if error is not None else ""))
    rows.append(("training", f"{results['training_seconds']:.1f}", "s"))
    width = max(14, *(len(label) for label, _, _ in rows))
    for label, text, note in rows:
        click.echo(f"  {label:{width}} {text:>9} {note}".rstrip())
    next_steps.show_run(folder, saved_model, results)
