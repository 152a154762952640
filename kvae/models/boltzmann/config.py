"""The options of a Boltzmann machine, the rules between them, and its recipe."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from kvae.config import Config, Facts
from kvae.config.fields import check, option, require
from kvae.models import averages

MOST_LAYERS = 10
"""The largest number of hidden layers: nobody has trained more together."""
MANY_IMAGES = 10_000
"""With fewer training images than this, batches are smaller."""
LEARNING_RATE = 120
"""The product of learning rate and number of pixels: with much more, chains do not follow."""
AVERAGED_STEPS = 1000
"""Weights are averaged over about so many steps, or over a fiftieth of a shorter training."""


@dataclass(frozen=True)
class ModelConfig:
    """The layers of units, each of which is coupled to the next.

    Attributes:
        image_shape: Height, width, channels.
        hidden: Units of the hidden layers, from the image upwards. One layer is a restricted
            Boltzmann machine, and more are a deep one.
    """

    image_shape: tuple[int, int, int]
    hidden: tuple[int, ...] = option((500,), help="Units of the hidden layers.")

    def __post_init__(self) -> None:
        check(self)
        require(
            len(self.image_shape) == 3 and min(self.image_shape) >= 1,
            f"image_shape is a height, a width and channels, got {self.image_shape}",
        )
        require(
            1 <= len(self.hidden) <= MOST_LAYERS and min(self.hidden) >= 1,
            f"hidden has 1 to {MOST_LAYERS} layers, each of 1 unit or more, got "
            f"{','.join(map(str, self.hidden)) or 'none'}",
        )

    @property
    def units(self) -> tuple[int, ...]:
        """The number of units of each layer, from the pixels upwards."""
        return (math.prod(self.image_shape), *self.hidden)

    @property
    def label(self) -> str:
        """The end of the names of runs, such as `rbm500` or `dbm500-1000`."""
        kind = "rbm" if len(self.hidden) == 1 else "dbm"
        return kind + "-".join(map(str, self.hidden))

    @property
    def summary(self) -> str:
        """The layers in a few words."""
        height, width, channels = self.image_shape
        pixels = f"{height}x{width}" + (f"x{channels}" if channels > 1 else "")
        kind = "restricted" if len(self.hidden) == 1 else "deep"
        layers = " - ".join([pixels, *map(str, self.hidden)])
        return f"{layers}, a {kind} Boltzmann machine"


@dataclass(frozen=True)
class ObjectiveConfig:
    """How the gradient of log p(x) is estimated.

    Attributes:
        chains: Number of persistent Gibbs chains (Tieleman, 2008).
        gibbs_steps: Gibbs steps of each chain before each change of the weights.
        layer_epochs: So many epochs train each layer of a deep machine alone, one after the other
            (Salakhutdinov & Hinton, 2009, Section 3.1), and the others train all together. It is 0
            of a restricted machine.
    """

    chains: int = option(100, least=1, help="Persistent Gibbs chains.")
    gibbs_steps: int = option(
        5, least=1, metavar="STEPS", help="Gibbs steps before each change of the weights."
    )
    layer_epochs: int = option(
        0,
        least=0,
        metavar="EPOCHS",
        help="A deep machine first trains each layer alone for so many epochs.",
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def copies(self) -> int:
        """How many copies of each image a step works on."""
        return 1

    @property
    def summary(self) -> str:
        """What training maximises, in a few words."""
        start = "layer by layer, then " if self.layer_epochs else ""
        return f"{start}persistent contrastive divergence"


def check_together(config: Config) -> None:
    """Refuse options of different parts of a configuration that do not go together.

    Args:
        config: The configuration of a Boltzmann machine.

    Raises:
        UsageError: Two options do not go together.
    """
    data, training = config.data, config.training
    layers, each = len(config.model.hidden), config.objective.layer_epochs
    require(not data.numbers, "the boltzmann family is of pixels, but the data are real numbers")
    require(
        data.binarize != "none",
        "the boltzmann family is of black and white pixels: choose `binarize=threshold` or "
        "`binarize=dynamic`",
    )
    require(
        layers > 1 or not each,
        f"layer_epochs must be 0 with one hidden layer, which is trained alone, got {each}",
    )
    require(
        layers * each < training.epochs,
        f"layer_epochs must leave some of {training.epochs} epochs for all {layers} layers "
        f"together, got {each} for each layer",
    )
    require(
        not each or training.patience is None or training.patience >= training.epochs,
        f"patience must be at least all epochs, {training.epochs}, got {training.patience}: it "
        "could end the training before the layers are trained together",
    )


def recipe(name: str, facts: Facts) -> dict[str, Any]:
    """The options for a dataset, by name. All recipes have the same.

    Args:
        name: The name of the recipe.
        facts: What is known about the images.
    """
    many = facts.train_images >= MANY_IMAGES
    return {
        # Where there are two levels only, it leaves them as they are.
        "binarize": "dynamic",
        "hidden": (500,) if many else (100,),
        "optimizer": "sgd",
        "learning_rate": round(min(0.3, LEARNING_RATE / math.prod(facts.image_shape)), 4),
        "schedule": "cosine",
        "batch_size": 100 if many else 20,
        "epochs": max(20, min(150, round(12_000 / math.sqrt(facts.train_images)))),
        "jit": False,
    }


def adjust(own: dict[str, Any], chosen: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Add the options that depend on others to those of the recipe.

    Args:
        own: The recipe's options, by name.
        chosen: The options that a person chose, by name.
        facts: What is known about the images.
    """
    both = {**own, **chosen}
    together = max(1, both["epochs"] - len(both["hidden"]) * both.get("layer_epochs", 0))
    steps = together * -(-facts.train_images // both["batch_size"])
    return own | {
        # No training stops early, but the weights of the best epoch are kept.
        "patience": both["epochs"],
        "weight_average": averages.decay(steps, AVERAGED_STEPS),
    }


def reasons(config: Config, facts: Facts, given: Collection[str]) -> list[str]:
    """A sentence that says how grey pixels become black or white, if no person chose it.

    Args:
        config: The configuration.
        facts: What the recipe knew about the images.
        given: Names of the options that a person gave.
    """
    if "binarize" in given or facts.two_levels():
        return []
    return ["The pixels are grey: each is made white with its grey level as the probability."]
