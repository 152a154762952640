"""What a run is: its data, model and training, to and from JSON; and the named recipes."""

import dataclasses
import functools
import itertools
import json
import math
import numbers
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvae import registry
from kvae.errors import KvaeError, UsageError
from kvae.io import machine
from kvae.io.reading import read_json

if TYPE_CHECKING:
    from kvae.data import Dataset

CONFIG = "config.json"
"""The file in a run's or saved model's folder."""

BINARIZE = ("none", "threshold", "dynamic")
MEAN_ACTIVATIONS = ("sigmoid", "linear")
FREE_MEANS = ("normal", "normal-shared", "discretized-logistic")
"""Likelihoods whose mean may be anything; those of the others are always within [0, 1]."""
ACTIVATIONS = ("tanh", "relu", "gelu", "silu")
RECIPES = ("reference", "paper", "best")
MOST_LAYERS = 100
"""Hidden layers, and layers of a flow: more of them take hours to compile."""
MOST = 2**31 - 1
"""The largest number of anything: TensorFlow counts with 32 bits."""
_LARGEST = 3.4e38


@dataclass(frozen=True)
class DataConfig:
    """Which images, and what is done to them on their way to the model.

    Attributes:
        dataset: A built-in name, `tfds:NAME`, or the path of a folder, `.npy` or `.npz`.
        image_size: Height and width that images are resized to; None keeps them as they are.
        binarize: `none` keeps grey pixels; `threshold` makes pixels of 0.5 and more white, the
            others black; `dynamic` draws each pixel anew from Bernoulli(grey level) every time its
            image is seen (Salakhutdinov & Murray, 2008).
        split_seed: Decides which images are held out, where a dataset has no splits of its own.
    """

    dataset: str
    image_size: tuple[int, int] | None = None
    binarize: str = "none"
    split_seed: int = 0

    def __post_init__(self) -> None:
        _check_types(self)
        _at_least("split_seed", self.split_seed, 0)
        _one_of("binarize", self.binarize, BINARIZE)
        if self.image_size is not None:
            _freeze(self, "image_size", int)
            _require(
                len(self.image_size) == 2 and min(self.image_size) >= 1,
                f"image_size is a height and a width of 1 or more, got {self.image_size}",
            )


@dataclass(frozen=True)
class ModelConfig:
    """The networks and the likelihood.

    Attributes:
        image_shape: Height, width, channels.
        latent: Number of latent dimensions.
        hidden: Units of the encoder's hidden layers in order; the decoder mirrors them.
        likelihood: A name in `kvae.registry.LIKELIHOODS`.
        mean_activation: What a Gaussian's mean passes through: `sigmoid` keeps it in [0, 1],
            `linear` leaves it free.
        activation: Of the hidden layers; a name of `keras.activations`.
        dropout: Share of hidden units that are dropped in training (Srivastava et al., 2014).
        posterior: A name in `kvae.registry.POSTERIORS`.
        prior: A name in `kvae.registry.PRIORS`.
        components: Of a `mixture` or `vamp` prior.
        flow_layers: Of a `flow` prior, and of an `iaf` posterior.
        flow_units: In each of the two hidden layers of each of those.
        prior_fitted: Whether the prior was fitted to the aggregated posterior when all else had
            been trained.
        initial_stddev: Standard deviation of the Gaussian that weights and biases start from; None
            is Keras's default (Glorot & Bengio, 2010; biases zero).
    """

    image_shape: tuple[int, int, int]
    latent: int
    hidden: tuple[int, ...]
    likelihood: str
    mean_activation: str = "sigmoid"
    initial_stddev: float | None = None
    activation: str = "tanh"
    dropout: float = 0.0
    posterior: str = "diagonal"
    prior: str = "standard"
    components: int = 100
    flow_layers: int = 4
    flow_units: int = 128
    prior_fitted: bool = False

    def __post_init__(self) -> None:
        _check_types(self)
        _freeze(self, "image_shape", int)
        _freeze(self, "hidden", int)
        _require(
            len(self.image_shape) == 3 and min(self.image_shape) >= 1,
            f"image_shape is a height, a width and channels, got {self.image_shape}",
        )
        _at_least("latent", self.latent, 1)
        _require(
            all(units >= 1 for units in self.hidden),
            f"hidden layers have 1 unit or more, got {','.join(map(str, self.hidden))}",
        )
        _require(
            len(self.hidden) <= MOST_LAYERS,
            f"there may be {MOST_LAYERS} hidden layers at most, got {len(self.hidden):,} layers",
        )
        _one_of("likelihood", self.likelihood, registry.LIKELIHOODS)
        _one_of("mean_activation", self.mean_activation, MEAN_ACTIVATIONS)
        _require(
            self.likelihood in FREE_MEANS or self.mean_activation == "sigmoid",
            f"mean_activation 'linear' needs a likelihood of {', '.join(FREE_MEANS)}: the mean of "
            f"{self.likelihood!r} is always within [0, 1]; add --likelihood normal",
        )
        _one_of("activation", self.activation, ACTIVATIONS)
        _share("dropout", self.dropout)
        _one_of("posterior", self.posterior, registry.POSTERIORS)
        _one_of("prior", self.prior, registry.PRIORS)
        _at_least("components", self.components, 1)
        _at_least("flow_layers", self.flow_layers, 1, MOST_LAYERS)
        _at_least("flow_units", self.flow_units, 1)
        if self.initial_stddev is not None:
            _positive("initial_stddev", self.initial_stddev)

    @property
    def size(self) -> int:
        """Weights of such a model, or somewhat fewer, without making it."""
        pixels, latent = math.prod(self.image_shape), self.latent
        encoder, decoder = (pixels, *self.hidden), (latent, *self.hidden[::-1])
        flow = self.flow_layers * self.flow_units * (self.flow_units + 3 * latent)
        count = sum(
            (before + 1) * after
            for layers in (encoder, decoder)
            for before, after in itertools.pairwise(layers)
        )
        count += 2 * (encoder[-1] + 1) * latent + (decoder[-1] + 1) * pixels
        if self.posterior == "full":
            count += encoder[-1] * latent * (latent + 1) // 2
        count += flow * ((self.posterior == "iaf") + (self.prior == "flow"))
        if self.prior == "mixture":
            count += self.components * latent * (latent + 1)
        if self.prior == "vamp":
            count += self.components * pixels
        return count


@dataclass(frozen=True)
class TrainingConfig:
    """How the weights are found.

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images a step; the last step of an epoch takes what is left.
        optimizer: A name in `kvae.registry.OPTIMIZERS`.
        learning_rate: The optimizer's first step size.
        schedule: What becomes of it by the last epoch; a name in `kvae.registry.SCHEDULES`.
        estimator: What training follows the gradient of; a name in `kvae.registry.ESTIMATORS`.
        bound: What `aevb` maximises; a name in `kvae.registry.BOUNDS`.
        importance_samples: Draws of z an image for the `iwae` bound.
        doubly_reparameterized: Whether its gradient is that of Tucker et al. (2019).
        beta: Weight of the KL term in what is maximised (Higgins et al., 2017). The ELBO that is
            reported always has weight 1.
        kl_warmup: Epochs in which that weight rises from zero (Sønderby et al., 2016).
        free_bits: Nats of each latent dimension's KL that cost nothing (Kingma et al., 2016).
        patience: Epochs without a better validation ELBO after which training stops; the best
            epoch's weights are kept. None trains all epochs, and keeps the last.
        weight_decay: Share of the networks' weight matrices that goes every step, times the
            learning rate (Loshchilov & Hutter, 2019).
        input_noise: Standard deviation of Gaussian noise on what the encoder sees in training.
        weight_prior: Precision of the prior N(0, I / precision) on the decoder's weights, whose log
            density joins what is maximised (Kingma & Welling, 2014, have 1); 0 is none.
        start_from: Name or path of the saved model whose weights a run starts from; None starts
            anew.
        seed: Decides initial weights, order of the images and every random number.
        jit: Compile with XLA.
    """

    epochs: int
    batch_size: int
    optimizer: str = "adagrad"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    estimator: str = "aevb"
    bound: str = "elbo"
    importance_samples: int = 1
    doubly_reparameterized: bool = False
    beta: float = 1.0
    kl_warmup: int = 0
    free_bits: float = 0.0
    patience: int | None = None
    weight_decay: float = 0.0
    input_noise: float = 0.0
    weight_prior: float = 0.0
    start_from: str | None = None
    seed: int = 0
    jit: bool = True

    def __post_init__(self) -> None:
        _check_types(self)
        _at_least("epochs", self.epochs, 1)
        _at_least("batch_size", self.batch_size, 1)
        _one_of("optimizer", self.optimizer, registry.OPTIMIZERS)
        _positive("learning_rate", self.learning_rate)
        _one_of("schedule", self.schedule, registry.SCHEDULES)
        _one_of("estimator", self.estimator, registry.ESTIMATORS)
        _one_of("bound", self.bound, registry.BOUNDS)
        _at_least("importance_samples", self.importance_samples, 1)
        iwae = self.bound == "iwae"
        _require(
            iwae or (self.importance_samples == 1 and not self.doubly_reparameterized),
            "importance samples and doubly reparameterised gradients need --bound iwae",
        )
        _at_least("beta", self.beta, 0)
        _at_least("kl_warmup", self.kl_warmup, 0)
        _at_least("free_bits", self.free_bits, 0)
        _require(not (iwae and self.free_bits), "free_bits needs --bound elbo, not iwae")
        _require(
            self.estimator == "aevb"
            or (
                not (iwae or self.free_bits or self.kl_warmup or self.input_noise)
                and self.beta == 1
            ),
            f"estimator {self.estimator!r} takes no bound, beta, kl_warmup, free_bits or "
            "input_noise",
        )
        if self.patience is not None:
            _at_least("patience", self.patience, 1)
        _at_least("weight_decay", self.weight_decay, 0)
        _at_least("input_noise", self.input_noise, 0)
        _at_least("weight_prior", self.weight_prior, 0)
        _at_least("seed", self.seed, 0, math.inf)
        _require(self.seed < 2**31, f"seed must be below 2147483648, got {self.seed}")

    def beta_in(self, epoch: int) -> float:
        """The KL's weight in an epoch, counted from 1."""
        return self.beta * min(1.0, epoch / (self.kl_warmup + 1))

    def objective_in(self, epoch: int) -> str:
        """What is maximised in an epoch: a bound's name, and what makes it no bound."""
        if self.estimator != "aevb":
            return self.estimator
        name = f"iwae-{self.importance_samples}" if self.bound == "iwae" else self.bound
        beta = self.beta_in(epoch)
        name += "" if beta == 1 else f" beta={beta:.4g}"
        return name + (f" free_bits={self.free_bits:g}" if self.free_bits else "")


@dataclass(frozen=True)
class Config:
    """Everything that is needed to do a run again."""

    recipe: str
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig

    def to_json(self) -> dict[str, Any]:
        """This configuration as plain dictionaries, lists, strings and numbers."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, value: Any) -> "Config":
        """The configuration that `to_json` gave.

        Raises:
            KvaeError: `value` is something else.
        """
        try:
            _check_keys("it", value, ("recipe", *PARTS))
            _one_of("recipe", value["recipe"], RECIPES)
            for part, of_part in PARTS.items():
                fields = dataclasses.fields(of_part)
                needed = [f.name for f in fields if f.default is dataclasses.MISSING]
                _check_keys(part, value[part], needed, [f.name for f in fields])
            parts = {part: of_part(**value[part]) for part, of_part in PARTS.items()}
        except KvaeError as error:
            raise KvaeError(f"not a configuration of kvae: {error}") from error
        return cls(recipe=value["recipe"], **parts)


PARTS: Mapping[str, Any] = {"data": DataConfig, "model": ModelConfig, "training": TrainingConfig}
"""Of a `Config`."""


def read_config(folder: Path) -> Config:
    """The configuration of a run or of a saved model.

    Raises:
        KvaeError: it is missing, damaged, or not kvae's.
    """
    try:
        return Config.from_json(read_json(folder / CONFIG))
    except KvaeError as error:
        raise KvaeError(f"{folder} is not a run or saved model of kvae: {error}") from error


def _mnist_like(train_images: int) -> dict[str, Any]:
    return {
        "latent": 20,
        "hidden": (500, 500),
        "likelihood": "bernoulli",
        "batch_size": 128,
        "epochs": 50 if train_images >= 10_000 else 500,
    }


def _frey_like(train_images: int) -> dict[str, Any]:
    return {
        "latent": 5,
        "hidden": (200, 200),
        "likelihood": "normal",
        "batch_size": 64,
        "epochs": 50 if train_images >= 10_000 else 500,
    }


def _digits(train_images: int) -> dict[str, Any]:
    # Done in seconds, and two latents that fill one picture. Grey levels as probabilities would
    # blur it: a Gaussian of one scale puts more into the latents.
    return {
        "latent": 2,
        "hidden": (256, 256),
        "likelihood": "normal-shared",
        "batch_size": 64,
        "epochs": 300,
        "optimizer": "adam",
    }


def _paper(train_images: int) -> dict[str, Any]:
    return {
        "batch_size": 100,
        # Their step sizes are 0.01, 0.02 and 0.1, chosen on the first few steps.
        "learning_rate": 0.02,
        # N(0, 0.01) in the text is a standard deviation of 0.01 in the authors' own code.
        "initial_stddev": 0.01,
        "weight_prior": 1.0,
        # Ten million training images, the middle of the logarithmic axis of their Figure 2.
        "epochs": math.ceil(10_000_000 / train_images),
    }


def _best_binary(train_images: int) -> dict[str, Any]:
    return {
        "latent": 40,
        "hidden": (500, 500),
        "activation": "silu",
        "likelihood": "bernoulli",
        "binarize": "dynamic",
        "prior": "flow",
        "optimizer": "adam",
        "schedule": "cosine",
        "batch_size": 128,
        "epochs": 150 if train_images >= 10_000 else 500,
    }


def _best_grey(train_images: int) -> dict[str, Any]:
    epochs = 2000 if train_images < 10_000 else 100
    return {
        "latent": 10,
        "hidden": (500,),
        "activation": "silu",
        "likelihood": "normal",
        "prior": "mixture",
        "components": 100,
        "bound": "iwae",
        "importance_samples": 5,
        "doubly_reparameterized": True,
        "input_noise": 0.07,
        "optimizer": "adam",
        "schedule": "cosine",
        "batch_size": 64,
        "epochs": epochs,
        # Never stops before the rate is low, and keeps the best epoch's weights.
        "patience": epochs,
    }


def _best_digits(train_images: int) -> dict[str, Any]:
    return _best_grey(train_images) | {
        "components": 20,
        "input_noise": 0.1,
        "epochs": 300,
        "patience": 300,
    }


_BEST: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "mnist": _best_binary,
    "tfds:mnist": _best_binary,
    "digits": _best_digits,
    "frey": _best_grey,
    "frey/blocks": _best_grey,
}
"""Chosen by bounds on validation images: docs/recipes.md says how."""

_REFERENCE: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "digits": _digits,
    "mnist": _mnist_like,
    "tfds:mnist": _mnist_like,
    "frey": _frey_like,
    "frey/blocks": _frey_like,
}


def recipe_options(recipe: str, name: str, kind: str, train_images: int) -> dict[str, Any]:
    """The options of a recipe for a dataset.

    Args:
        recipe: `reference`, the report that kvae re-implements; `paper`, Kingma & Welling (2014),
            Section 5; or `best`, what did best on validation images.
        name: The dataset's name. Those without options of their own get them by their kind.
        kind: `binary`, `grey` or `colour`, as `kvae.data.Dataset.kind` has it.
        train_images: Number of training images.
    """
    _one_of("recipe", recipe, RECIPES)
    if recipe == "best":
        return _BEST.get(name, _best_binary if kind == "binary" else _best_grey)(train_images)
    by_kind = _mnist_like if kind == "binary" else _frey_like
    options = _REFERENCE.get(name, by_kind)(train_images)
    if recipe == "paper":
        options |= {"optimizer": "adagrad", "hidden": options["hidden"][:1]}
        options |= _paper(train_images)
    return options


def is_known(name: str) -> bool:
    """Whether the recipes have options for this very dataset, not only for its kind."""
    return name in _REFERENCE


def configure(dataset: "Dataset", recipe: str = "reference", **options: Any) -> Config:
    """The configuration of a run on `dataset`: a recipe's options, and yours in their place.

    Args:
        dataset: What `kvae.data.load` gave.
        recipe: `reference`, `paper` or `best`.
        options: Fields of `DataConfig`, `ModelConfig` and `TrainingConfig` by name; those that are
            None are left to the recipe.

    Raises:
        UsageError: an unknown option, or one whose value cannot be.
        KvaeError: training would take more memory than there is.
    """
    options = {name: value for name, value in options.items() if value is not None}
    chosen = recipe_options(recipe, dataset.name, dataset.kind, len(dataset.train.images))
    if options.get("binarize", "none") != "none":
        # Black and white are what a Bernoulli is for, whatever the recipe has for grey.
        chosen["likelihood"] = "bernoulli"
    # What the recipe has for a part that is exchanged, another part has no use for.
    if options.get("estimator", "aevb") != "aevb":
        _drop(chosen, "bound", "importance_samples", "doubly_reparameterized", "input_noise")
    if options.get("bound", "iwae") != "iwae":
        _drop(chosen, "importance_samples", "doubly_reparameterized")
    if options.get("posterior") == "iaf":
        _drop(chosen, "doubly_reparameterized")
    chosen |= options
    chosen |= {
        "dataset": dataset.name,
        "image_size": dataset.image_size,
        "split_seed": dataset.split_seed,
        "image_shape": dataset.image_shape,
    }
    fields = {
        part: {field.name for field in dataclasses.fields(cls)} for part, cls in PARTS.items()
    }
    for name in chosen:
        if not any(name in names for names in fields.values()):
            raise registry.unknown("option", name, set().union(*fields.values()))
    config = Config(
        recipe=recipe,
        **{
            part: cls(**{name: chosen[name] for name in chosen if name in fields[part]})
            for part, cls in PARTS.items()
        },
    )
    _require(
        config.data.binarize == "none" or config.model.likelihood == "bernoulli",
        f"binarize {config.data.binarize!r} needs the bernoulli likelihood, "
        f"not {config.model.likelihood!r}",
    )
    _require(
        not config.training.doubly_reparameterized or config.model.posterior != "iaf",
        "doubly reparameterised gradients need a Gaussian posterior: add --posterior full, or "
        "leave them",
    )
    _require(
        config.training.estimator == "aevb" or config.model.dropout == 0,
        f"estimator {config.training.estimator!r} takes no dropout",
    )
    mixed, flows = config.model.prior in ("mixture", "vamp"), config.model.prior == "flow"
    _require(
        "components" not in options or mixed, "components need --prior mixture or --prior vamp"
    )
    _require(
        flows
        or config.model.posterior == "iaf"
        or not {"flow_layers", "flow_units"} & options.keys(),
        "flow_layers and flow_units need --prior flow or --posterior iaf",
    )
    _check_memory(config, len(dataset.train.images))
    return config


def _check_memory(config: Config, images: int) -> None:
    model, training = config.model, config.training
    rows = min(training.batch_size, images) * training.importance_samples
    row = 3 * math.prod(model.image_shape) + 2 * sum(model.hidden) + 2 * model.latent
    if model.posterior == "full":
        row += model.latent**2
    # Weights, their gradients, and about as much for the optimizer.
    machine.require_memory(
        4 * (3 * model.size + rows * row),
        "such a training",
        "choose smaller --hidden or --latent, fewer --components or --flow-units, or a smaller "
        "--batch-size or --importance-samples",
    )


def _drop(options: dict[str, Any], *names: str) -> None:
    for name in names:
        options.pop(name, None)


def _freeze(config: Any, name: str, kind: Callable[[Any], Any]) -> None:
    """Turn a list, as JSON has it, into the tuple that a frozen dataclass can be hashed with."""
    object.__setattr__(config, name, tuple(kind(item) for item in getattr(config, name)))


def _check_keys(what: str, value: Any, needed: Sequence[str], known: Sequence[str] = ()) -> None:
    _require(isinstance(value, dict), f"{what} must be an object, got {_shown(value)}")
    for name in needed:
        _require(name in value, f"{what} has no {name!r}")
    for name in value if known else ():
        if name not in known:
            raise registry.unknown(f"{what} option", name, known)


def _check_types(config: Any) -> None:
    """Refuse fields of another type than is written there, as a file may have them."""
    kind: Any = type(config)
    for name, hint in _hints(kind).items():
        value = getattr(config, name)
        _require(_fits(value, hint), f"{name} must be {_told(hint)}, got {_shown(value)}")


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    # Typing evaluates them anew at every call.
    return typing.get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(hint, types.UnionType):
        return any(_fits(value, each) for each in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return isinstance(value, list | tuple) and all(_fits(item, int) for item in value)
    if hint is str:
        return isinstance(value, str) and "\0" not in value
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)
    return isinstance(value, hint)


def _told(hint: Any) -> str:
    if isinstance(hint, types.UnionType):
        return " or ".join(_told(each) for each in typing.get_args(hint))
    known = {
        str: "a text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        type(None): "nothing",
    }
    return known.get(hint, "whole numbers")


def _shown(value: Any) -> str:
    text = f"{value!r:.80}" if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UsageError(message)


def _at_least(name: str, value: float, least: float, most: float | None = None) -> None:
    if most is None:
        most = MOST if isinstance(value, numbers.Integral) else _LARGEST
    _require(least <= value < math.inf, f"{name} must be {least} or more, got {_shown(value)}")
    _require(value <= most, f"{name} must be at most {most:,}, got {_shown(value)}")


def _share(name: str, value: float) -> None:
    _require(0 <= value < 1, f"{name} must be 0 or more and below 1, got {_shown(value)}")


def _positive(name: str, value: float) -> None:
    _require(0 < value <= _LARGEST, f"{name} must be greater than 0, got {_shown(value)}")


def _one_of(name: str, value: str, known: Any) -> None:
    _require(isinstance(value, str), f"{name} must be a text, got {_shown(value)}")
    if value not in known:
        raise registry.unknown(name, value, known)
