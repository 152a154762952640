"""The recipe of adversarial networks: options for a dataset, by name."""

import math
from collections.abc import Mapping
from typing import Any

from kvae.config import Facts
from kvae.models import averages
from kvae.models.vae.config import FASTER_WITH_XLA

NETWORKS: Mapping[str, dict[str, Any]] = {
    "conv": {"network": "conv", "hidden": (256,), "discriminator_steps": 2},
    "mlp": {"network": "mlp", "hidden": (512, 512), "discriminator_steps": 5},
}
"""Without a dense layer, a convolutional generator of a single stage would be nearly linear. With
fewer steps of the discriminator, the coverage falls again after some dozens of epochs."""
SMALLEST_MAPS = 8
"""The shortest side of images for which convolutions are chosen."""
MOST_DENSE = 256
"""A few images that have no more numbers than this have no convolutions."""
MANY_IMAGES = 10_000
"""Of so many images, dense layers leave out most."""
WASSERSTEIN = {"gradient_penalty": 10.0, "discriminator_steps": 5}
"""What Gulrajani et al. (2017) have in Algorithm 1."""
COMPONENTS, COMPONENTS_OF_MANY = 50, 100
"""Gaussians of the prior. With N(0, I), the generator leaves out more kinds of images."""
PENALTY, PENALTY_NUMBERS = 0.3, 784
"""The weight of the penalty for images of so many numbers or fewer. For larger ones it grows with
the numbers (as in Karras et al., 2020, Appendix C): the more pixels take part in telling images
apart, the smaller is the gradient by each of them."""
AVERAGED_STEPS = 500
"""The generator's weights are averaged over about so many steps, or over a twentieth of a shorter
training."""


def recipe(name: str, facts: Facts) -> dict[str, Any]:
    """The options for a dataset, by name. All recipes have the same.

    Args:
        name: The name of the recipe.
        facts: What is known about the images.
    """
    height, width, channels = facts.image_shape
    numbers = height * width * channels
    images = facts.train_images
    many = images >= MANY_IMAGES
    maps = (many or numbers > MOST_DENSE) and min(height, width) >= SMALLEST_MAPS
    return NETWORKS["conv" if maps else "mlp"] | {
        "latent": min(32, max(2, round(math.sqrt(numbers) / 2))),
        "prior": "mixture",
        "components": COMPONENTS_OF_MANY if many else COMPONENTS,
        "gradient_penalty": round(PENALTY * max(1.0, numbers / PENALTY_NUMBERS), 2),
        # With the momentum of Adam's defaults the two networks circle each other (Mescheder et al.,
        # 2018).
        "optimizer": "adam-no-momentum",
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "batch_size": 128 if many else 32,
        "epochs": max(10, min(400, round((4500 if many else 10_000) / math.sqrt(images)))),
    }


def adjust(own: dict[str, Any], chosen: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Add the options that depend on others to those of the recipe.

    Args:
        own: The recipe's options, by name.
        chosen: The options that a person chose, by name.
        facts: What is known about the images.
    """
    both = {**own, **chosen}
    adjusted = own | NETWORKS.get(both["network"], {})
    if both.get("loss") == "wasserstein":
        adjusted |= WASSERSTEIN
    if both["prior"] == "standard":
        del adjusted["components"]
    steps = both["epochs"] * -(-facts.train_images // both["batch_size"])
    return adjusted | {
        "jit": both["network"] in FASTER_WITH_XLA,
        # No training stops early, but the weights of the best epoch are kept.
        "patience": both["epochs"],
        "weight_average": averages.decay(steps, AVERAGED_STEPS, share=20),
    }
