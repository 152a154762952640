"""The configuration of a run: made from a recipe and options, and converted to and from JSON."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvae import registry
from kvae.config.families import RECIPES, Facts, Family, family
from kvae.config.fields import check_keys, one_of, options, require
from kvae.config.parts import READING, DataConfig, TrainingConfig
from kvae.errors import KvaeError, UsageError
from kvae.io.reading import read_json

if TYPE_CHECKING:
    from kvae.data import Dataset

CONFIG = "config.json"
"""The name of the configuration's file in the folder of a run or of a saved model."""
PARTS = ("data", "model", "objective", "training")


@dataclass(frozen=True)
class Config:
    """Everything that is needed to repeat a run.

    Attributes:
        recipe: The recipe, from which options that were not given came.
        family: A name in `kvae.registry.MODELS`.
        data: Which images the model is trained on, and how they are changed before.
        model: The networks and distributions; a dataclass of the family.
        objective: What training optimises; a dataclass of the family.
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
        """The values of all fields of all parts, by the names of the fields."""
        values: dict[str, Any] = {"recipe": self.recipe, "family": self.family}
        for part in PARTS:
            values |= dataclasses.asdict(getattr(self, part))
        return values

    @classmethod
    def from_json(cls, value: Any) -> "Config":
        """The configuration that `to_json` converted.

        Args:
            value: What `to_json` returned, in this version of kvae or in 0.1.

        Raises:
            KvaeError: `value` is not a valid configuration.
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
            raise KvaeError(f"not a configuration of kvae: {error}") from error
        return cls(recipe=value["recipe"], family=value["family"], **parts)


def _dataclasses(of: Family) -> dict[str, Any]:
    kinds = DataConfig, of.model, of.objective, TrainingConfig
    return dict(zip(PARTS, kinds, strict=True))


def _upgraded(value: Any) -> Any:
    """Convert a configuration of kvae 0.1 to today's format.

    In 0.1 there was only one family, and its objective was among the options of the training.
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
    """Read the configuration of a run or of a saved model.

    Args:
        folder: The folder of the run or of the saved model.

    Raises:
        KvaeError: The file is missing, damaged, or not a configuration of kvae.
    """
    try:
        return Config.from_json(read_json(folder / CONFIG))
    except KvaeError as error:
        raise KvaeError(f"{folder} is not a run or saved model of kvae: {error}") from error


def facts(dataset: "Dataset") -> Facts:
    """The facts about a dataset that a recipe uses.

    Args:
        dataset: What `kvae.data.load` returned.
    """
    return Facts(
        dataset.name,
        dataset.kind,
        len(dataset.train),
        dataset.image_shape,
        lambda: dataset.two_levels,
        lambda: dataset.linearity,
    )


def configure(
    dataset: "Dataset",
    recipe: str | None = None,
    family: str | None = None,
    like: Config | None = None,
    **options: Any,
) -> Config:
    """Make the configuration of a run from a recipe, some of whose options can be replaced.

    Args:
        dataset: What `kvae.data.load` returned.
        recipe: A name in `RECIPES`; None is the family's choice for the dataset.
        family: A name in `kvae.registry.MODELS`; None is that of `like`, or else `vae`.
        like: The configuration of a model whose networks and distributions the new one has, as far
            as the options do not say otherwise; None takes those of the recipe.
        options: Values by the names of fields of `DataConfig`, of `TrainingConfig` and of the
            family's dataclasses. They replace those of the recipe, unless they are None.

    Raises:
        UsageError: An option is unknown, a value is not allowed, or two options do not go together.
    """
    if family is None:
        family = "vae" if like is None else like.family
    one_of("family", family, registry.MODELS)
    of: Family = registry.resolve(registry.MODELS, family)
    known = facts(dataset)
    recipe = of.default_recipe(known) if recipe is None else recipe
    one_of("recipe", recipe, RECIPES)
    given = {name: value for name, value in options.items() if value is not None}
    chosen = of.adjust(of.recipe(recipe, known), given, known)
    if like is not None and like.family == family:
        # Pixels that are binarized in another way would be other data to the networks.
        chosen |= dataclasses.asdict(like.model) | {"binarize": like.data.binarize}
    chosen |= given
    chosen |= {
        "dataset": dataset.name,
        "image_size": dataset.image_size,
        "split_seed": dataset.split_seed,
        "reading": READING,
        "image_shape": dataset.image_shape,
        "numbers": dataset.train.numbers,
    }
    if dataset.columns:
        chosen |= {
            "column_names": dataset.columns.names,
            "column_means": dataset.columns.means,
            "column_stddevs": dataset.columns.stddevs,
        }
    if chosen.get("condition") is not None:
        require(
            dataset.train.labels is not None,
            f"`condition={chosen['condition']}` needs a label of each image, and the images of "
            f"{dataset.name} have none",
        )
        chosen |= {"classes": dataset.classes, "class_counts": dataset.class_counts}
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
    height, width, _ = config.model.image_shape
    require(
        config.training.shift < min(height, width),
        f"images of {height} x {width} cannot be shifted by {config.training.shift} pixels",
    )
    of.check(config)
    _check_used(config, of, given)
    return config


def _refuse_unknown(name: str, known: set[str]) -> None:
    for other in registry.MODELS:
        if name in registry.resolve(registry.MODELS, other).options:
            raise UsageError(f"`{name}` needs `family={other}`")
    raise registry.unknown("option", name, known)


def _check_used(config: Config, of: Family, given: Mapping[str, Any]) -> None:
    """Refuse options that were given but have no effect together with the others."""
    values = config.flat()
    rules = of.options | options(DataConfig) | options(TrainingConfig)
    for name in given:
        needs = rules[name].needs if name in rules else ()
        pairs = [need.split("=") for need in needs]
        require(
            not pairs or any(str(values[field]) == value for field, value in pairs),
            f"`{name}` needs " + " or ".join(f"`{need}`" for need in needs),
        )
