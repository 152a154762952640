"""Restricted and deep Boltzmann machines of black and white pixels.

Smolensky (1986), Tieleman (2008), and Salakhutdinov & Hinton (2009), "Deep Boltzmann machines".
p(x) is known up to a constant, log Z, which is estimated.
"""

from kvae.config import Family
from kvae.metrics import Metric
from kvae.models.boltzmann import config

METRICS = (
    Metric("elbo", "log p(x) or its bound", higher_is_better=True),
    Metric("log_partition", "log Z"),
    Metric("log_partition_error", "standard error of log Z"),
    Metric("contrast", "log p(images) less log p(chains)"),
)

FAMILY = Family(
    description="restricted and deep Boltzmann machines of black and white pixels",
    model=config.ModelConfig,
    objective=config.ObjectiveConfig,
    metrics=METRICS,
    build="kvae.models.boltzmann.build:build",
    recipe=config.recipe,
    default_recipe=lambda facts: "own",
    adjust=config.adjust,
    check=config.check_together,
    reasons=config.reasons,
)
