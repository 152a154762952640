"""kvae explore"""

from pathlib import Path

import click

from kvae_cli import options, output, pictures, signals


@click.command()
@click.argument("model", required=False)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Name or IPv4 address of this machine on which other machines reach the page. By default "
    "none does; with 0.0.0.0 all do.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5007,
    show_default=True,
    help="Port of the page. 0 takes a free one.",
)
@click.option(
    "--export",
    "target",
    type=options.OutputFile(".html"),
    help="Write a page that needs no server to this file, and serve none.",
)
@options.overwrite
@options.models
@options.data_dir
def explore(
    model: str | None,
    host: str,
    port: int,
    target: Path | None,
    overwrite: bool,
    models: Path,
    data_dir: Path | None,
) -> None:
    """Look around MODEL in a browser: a map of test images, sliders, samples, your own pictures.

    MODEL is the name or the path of a saved model, by default the newest. The page is at an address
    that is printed, until Ctrl-C.
    """
    from kvae.explore import server
    from kvae.runs import folders

    path = folders.find(model, models, "saved model")
    server.require_bokeh()
    if target:
        pictures.refuse_existing(target, overwrite, "export")
    listening = None if target else server.Server(host, port)
    dataset = folders.dataset_of(path, None, data_dir, output.progress)

    from kvae.explore.explorer import Explorer
    from kvae.runs import saved_models

    explorer = Explorer(path.name, saved_models.load(path), dataset, output.steps)
    if target:
        from kvae.explore.export import export

        export(explorer, target)
        output.line(f"{path.name} in {target}")
    elif listening:
        from kvae.explore import page

        if not listening.is_private:
            click.echo("Note: whoever reaches this machine can open the page.", err=True)
        output.line(f"{path.name} at {listening.address} until Ctrl-C")
        with signals.until_interrupted():
            page.serve(explorer, listening)
