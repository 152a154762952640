"""Generative adversarial networks (Goodfellow et al., 2014).

A generator maps latents of a prior to images, and a discriminator tells these from real images. The
generator learns to mislead it. There is no bound on log p(x), and no posterior.
"""

from kvae.config import Family
from kvae.metrics import Metric
from kvae.models.adversarial import config, recipes

METRICS = (
    Metric("variety", "variety", unit="", higher_is_better=True),
    Metric("coverage", "coverage", unit="", higher_is_better=True),
    Metric("recall", "recall", unit="", higher_is_better=True),
    Metric("told_apart", "told apart", unit=""),
    Metric("generator_loss", "generator's loss", unit=""),
    Metric("discriminator_loss", "discriminator's loss", unit=""),
    Metric("penalty", "gradient penalty", unit=""),
)

FAMILY = Family(
    description="generative adversarial networks, with the decoder and the prior of a VAE",
    model=config.ModelConfig,
    objective=config.ObjectiveConfig,
    metrics=METRICS,
    build="kvae.models.adversarial.build:build",
    recipe=recipes.recipe,
    default_recipe=lambda facts: "own",
    adjust=recipes.adjust,
    check=config.check_together,
)
