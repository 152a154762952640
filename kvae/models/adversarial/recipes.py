"""The recipe of adversarial networks: options for a dataset, by name."""

import math
from collections.abc import Mapping
from typing import Any

from kvae.config import Facts
from kvae.models.vae.config import FASTER_WITH_XLA
from kvae.models.vae.recipes import NETWORKS, SMALLEST_MAPS

AVERAGED_STEPS = 500
"""The generator's weights are averaged over about so many steps, or over a twentieth of a shorter
training."""
WASSERSTEIN = {"discriminator_steps": 5, "gradient_penalty": 10.0}
"""What the Wasserstein loss needs (Gulrajani et al., 2017, Algorithm 1)."""
MANY_IMAGES = 10_000


def recipe(name: str, facts: Facts) -> dict[str, Any]:
    """The options for a dataset, by name. All recipes have the same.

    Networks and latents are those of the recipe `own` of a VAE.

    Args:
        name: The name of the recipe.
        facts: What is known about the images.
    """
    height, width, channels = facts.image_shape
    return NETWORKS["conv" if min(height, width) >= SMALLEST_MAPS else "mlp"] | {
        "latent": min(32, max(2, height * width * channels // 16)),
        # With the momentum of Adam's defaults the two networks circle each other. RMSprop has none
        # (Mescheder et al., 2018).
        "optimizer": "rmsprop",
        "learning_rate": 5e-4,
        "schedule": "cosine",
        "batch_size": 128 if facts.train_images >= MANY_IMAGES else 64,
        "epochs": max(10, min(400, round(6000 / math.sqrt(facts.train_images)))),
    }


def adjust(own: dict[str, Any], chosen: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Add the options that depend on others to those of the recipe.

    Args:
        own: The recipe's options, by name.
        chosen: The options that a person chose, by name.
        facts: What is known about the images.
    """
    adjusted, both = dict(own), {**own, **chosen}
    if not own["hidden"] and both["network"] in NETWORKS:
        # Without a hidden layer, a multilayer network would be linear.
        adjusted |= NETWORKS[both["network"]]
    if both.get("loss") == "wasserstein":
        adjusted |= WASSERSTEIN
    steps = both["epochs"] * -(-facts.train_images // both["batch_size"])
    return adjusted | {
        "jit": both["network"] in FASTER_WITH_XLA,
        # No training stops early, but the weights of the best epoch are kept.
        "patience": both["epochs"],
        "weight_average": round(max(0.0, 1 - max(1 / AVERAGED_STEPS, 20 / steps)), 4),
    }
