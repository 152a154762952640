"""The recipe of quantized autoencoders: options for a dataset, by name."""

import math
from collections.abc import Mapping
from typing import Any

from kvae.config import Facts
from kvae.models.quantized.config import stages

MANY_IMAGES = 10_000
"""With fewer training images than this, the prior would soon learn them by heart."""
SHARE_OF_MANY, SHARE_OF_FEW = 1 / 2, 5 / 6
"""The share of the epochs that train the autoencoder, with many images and with few: the prior
learns the codes of few images in some ten epochs, while the autoencoder takes hundreds."""
NOISY_MAP, NOISY_CODES, NOISY_LEVELS = 4, 64, (4, 4, 4)
"""The shorter side of a map of codes, and the codes, of pixels that are drawn at random in each
epoch: with more of either, codes tell the random pixels, which no prior can predict."""


def recipe(name: str, facts: Facts) -> dict[str, Any]:
    """The options for a dataset, by name. All recipes have the same.

    Args:
        name: The name of the recipe.
        facts: What is known about the images.
    """
    many = facts.train_images >= MANY_IMAGES
    binary = facts.kind == "binary" or facts.two_levels()
    return {
        # Under a discretized logistic, whose tails are heavy, what only few images show costs
        # little, and models left it out: the pointers of dials, in all of their reconstructions.
        "likelihood": "bernoulli" if binary else "normal-pixelwise",
        # Where there are two levels only, it leaves them as they are.
        "binarize": "dynamic" if binary else "none",
        "filters": 64,
        "dropout": 0.0 if many else 0.5,
        "code_temperature": 0.0 if many else 0.25,
        "optimizer": "adam",
        "learning_rate": 0.002,
        "schedule": "cosine",
        "clip_norm": 1.0,
        "batch_size": 64 if many else 32,
        "epochs": max(
            20, min(600, round((6000 if many else 12_000) / math.sqrt(facts.train_images)))
        ),
        "jit": False,
    }


def adjust(own: dict[str, Any], chosen: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Add the options that depend on others to those of the recipe.

    Args:
        own: The recipe's options, by name.
        chosen: The options that a person chose, by name.
        facts: What is known about the images.
    """
    adjusted = dict(own)
    both = {**own, **chosen}
    if both["binarize"] == "dynamic" and not facts.two_levels():
        adjusted |= {"codes": NOISY_CODES, "levels": NOISY_LEVELS}
        if both.get("network", "conv") == "conv":
            adjusted["channels"] = stages(facts.image_shape, NOISY_MAP)
    if chosen.get("binarize", "none") != "none":
        adjusted["likelihood"] = "bernoulli"
    elif chosen.get("likelihood", "bernoulli") != "bernoulli":
        adjusted["binarize"] = "none"
    epochs = both["epochs"]
    share = SHARE_OF_MANY if facts.train_images >= MANY_IMAGES else SHARE_OF_FEW
    return adjusted | {
        "autoencoder_epochs": max(1, int(share * epochs)),
        # No training stops early, but the weights of the best epoch are kept.
        "patience": epochs,
    }
