"""kvae train"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kvae import registry
from kvae.config import ACTIVATIONS, BINARIZE, MEAN_ACTIVATIONS, RECIPES, is_known
from kvae.errors import UsageError
from kvae_cli import options, output, signals

if TYPE_CHECKING:
    from kvae.runs.history import Epoch

COUNT = click.IntRange(min=1)
NOT_NEGATIVE = click.FloatRange(min=0, max=float("inf"), max_open=True)
POSITIVE = click.FloatRange(min=0, min_open=True, max=float("inf"), max_open=True)


@click.command()
@click.option(
    "--dataset",
    default="digits",
    show_default=True,
    help="digits, mnist, frey, frey/blocks, tfds:NAME, or the path of a folder of images, a .npy "
    "or a .npz.",
)
@click.option("--latent", type=COUNT, help="Latent dimensions.")
@click.option("--hidden", type=options.IntegerList(), help="Units of the hidden layers.")
@click.option(
    "--activation", type=click.Choice(ACTIVATIONS), help="Of the hidden layers.  [default: tanh]"
)
@click.option("--prior", type=click.Choice(list(registry.PRIORS)), help="p(z).")
@click.option("--components", type=COUNT, help="Of a mixture or vamp prior.  [default: 100]")
@click.option("--posterior", type=click.Choice(list(registry.POSTERIORS)), help="q(z|x).")
@click.option(
    "--flow-layers", type=COUNT, help="Of a flow prior and an iaf posterior.  [default: 4]"
)
@click.option("--flow-units", type=COUNT, help="Units in their hidden layers.  [default: 128]")
@click.option("--likelihood", type=click.Choice(list(registry.LIKELIHOODS)))
@click.option(
    "--mean-activation",
    type=click.Choice(MEAN_ACTIVATIONS),
    help="What the mean of a normal likelihood passes through.",
)
@click.option(
    "--binarize",
    type=click.Choice(BINARIZE),
    help="Make pixels black or white: at 0.5, or by chance at every look.",
)
@click.option(
    "--recipe",
    type=click.Choice(RECIPES),
    default="reference",
    show_default=True,
    help="Where options that are not given come from.",
)
@click.option("--epochs", type=COUNT)
@click.option("--batch-size", type=COUNT)
@click.option("--optimizer", type=click.Choice(list(registry.OPTIMIZERS)))
@click.option("--learning-rate", type=POSITIVE, help="At the start.")
@click.option(
    "--schedule",
    type=click.Choice(list(registry.SCHEDULES)),
    help="What becomes of the learning rate.  [default: constant]",
)
@click.option(
    "--estimator",
    type=click.Choice(list(registry.ESTIMATORS)),
    help="What training follows the gradient of.  [default: aevb, of a bound]",
)
@click.option("--bound", type=click.Choice(list(registry.BOUNDS)), help="What is maximised.")
@click.option("--importance-samples", type=COUNT, help="Draws of z an image for --bound iwae.")
@click.option(
    "--doubly-reparameterized",
    is_flag=True,
    default=None,
    help="The encoder's gradient under --bound iwae by Tucker et al. (2019).",
)
@click.option(
    "--beta", type=NOT_NEGATIVE, help="Weight of the KL in what is maximised.  [default: 1]"
)
@click.option(
    "--kl-warmup",
    type=click.IntRange(min=0),
    metavar="EPOCHS",
    help="Epochs in which that weight rises from zero.",
)
@click.option(
    "--free-bits",
    type=NOT_NEGATIVE,
    metavar="NATS",
    help="What each latent dimension's KL may be for nothing.",
)
@click.option(
    "--patience",
    type=COUNT,
    metavar="EPOCHS",
    help="Stop after so many without a better validation ELBO, and keep the best weights.",
)
@click.option(
    "--weight-decay", type=NOT_NEGATIVE, help="Of the networks' weights, times the learning rate."
)
@click.option(
    "--dropout",
    type=click.FloatRange(min=0, max=1, max_open=True),
    help="Share of hidden units dropped in training.",
)
@click.option(
    "--input-noise",
    type=NOT_NEGATIVE,
    metavar="STDDEV",
    help="Gaussian noise on what the encoder sees in training.",
)
@click.option(
    "--start-from",
    metavar="MODEL",
    help="Name or path of a saved model of the same networks, whose weights training starts from.",
)
@options.seed
@click.option(
    "--strategy",
    type=click.Choice(list(registry.STRATEGIES)),
    help="Share batches among this machine's GPUs, or among the workers of $TF_CONFIG.",
)
@click.option(
    "--resume",
    metavar="RUN",
    is_flag=False,
    flag_value="",
    help="Go on with a run that was interrupted, from its newest checkpoint. Without RUN, with the "
    "run of --name, which is started if there is none.",
)
@click.option(
    "--checkpoint-every",
    type=COUNT,
    metavar="EPOCHS",
    help="Save for --resume after every so many epochs.  [default: by time]",
)
@click.option(
    "--image-size", type=options.ImageSize(), help="Resize the images of a folder or of tfds:NAME."
)
@click.option("--name", help="Names the run and the saved model.  [default: such as frey-z5]")
@options.overwrite
@options.runs
@options.models
@options.data_dir
@click.option("--no-jit", is_flag=True, help="Do not compile with XLA.")
@options.as_json
@click.pass_context
def train(
    context: click.Context,
    dataset: str,
    recipe: str,
    image_size: tuple[int, int] | None,
    name: str | None,
    overwrite: bool,
    runs: Path,
    models: Path,
    data_dir: Path | None,
    no_jit: bool,
    as_json: bool,
    strategy: str | None,
    resume: str | None,
    checkpoint_every: int | None,
    **chosen: Any,
) -> None:
    """Train a VAE, evaluate it on the test images, and export it.

    Writes the run to runs/NAME (configuration, history, checkpoints, TensorBoard events, figures)
    and the trained model to saved_models/NAME.

    \b
    kvae train
    kvae train --dataset frey --latent 5
    kvae train --dataset path/to/images --image-size 64x64 --latent 20
    kvae train --resume digits-z2
    """
    from kvae import config as configuration
    from kvae import data
    from kvae import runs as all_runs
    from kvae.runs import folders

    resumed = _to_resume(resume, name, runs)
    if resumed:
        config = configuration.read_config(resumed)
        _refuse_contradictions(context, resumed, config)
        if folders.is_complete(resumed):
            click.echo(f"{resumed} is complete: there is nothing to go on with.", err=True)
            _report(resumed, models / resumed.name, config, as_json)
            return
    shared, index = _share(strategy)
    if resumed:
        images = folders.dataset_of(resumed, None, data_dir, output.progress)
    else:
        images = data.load(dataset, data_dir, image_size=image_size, progress=output.progress)
        config = configuration.configure(images, recipe, jit=not no_jit, **chosen)

    def introduce(name: str | None) -> None:
        _introduce(images, config, name, chosen["likelihood"] is not None)

    with (
        output.bar(None, config.training.epochs, "compiling", "epoch") as bar,
        signals.deferred() as asked_to_stop,
    ):

        def show(epoch: "Epoch") -> None:
            if bar.n == 0:
                # The time to the end is that of training, not of compiling.
                bar.unpause()
                bar.set_description("training", refresh=False)
            bar.set_postfix_str(
                f"ELBO {epoch.validation_elbo:.2f}, reconstruction "
                f"{epoch.validation_reconstruction:.2f}, KL {epoch.validation_kl:.2f}",
                refresh=False,
            )
            bar.update(epoch.epoch - bar.n)

        if index > 0:
            introduce(None)
            click.echo(f"Worker {index} trains along and writes nothing.", err=True)
            all_runs.assist(images, config, shared, resumed, models, show)
            return
        rest = (runs, models, overwrite, show, shared)
        further = {"checkpoint_every": checkpoint_every, "asked_to_stop": asked_to_stop}
        if resumed:
            name = folders.name_of(resumed)
            introduce(name)
            run = all_runs.resume(images, str(resumed), *rest, **further)
        else:
            run = all_runs.start(images, config, name, *rest, introduce, **further)

    _report(run.folder, run.saved_model, config, as_json)


def _to_resume(resume: str | None, name: str | None, runs: Path) -> Path | None:
    """The folder of the run to go on with; None to start one."""
    from kvae.runs import folders

    if resume is None:
        return None
    if resume and name not in (None, resume):
        raise UsageError(f"--resume {resume} goes on with {resume}, which --name {name} is not")
    if not resume and name is None:
        raise UsageError("--resume needs the name of a run, or a --name")
    if not resume and not folders.exists(str(name), runs):
        return None
    return folders.to_resume(resume or str(name), runs)


def _refuse_contradictions(context: click.Context, folder: Path, config: Any) -> None:
    """Refuse options that a run was not started with."""
    from kvae.data.request import canonical

    own = {"recipe": config.recipe, "no_jit": not config.training.jit}
    for part in config.data, config.model, config.training:
        own |= dataclasses.asdict(part)
    wrong = []
    for option, value in context.params.items():
        given = context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE
        if option == "dataset":
            value = canonical(value)
        if given and option in own and own[option] != value:
            wrong.append(f"--{option.replace('_', '-')} (it has {own[option]})")
    if wrong:
        raise UsageError(
            f"{folder} was started with other options than {', '.join(wrong)}: leave them out to "
            "go on, or start another run"
        )


def _share(strategy: str | None) -> tuple[Any, int]:
    """What shares the work, if anything does, and which of its workers this process is."""
    if strategy is None:
        return None, 0
    from kvae.training import distributed

    shared = distributed.new_strategy(strategy)
    return shared, distributed.worker_index(shared)


def _introduce(images: Any, config: Any, name: str | None, likelihood_given: bool) -> None:
    model, training = config.model, config.training
    height, width, channels = images.image_shape
    click.echo(
        f"{images.description}: {len(images.train):,} to train on, {len(images.validation):,} to "
        f"validate, {len(images.test):,} to test.",
        err=True,
    )
    if not likelihood_given and not is_known(images.name):
        kind = images.kind if config.data.binarize == "none" else "made binary"
        click.echo(f"The pixels are {kind}, so the likelihood is {model.likelihood}.", err=True)
    pixels = f"{height}x{width}" + (f"x{channels}" if channels > 1 else "")
    hidden = "-".join(map(str, model.hidden))
    click.echo(
        (f"{name}: " if name else "")
        + f"{pixels} - {hidden} - {model.latent} latents, {model.likelihood} likelihood, "
        f"{training.epochs} epochs of {training.optimizer} at {training.learning_rate:g}, batches "
        f"of {training.batch_size}, recipe {config.recipe}"
        + (f", from the weights of {training.start_from}." if training.start_from else "."),
        err=True,
    )


def _report(folder: Path, saved_model: Path, config: Any, as_json: bool) -> None:
    from kvae.io.reading import read_json
    from kvae.runs.folders import MODELS, RESULTS

    results = read_json(folder / RESULTS)
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
    click.echo(f"\n{folder.name} on {results['images']:,} test images, nats an image:\n")
    for name, value, note in (
        ("ELBO", f"{results['elbo']:.2f}", f"± {results['elbo_standard_error']:.2f}"),
        ("reconstruction", f"{results['reconstruction']:.2f}", ""),
        ("KL", f"{results['kl']:.2f}", ""),
        ("active units", str(results["active_units"]), f"of {config.model.latent}"),
        ("training", f"{results['training_seconds']:.1f}", "s"),
    ):
        click.echo(f"  {name:14} {value:>9} {note}".rstrip())
    click.echo(f"\nRun      {folder}  (pictures in {folder / 'figures'})")
    click.echo(f"Model    {saved_model}")
    models = saved_model.parent
    extra = "" if models == MODELS else f" --models {models}"
    click.echo("\nNext:")
    click.echo(f"  kvae sample {folder.name}{extra}")
    click.echo(f"  kvae reconstruct {folder.name}{extra}")
    click.echo(f"  tensorboard --logdir {folder.parent}")
