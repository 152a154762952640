"""What a family of models says of itself before any of its models is built."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kvae import registry
from kvae.config.fields import Option, options
from kvae.metrics import Metric

if TYPE_CHECKING:
    from kvae.config.configuration import Config

RECIPES = ("reference", "paper", "best")
"""`reference` is the report that kvae re-implements, `paper` is Kingma & Welling (2014), Section 5,
and `best` is what did best on validation images."""


class Facts(NamedTuple):
    """What a recipe knows of the images.

    Attributes:
        name: The dataset's name.
        kind: `binary`, `grey` or `colour`, as in `kvae.data.Dataset.kind`.
        train_images: Number of training images.
        image_shape: Height, width, channels.
    """

    name: str
    kind: str
    train_images: int
    image_shape: tuple[int, int, int]


class ModelConfig(Protocol):
    """What the rest of kvae asks of a family's model configuration, which is a frozen dataclass."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""

    @property
    def label(self) -> str:
        """What names of runs end with, such as `z5`."""

    @property
    def summary(self) -> str:
        """The networks and distributions in half a line."""


class ObjectiveConfig(Protocol):
    """What the rest of kvae asks of a family's objective, which is a frozen dataclass."""

    @property
    def copies(self) -> int:
        """How many copies of each image a step works on, such as importance samples."""

    @property
    def summary(self) -> str:
        """What training optimises, in a few words."""


@dataclass(frozen=True)
class Family:
    """A family of models: its options, their rules, its recipes, and how a model is built.

    Nothing here needs TensorFlow.

    Attributes:
        description: What the models are, in half a line.
        model: Dataclass of the networks and distributions; see `ModelConfig`.
        objective: Dataclass of what training optimises; see `ObjectiveConfig`.
        metrics: What training and evaluation report, in the order of tables and plots.
        build: `module:function` from a `Config`, and training images or None, to a new model.
        recipe: From the name of a recipe and `Facts` to options by name.
        adjust: From a recipe's options, and those that were chosen in their place, to the recipe's
            options that still make sense.
        check: Raises a `UsageError` where parts of a configuration do not go together.
        reasons: Sentences on what was chosen because of the images, from the configuration, the
            facts, and the names of the options that were given.
        not_of_weights: Fields of `model` on which neither number nor meaning of weights depends.
    """

    description: str
    model: type[Any]
    objective: type[Any]
    metrics: tuple[Metric, ...]
    build: str
    recipe: Callable[[str, Facts], dict[str, Any]]
    adjust: Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]] = lambda own, _: own
    check: Callable[["Config"], None] = lambda config: None
    reasons: Callable[["Config", Facts, Collection[str]], list[str]] = lambda *_: []
    not_of_weights: frozenset[str] = frozenset()

    @property
    def options(self) -> dict[str, Option]:
        """The options of this family alone, by name."""
        return options(self.model) | options(self.objective)

    @property
    def fields(self) -> dict[str, tuple[str, ...]]:
        """Names of the fields of both dataclasses, `model` and `objective`."""
        parts = {"model": self.model, "objective": self.objective}
        return {
            part: tuple(field.name for field in dataclasses.fields(cls))
            for part, cls in parts.items()
        }


def family(name: str) -> Family:
    """The family of a name in `kvae.registry.MODELS`.

    Raises:
        UsageError: There is no such family.
    """
    return registry.resolve(registry.MODELS, name)
