"""Autoregressive models of pixels, without latents (van den Oord et al., 2016).

p(x) is the product of the distributions of each pixel, given those before it. log p(x) is therefore
known exactly.
"""

from kvae.config import Family
from kvae.metrics import Metric
from kvae.models.pixel import config

METRICS = (Metric("elbo", "log-likelihood", higher_is_better=True),)

FAMILY = Family(
    description="autoregressive models of pixels, without latents",
    model=config.ModelConfig,
    objective=config.ObjectiveConfig,
    metrics=METRICS,
    build="kvae.models.pixel.model:build",
    recipe=config.recipe,
    default_recipe=lambda facts: "own",
    adjust=config.adjust,
    check=config.check_together,
    not_of_weights=frozenset({"dropout"}),
)
