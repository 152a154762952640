"""Configurations of runs: dataclasses that are made from recipes, and saved as JSON."""

from kvae.config.configuration import CONFIG, Config, configure, facts, read_config
from kvae.config.families import RECIPES, Facts, Family, family
from kvae.config.parts import READING, DataConfig, TrainingConfig

__all__ = [
    "CONFIG",
    "READING",
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
