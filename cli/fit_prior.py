"""kvae fit-prior"""

import dataclasses
from pathlib import Path

import click

from kvae import registry
from kvae_cli import options, output


@click.command("fit-prior")
@click.argument("model", required=False)
@click.option(
    "--prior",
    type=click.Choice(list(registry.PRIOR_FITS)),
    default="mixture",
    show_default=True,
    help="The new prior.",
)
@click.option(
    "--components",
    type=click.IntRange(1, options.LARGEST),
    help="Components of a mixture.  [default: chosen by the likelihood of held-out latents]",
)
@click.option("--name", help="Name of the new saved model.  [default: such as frey-z10-mixture]")
@options.importance_samples
@options.seed
@options.overwrite
@options.models
@options.data_dir
@options.as_json
def fit_prior(
    model: str | None,
    prior: str,
    components: int | None,
    name: str | None,
    importance_samples: int,
    seed: int,
    overwrite: bool,
    models: Path,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Fit a new prior to the latents of the training images under MODEL.

    The encoder and the decoder are not changed. The model with the new prior is saved as a new
    model, and both models are compared on the test images.

    MODEL is the name or the path of a saved model, by default the newest.
    """
    from kvae import runs
    from kvae.config import read_config

    saved, held_out, quantities = runs.fit_prior(
        model,
        prior,
        components,
        name,
        models,
        overwrite,
        importance_samples,
        seed,
        data_dir,
        output.steps,
    )
    if as_json:
        output.as_json(
            {
                "name": saved.name,
                "saved_model": str(saved),
                "held_out": held_out,
                "quantities": [dataclasses.asdict(quantity) for quantity in quantities],
            }
        )
        return
    for count, log_density in held_out.items():
        click.echo(f"{count:5} components: held-out latents {log_density:.3f} nats", err=True)
    item = read_config(saved).data.item
    output.quantities(quantities, ["before", "after"], f"on the test {item}s")
    click.echo()
    output.line(f"Model    {saved}")
