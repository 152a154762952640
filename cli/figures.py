"""kvae figures"""

from pathlib import Path

import click

from kvae_cli import options, output

NAMES = (
    "curves",
    "samples",
    "completions",
    "codes",
    "single-codes",
    "filters",
    "labels",
    "reconstructions",
    "manifold",
    "levels",
    "kl",
    "traversals",
    "interpolation",
    "pca",
    "nearest",
    "tsne",
    "tsne-levels",
    "animation",
)


@click.command()
@click.argument("model", required=False)
@click.option(
    "--only",
    type=click.Choice(NAMES),
    multiple=True,
    help="A figure to draw; may be given several times.  [default: all that the model allows]",
)
@click.option(
    "--output",
    "target",
    type=options.FOLDER,
    help="Folder for the figures.  [default: figures/MODEL]",
)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(("png", "svg", "pdf")),
    default="png",
    show_default=True,
    help="Format of the figures. An animation is always a GIF.",
)
@click.option("--dataset", help="Images to draw with.  [default: the model's own]")
@options.seed
@options.runs
@options.models
@options.data_dir
def figures(
    model: str | None,
    only: tuple[str, ...],
    target: Path | None,
    suffix: str,
    dataset: str | None,
    seed: int,
    runs: Path,
    models: Path,
    data_dir: Path | None,
) -> None:
    """Draw figures of MODEL: training curves, samples, reconstructions, its latents, and more.

    MODEL is the name or the path of a saved model, by default the newest. The curves and the
    animation need the run of the same name.
    """
    from kvae.io import files
    from kvae.runs import folders

    path = folders.find(model, models, "saved model")
    folder = target or Path("figures") / path.name
    files.check_writable(folder)
    images = folders.dataset_of(path, dataset, data_dir, output.progress)

    from kvae import gallery
    from kvae.runs import pictures

    subject = pictures.subject(path, images, runs, seed, output.steps)
    for name in output.progress(only or NAMES, len(only or NAMES), "figures"):
        try:
            drawn = gallery.draw(subject, [name], folder, f".{suffix}")
        except gallery.NotDrawnError as reason:
            if only:
                raise
            click.echo(f"{name}: not drawn, {reason}", err=True)
            continue
        output.line(str(drawn[name]))
