"""Variational autoencoders with levels of latents, the upper ones deciding what the lower mean.

The top level has a prior as the flat model has, and each level below is a Gaussian given the levels
above. The latents of a level below the top are counted in the standard deviations of that Gaussian,
from its mean. In these units all levels are independent under the prior, and each posterior is an
offset from its prior.
"""

from kvae.config import Family
from kvae.metrics import Metric
from kvae.models.hierarchical import config, recipes

METRICS = (
    Metric("elbo", "ELBO", higher_is_better=True),
    Metric("reconstruction", "reconstruction", higher_is_better=True),
    Metric("kl", "KL"),
    *(Metric(config.kl_name(level), f"KL of level {level}") for level in config.LEVELS),
    Metric("active_units", "active units", unit=""),
)

FAMILY = Family(
    description="variational autoencoders with levels of latents",
    model=config.ModelConfig,
    objective=config.ObjectiveConfig,
    metrics=METRICS,
    build="kvae.models.hierarchical.build:build",
    recipe=recipes.recipe,
    default_recipe=recipes.default,
    adjust=recipes.adjust,
    check=config.check_together,
    not_of_weights=frozenset({"dropout", "class_counts"}),
)
