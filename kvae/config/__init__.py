"""What a run is: dataclasses to and from JSON, and the recipes that they come from."""

from kvae.config.configuration import CONFIG, Config, configure, facts, read_config
from kvae.config.families import RECIPES, Facts, Family, family
from kvae.config.parts import DataConfig, TrainingConfig

__all__ = [
    "CONFIG",
    "RECIPES",
    "Config",
    "DataConfig",
    "Facts",
    "Family",
    "TrainingConfig",
    "configure",
    "facts",
    "family",
    "read_config",
]
