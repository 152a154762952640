"""The `kvae` command, whose subcommands are imported when they are called."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import IO, Any

import click

from kvae import __version__
from kvae.errors import Interrupted, KvaeError, UsageError, first_line
from kvae_cli import compiled, next_steps, output, signals, startup

COMMANDS = {
    "train": "kvae_cli.train:train",
    "sweep": "kvae_cli.sweep:sweep",
    "reproduce": "kvae_cli.reproduce:reproduce",
    "fit-prior": "kvae_cli.fit_prior:fit_prior",
    "sample": "kvae_cli.sample:sample",
    "evaluate": "kvae_cli.evaluate:evaluate",
    "reconstruct": "kvae_cli.reconstruct:reconstruct",
    "encode": "kvae_cli.encode:encode",
    "score": "kvae_cli.score:score",
    "interpolate": "kvae_cli.interpolate:interpolate",
    "nearest": "kvae_cli.nearest:nearest",
    "explore": "kvae_cli.explore:explore",
    "figures": "kvae_cli.figures:figures",
    "compare": "kvae_cli.compare:compare",
    "list": "kvae_cli.listing:listing",
    "export": "kvae_cli.export:export",
    "data": "kvae_cli.data:data",
}

# Of click 8.2; the message is a page of help.
_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())
LONGEST = 1000
"""Letters of an error's message, at most."""


class LazyGroup(click.Group):
    """A group whose help needs no more than its subcommands' own, light files."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        return getattr(importlib.import_module(module), attribute)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """As click does, with what is wrong on one line."""
        with _one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Turn what is wrong outside the program into one line and an exit code."""
        with _one_line():
            return super().invoke(ctx)


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        if isinstance(error, _HELP):
            raise
        # What was typed may hold anything, and click repeats it.
        error.message = _line(error.message)  # type: ignore[misc]
        raise
    except Interrupted as error:
        raise _Failure(str(error), 128 + error.signal) from error
    except UsageError as error:
        raise _Failure(str(error), 2) from error
    except KvaeError as error:
        if _is_tensorflows(error.__cause__):
            compiled.forget()
        raise _Failure(str(error), 1) from error
    except MemoryError as error:
        raise _Failure(f"there is not enough memory: {error or 'ask for less'}", 1) from error
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise _Failure(_told(error), 1) from error
    except Exception as error:
        if not _is_tensorflows(error):
            raise
        compiled.forget()
        raise _Failure(f"TensorFlow failed: {first_line(error)}", 1) from error


def _is_tensorflows(error: BaseException | None) -> bool:
    """Whether it is an error of the machine that TensorFlow reports, memory above all."""
    # Where it was not imported, it did not fail.
    tf = sys.modules.get("tensorflow")
    return tf is not None and isinstance(error, tf.errors.OpError)


def _told(error: OSError) -> str:
    if error.filename is None or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}"


class _Failure(click.ClickException):
    """One line, and an exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(_line(message))
        self.exit_code = code  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Say it, unless the terminal has gone away: the exit code still counts."""
        try:
            super().show(file)
        except OSError:
            output.leave_terminals()


def _line(text: str) -> str:
    text = output.spoken(output.printable(" ".join(text.split())))
    # What is wrong mostly stands at the end, behind a name.
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="kvae")
@click.pass_context
def cli(context: click.Context) -> None:
    """Train variational autoencoders, look at what they learned, and keep them.

    Begin with: kvae train
    """
    # Names of files may be no text, and are printed all the same.
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    startup.install()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        next_steps.show_newest()


def main() -> None:
    """Run the command line."""
    signals.listen()
    cli(prog_name="kvae")


if __name__ == "__main__":
    main()
