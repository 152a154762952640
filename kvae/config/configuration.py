"""What a run is, to and from JSON, and how a recipe and options become one."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvae import registry
from kvae.config.families import RECIPES, Facts, Family, family
from kvae.config.fields import check_keys, one_of, options, require
from kvae.config.parts import DataConfig, TrainingConfig
from kvae.errors import KvaeError, UsageError
from kvae.io.reading import read_json

if TYPE_CHECKING:
    from kvae.data import Dataset

CONFIG = "config.json"
"""The file in the folder of a run or of a saved model."""
PARTS = ("data", "model", "objective", "training")


@dataclass(frozen=True)
class Config:
    """Everything that is needed to do a run again.

    Attributes:
        recipe: Where options that were not given came from.
        family: A name in `kvae.registry.MODELS`.
        data: Which images, and what is done to them first.
        model: The networks and distributions, by the family's own dataclass.
        objective: What training optimises, by the family's own dataclass.
        training: How the weights are found.
    """

    recipe: str
    family: str
    data: DataConfig
    model: Any
    objective: Any
    training: TrainingConfig

    def to_json(self) -> dict[str, Any]:
        """This configuration as plain dictionaries, lists, strings and numbers."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def flat(self) -> dict[str, Any]:
        """All fields by name, whichever part they are of."""
        values: dict[str, Any] = {"recipe": self.recipe, "family": self.family}
        for part in PARTS:
            values |= dataclasses.asdict(getattr(self, part))
        return values

    @classmethod
    def from_json(cls, value: Any) -> "Config":
        """The configuration that `to_json` gave.

        Raises:
            KvaeError: `value` is something else.
        """
        try:
            value = _upgraded(value)
            check_keys("it", value, ("recipe", "family", *PARTS))
            one_of("recipe", value["recipe"], RECIPES)
            one_of("family", value["family"], registry.MODELS)
            parts = {}
            for name, kind in _dataclasses(family(value["family"])).items():
                fields = dataclasses.fields(kind)
                needed = [field.name for field in fields if field.default is dataclasses.MISSING]
                check_keys(name, value[name], needed, [field.name for field in fields])
                parts[name] = kind(**value[name])
        except KvaeError as error:
            raise KvaeError(f"{CONFIG} is damaged: {error}") from error
        return cls(recipe=value["recipe"], family=value["family"], **parts)


def _dataclasses(of: Family) -> dict[str, Any]:
    kinds = DataConfig, of.model, of.objective, TrainingConfig
    return dict(zip(PARTS, kinds, strict=True))


def _upgraded(value: Any) -> Any:
    """What a file of kvae 0.1 holds, as today's have it: then there was one family.

    Its objective was among the options of the training.
    """
    if not isinstance(value, dict) or "family" in value or "objective" in value:
        return value
    upgraded = {**value, "family": "vae"}
    training = value.get("training")
    if isinstance(training, dict):
        moved = family("vae").fields["objective"]
        upgraded["objective"] = {key: v for key, v in training.items() if key in moved}
        upgraded["training"] = {key: v for key, v in training.items() if key not in moved}
    return upgraded


def read_config(folder: Path) -> Config:
    """The configuration of a run or of a saved model.

    Raises:
        KvaeError: It is missing, damaged, or not kvae's.
    """
    try:
        return Config.from_json(read_json(folder / CONFIG))
    except KvaeError as error:
        raise KvaeError(f"{folder} is not a run or saved model of kvae: {error}") from error


def facts(dataset: "Dataset") -> Facts:
    """What a recipe knows of a dataset."""
    return Facts(dataset.name, dataset.kind, len(dataset.train), dataset.image_shape)


def configure(
    dataset: "Dataset", recipe: str = "reference", family: str = "vae", **options: Any
) -> Config:
    """The configuration of a run on `dataset`: a recipe's options, and yours in their place.

    Args:
        dataset: What `kvae.data.load` returned.
        recipe: `reference`, `paper` or `best`.
        family: A name in `kvae.registry.MODELS`.
        options: Fields of `DataConfig`, of `TrainingConfig` and of the family's dataclasses by
            name; those that are None are left to the recipe.

    Raises:
        UsageError: An option is unknown, its value cannot be, or two do not go together.
    """
    one_of("recipe", recipe, RECIPES)
    one_of("family", family, registry.MODELS)
    of: Family = registry.resolve(registry.MODELS, family)
    given = {name: value for name, value in options.items() if value is not None}
    chosen = of.adjust(of.recipe(recipe, facts(dataset)), given) | given
    chosen |= {
        "dataset": dataset.name,
        "image_size": dataset.image_size,
        "split_seed": dataset.split_seed,
        "image_shape": dataset.image_shape,
    }
    kinds = _dataclasses(of)
    fields = {
        part: {field.name for field in dataclasses.fields(kind)} for part, kind in kinds.items()
    }
    for name in chosen:
        if not any(name in names for names in fields.values()):
            _refuse_unknown(name, set().union(*fields.values()))
    parts = {
        part: kind(**{name: chosen[name] for name in chosen if name in fields[part]})
        for part, kind in kinds.items()
    }
    config = Config(recipe=recipe, family=family, **parts)
    of.check(config)
    _check_used(config, of, given)
    return config


def _refuse_unknown(name: str, known: set[str]) -> None:
    for other in registry.MODELS:
        if name in registry.resolve(registry.MODELS, other).options:
            raise UsageError(f"`{name}` needs `family={other}`")
    raise registry.unknown("option", name, known)


def _check_used(config: Config, of: Family, given: Mapping[str, Any]) -> None:
    """Refuse options that were given and have no effect beside the others."""
    values = config.flat()
    rules = of.options | options(DataConfig) | options(TrainingConfig)
    for name in given:
        needs = rules[name].needs if name in rules else ()
        pairs = [need.split("=") for need in needs]
        require(
            not pairs or any(str(values[field]) == value for field, value in pairs),
            f"`{name}` needs " + " or ".join(f"`{need}`" for need in needs),
        )
