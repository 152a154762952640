"""The options of an autoregressive model of pixels, the rules between them, and its recipe."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kvae.config import Config, Facts
from kvae.config.fields import check, option, require
from kvae.models import averages

MOST_LAYERS = 100
"""The largest number of gated layers: more would take hours to compile."""
LEVELS = 256
"""The number of levels of 8-bit pixels."""
MANY_IMAGES = 10_000
"""With fewer training images than this, the network would soon learn them by heart."""
AVERAGED_STEPS = 1000
"""Weights are averaged over about so many steps, or over a fiftieth of a shorter training."""


@dataclass(frozen=True)
class ModelConfig:
    """The masked network, and the values that a pixel can have.

    Attributes:
        image_shape: Height, width, channels.
        layers: Number of gated layers.
        filters: Features of each of the two stacks.
        dropout: Share of features that are dropped in training (Srivastava et al., 2014).
        pixel_levels: The number of levels of a pixel: 2 of binarized images, and 256 of others.
    """

    image_shape: tuple[int, int, int]
    layers: int = option(8, least=1, most=MOST_LAYERS, help="Gated layers of the masked network.")
    filters: int = option(32, least=1, help="Features of each stack of the masked network.")
    dropout: float = option(
        0.0, least=0, below=1, help="Share of features that are dropped in training."
    )
    pixel_levels: int = option(LEVELS, least=2, most=LEVELS, offered=False)

    def __post_init__(self) -> None:
        check(self)
        require(
            len(self.image_shape) == 3 and min(self.image_shape) >= 1,
            f"image_shape is a height, a width and channels, got {self.image_shape}",
        )
        require(
            self.pixel_levels in (2, LEVELS),
            f"pixel_levels must be 2 or {LEVELS}, got {self.pixel_levels}",
        )

    @property
    def label(self) -> str:
        """The end of the names of runs."""
        return "pixel"

    @property
    def summary(self) -> str:
        """The network in a few words."""
        height, width, channels = self.image_shape
        pixels = f"{height}x{width}" + (f"x{channels}" if channels > 1 else "")
        kind = "binary pixels" if self.pixel_levels == 2 else f"pixels of {LEVELS} levels"
        return f"{pixels}, {kind}, {self.layers} gated layers of {self.filters} filters"


@dataclass(frozen=True)
class ObjectiveConfig:
    """What training maximises: the log-likelihood, which has no options."""

    @property
    def copies(self) -> int:
        """How many copies of each image a step works on."""
        return 1

    @property
    def summary(self) -> str:
        """What training maximises, in a few words."""
        return "log-likelihood"


def check_together(config: Config) -> None:
    """Refuse options of different parts of a configuration that do not go together.

    Args:
        config: The configuration of a model of pixels.

    Raises:
        UsageError: Two options do not go together.
    """
    data, levels = config.data, config.model.pixel_levels
    require(not data.numbers, "the pixel family is of pixels, but the data are real numbers")
    require(
        (levels == 2) == (data.binarize != "none"),
        f"binarized pixels have 2 levels and others {LEVELS}, got pixel_levels={levels} with "
        f"binarize {data.binarize!r}",
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
        "binarize": "dynamic" if facts.kind == "binary" or facts.two_levels() else "none",
        "dropout": 0.0 if many else 0.2,
        "optimizer": "adam",
        "learning_rate": 0.003 if many else 0.002,
        "schedule": "cosine",
        "clip_norm": 1.0,
        "batch_size": 32,
        "epochs": max(10, min(200, round(3000 / math.sqrt(facts.train_images)))),
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
    steps = both["epochs"] * -(-facts.train_images // both["batch_size"])
    return own | {
        "pixel_levels": LEVELS if both["binarize"] == "none" else 2,
        # No training stops early, but the weights of the best epoch are kept.
        "patience": both["epochs"],
        "weight_average": averages.decay(steps, AVERAGED_STEPS),
    }
