"""Autoencoders whose latents are discrete codes, with an autoregressive prior over the codes.

Van den Oord et al. (2017), "Neural discrete representation learning". The autoencoder is trained
first, and the prior after it, in the same run.
"""

from kvae.config import Family
from kvae.metrics import Metric
from kvae.models.quantized import config, recipes

METRICS = (
    Metric("elbo", "ELBO", higher_is_better=True),
    Metric("reconstruction", "log p(x|codes)", higher_is_better=True),
    Metric("log_prior", "log p(codes)", higher_is_better=True),
    Metric("perplexity", "perplexity of the codes", unit="", higher_is_better=True),
    Metric("used_codes", "codes in use", unit="", higher_is_better=True),
)

FAMILY = Family(
    description="autoencoders with discrete codes, and an autoregressive prior over these",
    model=config.ModelConfig,
    objective=config.ObjectiveConfig,
    metrics=METRICS,
    build="kvae.models.quantized.build:build",
    recipe=recipes.recipe,
    default_recipe=lambda facts: "own",
    adjust=recipes.adjust,
    check=config.check_together,
    not_of_weights=frozenset({"dropout"}),
)
