"""The `kvae` command, whose subcommands are imported when they are called."""

import importlib
from typing import Any

import click

from kvae import __version__
from kvae.errors import KvaeError, UsageError
from kvae_cli import startup

COMMANDS = {
    "train": "kvae_cli.train:train",
    "sweep": "kvae_cli.sweep:sweep",
    "reproduce": "kvae_cli.reproduce:reproduce",
    "fit-prior": "kvae_cli.fit_prior:fit_prior",
    "sample": "kvae_cli.sample:sample",
    "evaluate": "kvae_cli.evaluate:evaluate",
    "reconstruct": "kvae_cli.reconstruct:reconstruct",
    "figures": "kvae_cli.figures:figures",
    "compare": "kvae_cli.compare:compare",
    "list": "kvae_cli.listing:listing",
    "export": "kvae_cli.export:export",
    "data": "kvae_cli.data:data",
}


class LazyGroup(click.Group):
    """A group whose help needs no more than its subcommands' own, light files."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        return getattr(importlib.import_module(module), attribute)

    def invoke(self, ctx: click.Context) -> Any:
        """Turn what is wrong outside the program into one line and an exit code."""
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise _failure(error, 2) from error
        except KvaeError as error:
            raise _failure(error, 1) from error
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise _failure(error, 1) from error


def _failure(error: Exception, code: int) -> click.ClickException:
    kind = type("Failure", (click.ClickException,), {"exit_code": code})
    return kind(" ".join(str(error).split()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kvae")
def cli() -> None:
    """Train variational autoencoders, look at what they learned, and keep them.

    Begin with: kvae train
    """
    startup.install()


def main() -> None:
    """Run the command line."""
    cli(prog_name="kvae")


if __name__ == "__main__":
    main()
