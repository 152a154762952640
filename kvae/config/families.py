"""What kvae needs to know about a family of models before any of its models is built."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kvae import registry
from kvae.config.fields import Option, options
from kvae.metrics import Metric

if TYPE_CHECKING:
    from kvae.config.configuration import Config
    from kvae.data.alignment import Linearity

RECIPES = ("reference", "paper", "best", "own")
"""`reference` is the report that kvae re-implements, `paper` is Kingma & Welling (2014), Section 5,
`best` is what did best on validation images, and `own` is for images that no recipe knows."""


class Facts(NamedTuple):
    """The facts about a dataset that a recipe uses.

    Attributes:
        name: The dataset's name.
        kind: The kind of its pixels: `binary`, `grey` or `colour`; `numbers` if it has no pixels,
            but real numbers.
        train_images: Number of training images.
        image_shape: Height, width, channels.
        two_levels: Returns whether every pixel is black or white.
        linearity: Returns how well PCA explains the images, and shifted ones:
            `kvae.data.Dataset.linearity`. This and `two_levels` are functions because they take up
            to a second, and few recipes ask.
    """

    name: str
    kind: str
    train_images: int
    image_shape: tuple[int, int, int]
    two_levels: Callable[[], bool]
    linearity: "Callable[[], Linearity]"


class ModelConfig(Protocol):
    """What kvae needs of a family's model configuration, which is a frozen dataclass."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""

    @property
    def label(self) -> str:
        """The end of the names of runs, such as `z5`."""

    @property
    def summary(self) -> str:
        """The networks and distributions in a few words."""


class ObjectiveConfig(Protocol):
    """What kvae needs of a family's objective, which is a frozen dataclass."""

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
        description: What the models are, in a few words.
        model: The dataclass of the networks and distributions. It meets `ModelConfig`.
        objective: The dataclass of what training optimises. It meets `ObjectiveConfig`.
        metrics: The metrics of training and evaluation, in the order of tables and plots.
        build: The name, `module:function`, of the function that builds a new model. Its arguments
            are a `Config`, and training images or None.
        recipe: The function from the name of a recipe and `Facts` to options by name.
        default_recipe: The function from `Facts` to the name of the recipe that is used if a person
            names none.
        adjust: The function that adjusts the options of a recipe. Its arguments are the recipe's
            options and those that a person chose, by name, and the `Facts`. It returns the recipe's
            options that go together with the chosen ones.
        check: Raises a `UsageError` if parts of a configuration do not go together.
        reasons: The function that explains in sentences which options were chosen because of the
            images. Its arguments are the configuration, the `Facts`, and the names of the options
            that a person gave.
        not_of_weights: The fields of `model` that change neither the number nor the meaning of the
            weights.
    """

    description: str
    model: type[Any]
    objective: type[Any]
    metrics: tuple[Metric, ...]
    build: str
    recipe: Callable[[str, Facts], dict[str, Any]]
    default_recipe: Callable[[Facts], str] = lambda _: "reference"
    adjust: Callable[[dict[str, Any], Mapping[str, Any], Facts], dict[str, Any]] = lambda own, *_: (
        own
    )
    check: Callable[["Config"], None] = lambda config: None
    reasons: Callable[["Config", Facts, Collection[str]], list[str]] = lambda *_: []
    not_of_weights: frozenset[str] = frozenset()

    @property
    def options(self) -> dict[str, Option]:
        """The options of this family alone, by name."""
        return options(self.model) | options(self.objective)

    @property
    def fields(self) -> dict[str, tuple[str, ...]]:
        """The names of the fields of both dataclasses, by `model` and `objective`."""
        parts = {"model": self.model, "objective": self.objective}
        return {
            part: tuple(field.name for field in dataclasses.fields(cls))
            for part, cls in parts.items()
        }


def family(name: str) -> Family:
    """Find a family by its name.

    Args:
        name: A name in `kvae.registry.MODELS`.

    Raises:
        UsageError: There is no such family.
    """
    return registry.resolve(registry.MODELS, name)
