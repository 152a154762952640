"""kvae train"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kvae import registry
from kvae.config import ACTIVATIONS, BINARIZE, MEAN_ACTIVATIONS, RECIPES, is_known
from kvae.errors import UsageError
from kvae_cli import options, output

if TYPE_CHECKING:
    from kvae.training import Epoch

COUNT = click.IntRange(min=1)
NOT_NEGATIVE = click.FloatRange(min=0, max=float("inf"), max_open=True)
WITH_RESUME = {"resume", "runs", "models", "overwrite", "data_dir", "as_json", "strategy"}
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
    "--resume", metavar="RUN", help="Go on with a run that was interrupted, from its checkpoint."
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

    if resume is not None:
        _refuse_others(context)
    resumed = None if resume is None else all_runs.to_resume(resume, runs)
    shared, index = _share(strategy)
    if resumed:
        name = resumed.name
        images = all_runs.dataset_of(resumed, None, data_dir, output.progress)
        config = configuration.read_config(resumed)
    else:
        images = data.load(dataset, data_dir, image_size=image_size, progress=output.progress)
        config = configuration.configure(images, recipe, jit=not no_jit, **chosen)
        if index == 0:
            name = all_runs.choose_name(
                images.name, config.model.latent, name, runs, models, overwrite
            )
    _introduce(images, config, name, chosen["likelihood"] is not None)
    if index > 0:
        click.echo(f"Worker {index} trains along and writes nothing.", err=True)
    with output.bar(None, config.training.epochs, "compiling", "epoch") as bar:

        def show(epoch: "Epoch") -> None:
            if epoch.epoch == 1:
                # The time to the end is that of training, not of compiling.
                bar.unpause()
                bar.set_description("training", refresh=False)
            bar.set_postfix_str(
                f"ELBO {epoch.validation_elbo:.2f}, reconstruction "
                f"{epoch.validation_reconstruction:.2f}, KL {epoch.validation_kl:.2f}",
                refresh=False,
            )
            bar.update()

        if index > 0:
            all_runs.assist(images, config, shared, resumed, models, show)
            return
        rest = (runs, models, overwrite, show, shared)
        if resumed:
            run = all_runs.resume(images, resumed.name, *rest)
        else:
            run = all_runs.start(images, config, name, *rest)

    if as_json:
        output.as_json(
            {
                "name": run.name,
                "run": str(run.folder),
                "saved_model": str(run.saved_model),
                "config": config.to_json(),
                "results": run.results,
            }
        )
        return
    _report(run, runs)
    extra = "" if models == all_runs.MODELS else f" --models {models}"
    click.echo("\nNext:")
    click.echo(f"  kvae sample {run.name}{extra}")
    click.echo(f"  kvae reconstruct {run.name}{extra}")
    click.echo(f"  tensorboard --logdir {runs}")


def _refuse_others(context: click.Context) -> None:
    """Refuse what a run that is gone on with has in its own configuration."""
    for name in context.params:
        given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and name not in WITH_RESUME:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"--resume takes no {option}: the run has its own")


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


def _report(run: Any, runs: Path) -> None:
    results = run.results
    click.echo(f"\n{run.name} on {results['images']:,} test images, nats an image:\n")
    for name, value, note in (
        ("ELBO", f"{results['elbo']:.2f}", f"± {results['elbo_standard_error']:.2f}"),
        ("reconstruction", f"{results['reconstruction']:.2f}", ""),
        ("KL", f"{results['kl']:.2f}", ""),
        ("active units", str(results["active_units"]), f"of {run.model.config.model.latent}"),
        ("training", f"{results['training_seconds']:.1f}", "s"),
    ):
        click.echo(f"  {name:14} {value:>9} {note}".rstrip())
    click.echo(f"\nRun      {run.folder}  (pictures in {run.folder / 'figures'})")
    click.echo(f"Model    {run.saved_model}")
