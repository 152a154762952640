"""The recipes of hierarchical variational autoencoders: options for a dataset, by name."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from kvae.config import Facts
from kvae.errors import UsageError
from kvae.models.hierarchical.config import ModelConfig, ObjectiveConfig
from kvae.models.vae import config as flat_config
from kvae.models.vae import recipes as flat_recipes

RECIPES = ("best", "own")
"""The recipes that there are; the others are of results with a flat model."""
UPPER_SHARE = 0.8
"""The number of latents of the upper level, as a share of those of the level below it."""
WARMUP_SHARE = 0.2
"""Epochs in which the weight of the KL rises, as a share of all epochs. Without this, upper levels
are switched off before they have become useful (Sønderby et al., 2016)."""
UNITS = (256,)
"""The hidden layers between levels that are next to convolutions. Beside these there is none, as in
the flat model: with one there, models of letters ignored most of their latents."""
_MNIST = {"network": "mlp", "hidden": (500,), "epochs": 150}
_FREY = {"levels": (5, 10), "kl_warmup": 40}
BEST: Mapping[str, Mapping[str, Any]] = {
    "mnist": _MNIST,
    "tfds:mnist": _MNIST,
    "frey": _FREY,
    "frey/blocks": _FREY,
}
"""What `best` has on a dataset instead of what the flat model's options lead to;
docs/recipes/hierarchical.md says how it was found. MNIST has no convolutions, because with levels
an epoch of them takes four times as long; that page has the options of a better model with them."""
_FIELDS = {
    field.name for part in (ModelConfig, ObjectiveConfig) for field in dataclasses.fields(part)
}
_OF_FLAT = {
    field.name
    for part in (flat_config.ModelConfig, flat_config.ObjectiveConfig)
    for field in dataclasses.fields(part)
}


def recipe(name: str, facts: Facts) -> dict[str, Any]:
    """The options of a recipe for a dataset, by name: two levels, and else those of the flat model.

    The bound is the ELBO, whose KL rises to its full weight. Networks of dense layers have one of
    them: with two, images put little information into the top level, whose prior is the best one.

    Args:
        name: `best` has the networks that did best as those of flat models, and `own` chooses by
            the facts.
        facts: What is known about the images.

    Raises:
        UsageError: The recipe is of results with a flat model.
    """
    if name not in RECIPES:
        raise UsageError(
            f"recipe {name!r} is of results with a flat model: choose {' or '.join(RECIPES)}, or "
            "`family=vae`"
        )
    options = flat_recipes.recipe(name, facts)
    if name == "best":
        options |= BEST.get(facts.name, {})
    if options.get("network") != "conv":
        options["hidden"] = options["hidden"][:1]
    elif not options["hidden"]:
        options["level_hidden"] = UNITS
    lower = max(2, options["latent"])
    options.setdefault("levels", (lower, max(1, round(UPPER_SHARE * lower))))
    options.setdefault("kl_warmup", round(WARMUP_SHARE * options["epochs"]))
    options |= {"bound": "elbo", "importance_samples": 1, "doubly_reparameterized": False}
    return {key: value for key, value in options.items() if key in _FIELDS or key not in _OF_FLAT}


def default(facts: Facts) -> str:
    """The name of the recipe that a dataset is trained with if a person names none.

    Args:
        facts: What is known about the images.
    """
    return "best" if flat_recipes.is_known(facts.name) else "own"


def adjust(own: dict[str, Any], chosen: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Adjust a recipe's options to those that a person chose, and add `jit` if it is missing.

    Args:
        own: The recipe's options, by name.
        chosen: The options that a person chose, by name.
        facts: What is known about the images.

    Returns:
        The recipe's options, and `jit`, without those that the chosen options do not go together
        with.
    """
    adjusted = flat_config.adjust(own, chosen, facts)
    if "hidden" not in chosen and {**adjusted, **chosen}.get("network") != "conv":
        adjusted["hidden"] = adjusted["hidden"][:1]
    if "hidden" in chosen or adjusted["hidden"]:
        adjusted.pop("level_hidden", None)
    if "epochs" in chosen:
        share = own["kl_warmup"] / own["epochs"]
        adjusted["kl_warmup"] = round(share * chosen["epochs"])
    if chosen.get("level_warmup"):
        adjusted["kl_warmup"] = 0
    return adjusted
