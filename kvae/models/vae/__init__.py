"""Variational autoencoders with one vector of latents (Kingma & Welling, 2014).

A VAE is three distributions and a bound: the posterior q(z|x), the likelihood p(x|z), the prior
p(z), and the ELBO or a tighter bound that is computed from them.
"""

from kvae.config import Family
from kvae.metrics import Metric
from kvae.models.vae import config, recipes

METRICS = (
    Metric("elbo", "ELBO", higher_is_better=True),
    Metric("reconstruction", "reconstruction", higher_is_better=True),
    Metric("kl", "KL"),
    Metric("active_units", "active units", unit=""),
)

FAMILY = Family(
    description="variational autoencoders with one vector of latents",
    model=config.ModelConfig,
    objective=config.ObjectiveConfig,
    metrics=METRICS,
    build="kvae.models.vae.build:build",
    recipe=recipes.recipe,
    default_recipe=recipes.default,
    adjust=config.adjust,
    check=config.check_together,
    reasons=config.reasons,
    not_of_weights=frozenset({"dropout", "initial_stddev", "prior_fitted", "class_counts"}),
)
