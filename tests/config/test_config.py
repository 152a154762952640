"""Configurations: recipes as documented, nothing impossible, to JSON and back."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kvae
from kvae.config import Config, Facts, TrainingConfig, facts, family, read_config
from kvae.data import Dataset, Split
from kvae.data.alignment import Linearity, possible_shifts
from kvae.errors import KvaeError, UsageError
from kvae.models.vae.config import ModelConfig, ObjectiveConfig
from kvae.models.vae.recipes import recipe

EARLIER = Path(__file__).parents[1] / "fixtures" / "earlier"


@pytest.fixture(scope="module")
def made() -> Dataset:
    """40 images of noise, 16 x 16."""
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 1), np.uint8)
    split = Split(images)
    return Dataset("made", split, split, split, "noise")


def options_of(name: str, dataset: str, kind: str, images: int) -> dict[str, Any]:
    """The options of a recipe for images of 2 x 2."""
    return recipe(name, facts_of(dataset, kind, images))


def facts_of(
    name: str = "own",
    kind: str = "grey",
    images: int = 100,
    shape: tuple[int, int, int] = (2, 2, 1),
    two_levels: bool = False,
    shift_cost: Callable[[int], float] = lambda pixels: 1.0,
    unexplained: float | tuple[float, ...] = 0.5,
) -> Facts:
    """Facts about a dataset; whatever is not given is of small grey images."""
    shares = unexplained if isinstance(unexplained, tuple) else (unexplained,)
    costs = {pixels: shift_cost(pixels) for pixels in possible_shifts(shape)}
    linearity = Linearity((1.0, *shares), costs)
    return Facts(name, kind, images, shape, lambda: two_levels, lambda: linearity)


def test_reference_recipe_is_the_reports():
    mnist = options_of("reference", "mnist", "binary", 50_000)
    assert mnist["hidden"] == (500, 500)
    assert (mnist["batch_size"], mnist["epochs"]) == (128, 50)
    assert mnist["likelihood"] == "bernoulli"
    frey = options_of("reference", "frey", "grey", 1565)
    assert frey["hidden"] == (200, 200)
    assert (frey["batch_size"], frey["epochs"]) == (64, 500)
    assert frey["likelihood"] == "normal"
    training = TrainingConfig(epochs=1, batch_size=1)
    assert (training.optimizer, training.learning_rate) == ("adagrad", 1e-3)
    assert ModelConfig((2, 2, 1), 1, (), "normal").mean_activation == "sigmoid"


@pytest.mark.parametrize(("name", "units"), [("mnist", 500), ("frey", 200), ("digits", 128)])
def test_paper_recipe_is_kingma_and_wellings(name, units):
    options = options_of("paper", name, "grey", 50_000)
    assert options["hidden"] == (units,)
    assert options["batch_size"] == 100
    assert options["optimizer"] == "adagrad"
    assert options["learning_rate"] in (0.01, 0.02, 0.1)
    assert (options["initial_stddev"], options["weight_prior"]) == (0.01, 1.0)
    assert options["epochs"] == 200


def test_best_recipe_suits_any_data():
    for kind, likelihood in ("binary", "bernoulli"), ("grey", "normal"), ("colour", "normal"):
        options = options_of("best", "tfds:other", kind, 100)
        assert options["likelihood"] == likelihood
        assert options["prior"] != "standard"
    mnist = options_of("best", "mnist", "binary", 50_000)
    assert (mnist["binarize"], mnist["network"], mnist["epochs"]) == ("dynamic", "conv", 100)
    frey = options_of("best", "frey", "grey", 1565)
    # The best epoch's weights are kept, and no epoch is left out.
    assert frey["patience"] == frey["epochs"]


def test_the_own_recipe_is_for_images_that_no_recipe_knows(digits, made):
    assert kvae.configure(digits).recipe == "reference"
    assert kvae.configure(made).recipe == "own"
    assert kvae.configure(made, "reference").recipe == "reference"


@pytest.mark.parametrize(
    ("known", "chosen"),
    [
        ({"shape": (64, 64, 3), "images": 1600},
         {"network": "conv", "hidden": (), "latent": 64, "epochs": 89, "batch_size": 16,
          "patience": 11, "shift": 4, "likelihood": "normal-pixelwise", "weight_average": 0.99,
          "clip_norm": 1.0, "weight_decay": 0.0, "linear": False, "prior": "fitted"}),
        ({"shape": (64, 64, 3), "images": 1600, "shift_cost": lambda pixels: 2.0},
         {"shift": 0}),
        # They are shifted as far as it costs little.
        ({"shape": (64, 64, 3), "images": 1600, "shift_cost": lambda pixels: pixels - 1.0},
         {"shift": 2}),
        ({"shape": (28, 28, 1), "images": 50_000}, {"shift": 0, "epochs": 14, "batch_size": 64}),
        ({"shape": (28, 28, 1), "images": 64_000}, {"epochs": 13, "batch_size": 128}),
        ({"shape": (28, 28, 1), "images": 3_999}, {"epochs": 51, "batch_size": 16}),
        ({"shape": (28, 28, 1), "images": 4_000}, {"epochs": 51, "batch_size": 32}),
        ({"shape": (28, 20, 1), "images": 100}, {"shift": 1, "epochs": 800, "batch_size": 8}),
        ({"shape": (28, 20, 1), "images": 999},
         {"batch_size": 8, "weight_decay": 0.2, "learning_rate": 0.002}),
        ({"shape": (28, 20, 1), "images": 1_000}, {"batch_size": 16, "weight_decay": 0.0}),
        ({"shape": (28, 28, 1), "two_levels": True}, {"likelihood": "bernoulli"}),
        ({"shape": (7, 40, 1)}, {"network": "mlp", "hidden": (256, 256), "latent": 17, "shift": 0}),
        ({"shape": (2, 2, 1), "images": 10_000_000}, {"latent": 2, "epochs": 10}),
        ({"shape": (9, 9, 1), "images": 1},
         {"epochs": 800, "patience": 100, "weight_average": 0.9375}),
        ({"shape": (9, 9, 1), "images": 1, "shift_cost": lambda pixels: 9.0},
         {"epochs": 800, "shift": 0}),
        # All images of a training together are as many as those of 2,000 images.
        ({"shape": (28, 28, 1), "images": 2000}, {"epochs": 72}),
        ({"shape": (28, 28, 1), "images": 1000}, {"epochs": 143}),
        ({"shape": (28, 20, 1), "images": 100, "unexplained": 0.01},
         {"linear": True, "mean_activation": "linear", "weight_decay": 0.0,
          "learning_rate": 0.0005}),
        # Of what more components than latents explain, nothing follows.
        ({"shape": (9, 9, 1), "unexplained": (0.5, 0.4, 0.3, 0.2, 0.01)},
         {"latent": 5, "linear": True}),
        ({"shape": (9, 9, 1), "unexplained": (0.5, 0.4, 0.3, 0.2, 0.06, 0.01)},
         {"latent": 5, "linear": False}),
        ({"shape": (28, 20, 1), "two_levels": True, "unexplained": 0.01},
         {"linear": False, "mean_activation": "sigmoid"}),
    ],
)  # fmt: skip
def test_the_own_recipe_chooses_by_the_facts(known, chosen):
    options = recipe("own", facts_of(**known))
    assert {name: options[name] for name in chosen} == chosen


def test_the_own_recipe_makes_up_for_what_a_person_chose(made):
    config = kvae.configure(made, network="mlp")
    assert config.model.hidden == (256, 256)
    assert config.training.jit
    assert kvae.configure(made, network="conv").model.hidden == ()
    assert not kvae.configure(made, network="conv").training.jit
    own = kvae.configure(made).training
    assert kvae.configure(made, epochs=10 * own.epochs).training.patience == 10 * own.patience
    assert kvae.configure(made, epochs=1).training.patience == own.patience
    steps = -(-len(made.train) // own.batch_size)
    few = kvae.configure(made, epochs=10).training
    assert few.weight_average == pytest.approx(max(0, 1 - 5 / steps), abs=1e-4)


def test_the_own_recipe_gives_its_reasons(made):
    def reasons(**options):
        config = kvae.configure(made, **options)
        return family("vae").reasons(config, facts(made), options)

    every = reasons()
    assert every[0] == "A side of 16 pixels is large enough for convolutions: conv."
    assert every[1] == "The pixels are of many levels: the likelihood is normal-pixelwise."
    assert every[2].startswith("There are 40 images to train on: 800 epochs, or fewer if the val")
    assert every[3] == "So few might be learned by heart: weight decay slows that down."
    assert every[4] == "After training, a mixture is fitted to their latents: samples come from it."
    assert every[5] == (
        "What is in the images can be anywhere: in training they are shifted by up to 1 pixel."
    )
    # What a person chose needs no reason.
    chosen = {
        "network": "conv",
        "epochs": 3,
        "shift": 0,
        "binarize": "threshold",
        "weight_decay": 0,
        "prior": "standard",
    }
    assert reasons(**chosen) == []


def test_images_are_shifted_by_less_than_their_height_and_width(made):
    assert kvae.configure(made, shift=15).training.shift == 15
    with pytest.raises(UsageError, match="16 x 16 cannot be shifted by 16 pixels"):
        kvae.configure(made, shift=16)


@pytest.mark.parametrize(
    ("kind", "likelihood"), [("binary", "bernoulli"), ("grey", "normal"), ("colour", "normal")]
)
def test_other_data_get_a_likelihood_by_their_kind(kind, likelihood):
    assert options_of("reference", "tfds:other", kind, 100)["likelihood"] == likelihood


def test_options_take_the_place_of_the_recipes(digits):
    config = kvae.configure(digits, latent=7, hidden=[3, 4], epochs=None, beta=2.0)
    assert config.model.latent == 7
    assert config.model.hidden == (3, 4)
    assert config.training.epochs == kvae.configure(digits).training.epochs
    assert config.objective.beta == 2
    assert config.model.image_shape == (8, 8, 1)
    assert config.data.dataset == "digits"


@pytest.mark.parametrize("binarize", ["threshold", "dynamic"])
def test_black_and_white_pixels_get_a_bernoulli(digits, binarize):
    assert kvae.configure(digits).model.likelihood == "normal-pixelwise"
    assert kvae.configure(digits, binarize=binarize).model.likelihood == "bernoulli"


def test_another_bound_does_without_what_the_recipes_takes(digits):
    assert kvae.configure(digits, "best").objective.importance_samples == 5
    config = kvae.configure(digits, "best", bound="elbo", free_bits=0.1)
    assert config.objective.importance_samples == 1
    assert not config.objective.doubly_reparameterized


def test_another_posterior_does_without_the_recipes_gradient(digits):
    assert kvae.configure(digits, "best").objective.doubly_reparameterized
    config = kvae.configure(digits, "best", posterior="iaf")
    assert config.objective.bound == "iwae"
    assert not config.objective.doubly_reparameterized


def test_another_estimator_does_without_the_recipes_bound(digits):
    objective = kvae.configure(digits, "best", estimator="wake-sleep").objective
    assert (objective.bound, objective.importance_samples, objective.input_noise) == ("elbo", 1, 0)
    assert objective.name_in(1) == "wake-sleep"
    for options in {"beta": 2.0}, {"bound": "iwae"}, {"input_noise": 0.1}, {"dropout": 0.1}:
        with pytest.raises(UsageError, match="estimator 'wake-sleep' takes no"):
            kvae.configure(digits, estimator="wake-sleep", **options)


@pytest.mark.parametrize("recipe", ["reference", "paper", "best"])
def test_json_round_trip(digits, recipe):
    config = kvae.configure(digits, recipe, binarize="dynamic", likelihood="bernoulli")
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent": 0}, "latent must be 1 or more, got 0"),
        ({"hidden": (4, 0)}, "hidden layers have 1 unit or more, got 4,0"),
        ({"epochs": 0}, "epochs must be 1 or more"),
        ({"batch_size": -1}, "batch_size must be 1 or more"),
        ({"learning_rate": 0.0}, "learning_rate must be greater than 0"),
        ({"learning_rate": np.nan}, "learning_rate must be greater than 0, got nan"),
        ({"beta": -1.0}, "beta must be 0 or more"),
        ({"beta": np.inf}, "beta must be 0 or more, got inf"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"seed": 2**31}, "seed must be at most 2,147,483,647"),
        ({"likelihood": "gaussian"}, "unknown likelihood 'gaussian'"),
        ({"likelihood": "bernouli"}, "did you mean 'bernoulli'?"),
        ({"optimizer": "adm"}, "did you mean 'adam'?"),
        ({"mean_activation": "relu"}, "unknown mean_activation 'relu': known are linear, sigmoid"),
        ({"likelihood": "bernoulli", "mean_activation": "linear"}, "needs a likelihood of normal"),
        ({"likelihood": "normal", "binarize": "dynamic"}, "needs the bernoulli likelihood"),
        ({"binarize": "always"}, "unknown binarize"),
        ({"recipe": "refrence"}, "did you mean 'reference'?"),
        ({"laten": 3}, "unknown option 'laten': did you mean 'latent'?"),
        ({"initial_stddev": 0.0}, "initial_stddev must be greater than 0"),
        ({"prior": "vmap"}, "did you mean 'vamp'?"),
        ({"posterior": "normal"}, "unknown posterior 'normal': known are diagonal, full, iaf"),
        ({"activation": "swish"}, "unknown activation 'swish'"),
        ({"dropout": 1.0}, "dropout must be 0 or more and below 1, got 1.0"),
        ({"components": 5}, "`components` needs `prior=mixture` or `prior=vamp`"),
        ({"flow_units": 5}, "`flow_units` needs `prior=flow` or `posterior=iaf`"),
        ({"importance_samples": 5}, "need `bound=iwae`"),
        ({"doubly_reparameterized": True}, "need `bound=iwae`"),
        (
            {"bound": "iwae", "doubly_reparameterized": True, "posterior": "iaf"},
            "doubly reparameterised gradients need a Gaussian posterior",
        ),
        ({"bound": "iwae", "free_bits": 0.1}, "free_bits needs `bound=elbo`"),
        ({"patience": 0}, "patience must be 1 or more"),
        (
            {"optimizer": "adam", "initial_accumulator": 0.0},
            "`initial_accumulator` is for `optimizer=adagrad`, not adam",
        ),
        ({"initial_accumulator": -1.0}, "initial_accumulator must be 0 or more"),
        ({"schedule": "linear"}, "unknown schedule 'linear'"),
        ({"likelihood": "continuous-bernoulli", "mean_activation": "linear"}, "within [0, 1]"),
    ],
)
def test_impossible_options(digits, options, message):
    with pytest.raises(UsageError) as error:
        kvae.configure(digits, **options)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "value",
    [None, 3, [], {}, {"recipe": "reference"}, "text"],
)
def test_json_of_something_else(value):
    with pytest.raises(KvaeError, match="not a configuration of kvae"):
        Config.from_json(value)


def test_json_with_an_unknown_field(digits):
    value = kvae.configure(digits).to_json()
    value["model"]["depth"] = 3
    with pytest.raises(KvaeError, match="depth"):
        Config.from_json(value)


def test_an_objective_that_is_no_bound_says_so():
    assert ObjectiveConfig().name_in(1) == "elbo"
    warmed = ObjectiveConfig(beta=0.5, kl_warmup=3, free_bits=0.1)
    assert [warmed.beta_in(epoch) for epoch in (1, 2, 3, 4, 9)] == [0.125, 0.25, 0.375, 0.5, 0.5]
    assert warmed.name_in(2) == "elbo beta=0.25 free_bits=0.1"
    assert warmed.summary == "elbo beta=0.5 free_bits=0.1"
    assert ObjectiveConfig(bound="iwae", importance_samples=50).name_in(9) == "iwae-50"


def test_a_configuration_of_the_earlier_format_is_read(digits):
    config = read_config(EARLIER / "saved_models" / "complete")
    assert config.family == "vae"
    expected = ObjectiveConfig(bound="iwae", importance_samples=2, beta=0.5, kl_warmup=1)
    assert config.objective == expected
    assert (config.model.prior, config.model.components) == ("mixture", 3)
    assert (config.training.optimizer, config.training.epochs) == ("adam", 4)
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("part", "name"), [("data", "split_seed"), ("objective", "weight_prior"), ("training", "seed")]
)
@pytest.mark.parametrize("value", [10**400, float("inf"), -1])
def test_numbers_that_are_out_of_range(digits, part, name, value):
    config = kvae.configure(digits).to_json()
    config[part][name] = value
    with pytest.raises(KvaeError, match=name):
        Config.from_json(config)


def test_configurations_are_frozen(digits):
    with pytest.raises(dataclasses.FrozenInstanceError):
        kvae.configure(digits).model.latent = 3
