"""Options and types of options that several subcommands share."""

import dataclasses
import re
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kvae import registry
from kvae.config import RECIPES, DataConfig, TrainingConfig, family
from kvae.config.fields import Option, hints
from kvae.config.fields import options as options_of
from kvae.runs.folders import MODELS, RUNS
from kvae_cli import output


class Folder(click.Path):
    """The path of a folder, which need not exist."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the name of the folder is empty: leave the option, or name one.", param)
        return super().convert(value, param, ctx)


FOLDER = Folder()
LARGEST = 10**9
"""The largest count that options take: TensorFlow counts with 32 bits."""
MOST_JOBS = 1000

runs = click.option(
    "--runs", type=FOLDER, default=RUNS, show_default=True, help="Folder of the runs."
)
models = click.option(
    "--models", type=FOLDER, default=MODELS, show_default=True, help="Folder of the saved models."
)
data_dir = click.option(
    "--data-dir",
    type=FOLDER,
    envvar="TFDS_DATA_DIR",
    help="Folder of TensorFlow Datasets.  [default: $TFDS_DATA_DIR or ~/tensorflow_datasets]",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
overwrite = click.option("--overwrite", is_flag=True, help="Replace what has the same name.")
importance_samples = click.option(
    "--importance-samples",
    type=click.IntRange(1, LARGEST),
    default=500,
    show_default=True,
    help="Samples of z for each image, for the importance-weighted bound on log p(x).",
)
seed = click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="Decides all random numbers.",
)

recipe = click.option(
    "--recipe",
    type=click.Choice(RECIPES),
    help="The recipe, which sets the options that are not given.  [default: that of the family, "
    "such as reference for the digits, MNIST and the Frey Faces, and own for other images]",
)
jit = click.option(
    "--jit/--no-jit",
    default=None,
    help="Compile with XLA or not.  [default: what is faster for the network]",
)
model_family = click.option(
    "--family",
    type=click.Choice(list(registry.MODELS)),
    help="Family of models.  [default: vae, or that of --start-from]",
)


def jobs(default: int) -> Callable[[Any], Any]:
    """An option for the number of runs that are trained at the same time.

    Args:
        default: The default number.
    """
    return click.option(
        "--jobs",
        type=click.IntRange(1, MOST_JOBS),
        default=default,
        show_default=True,
        help="Runs that are trained at the same time.",
    )


def of_configuration(command: click.Command) -> click.Command:
    """Give a command an option for each field of the configurations of all families.

    They follow the option `--family`. If some families do not have an option, its help says so.

    Args:
        command: A command with the option `--family`.
    """
    place = [param.name for param in command.params].index("family") + 1
    command.params[place:place] = [
        _as_option(name, hint, option, families)
        for name, (hint, option, families) in _configuration_options().items()
    ]
    return command


def _configuration_options() -> dict[str, tuple[Any, Option, set[str]]]:
    """The type, the rules and the families of each field by name."""
    found: dict[str, tuple[Any, Option, set[str]]] = {}
    for name in registry.MODELS:
        parts = family(name).model, family(name).objective, DataConfig, TrainingConfig
        for part in parts:
            for field, option in options_of(part).items():
                if option.offered and field != "seed":
                    found.setdefault(field, (hints(part)[field], option, set()))[2].add(name)
    return found


def _default(name: str) -> Any:
    """The default of a field that neither a person nor a recipe sets; None if there is none."""
    for model in registry.MODELS:
        for part in family(model).model, family(model).objective, DataConfig, TrainingConfig:
            for field in dataclasses.fields(part):
                if field.name == name and field.default is not dataclasses.MISSING:
                    return field.default
    return None


def _as_option(name: str, hint: Any, option: Option, families: set[str]) -> click.Option:
    words = [option.help]
    if option.needs:
        shown = [output.spoken(f"`{need}`") for need in option.needs]
        words.append(f"Needs {' or '.join(shown)}.")
    if len(families) < len(registry.MODELS):
        words.append(f"Only with --family {' or '.join(sorted(families))}.")
    default = _default(name)
    if default and hint is not bool:
        words.append(f" [default: {default}]")
    text = " ".join(word for word in words if word)
    declaration = f"--{name.replace('_', '-')}"
    if hint is bool:
        return click.Option([declaration], is_flag=True, default=None, help=text)
    return click.Option(
        [declaration], type=_type(hint, option), metavar=option.metavar, help=text, default=None
    )


def _type(hint: Any, option: Option) -> click.ParamType:
    """The type of a command-line option that takes what a field takes."""
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    if isinstance(hint, types.UnionType):
        hint = kinds[0]
    if option.choices is not None:
        return click.Choice(list(option.choices))
    if typing.get_origin(hint) is tuple:
        return IntegerList()
    if hint is int:
        least = None if option.least is None else int(option.least)
        return click.IntRange(min=least)
    if hint is float:
        return click.FloatRange(
            min=option.least if option.above is None else option.above,
            min_open=option.above is not None,
            max=option.below if option.below is not None else float("inf"),
            max_open=True,
        )
    return click.STRING


class IntegerList(click.ParamType):
    """Whole numbers of 1 or more, separated by commas."""

    name = "N,N,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        # Python's conversion takes very long for very long numbers, which nobody needs.
        if not re.fullmatch(r"[1-9]\d{0,17}(,[1-9]\d{0,17})*", value):
            self.fail(f"{value!r:.80} is not whole numbers of 1 or more with commas between.")
        return tuple(map(int, value.split(",")))


class ImageSize(click.ParamType):
    """Height and width as HEIGHTxWIDTH."""

    name = "HEIGHTxWIDTH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", value)
        if not match:
            self.fail(f"{value!r} is not HEIGHTxWIDTH in pixels, such as 28x20.", param)
        return int(match[1]), int(match[2])


class OutputFile(click.ParamType):
    """The path of a file that will be written, with one of some suffixes.

    Args:
        suffixes: The allowed suffixes, such as `.png`.
    """

    name = "FILE"

    def __init__(self, *suffixes: str) -> None:
        self.suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.suffix.lower() not in self.suffixes:
            self.fail(f"{value!r} must end in {' or '.join(self.suffixes)}.", param)
        if path.is_dir():
            self.fail(f"{value!r} is a folder.", param)
        return path
