"""The options of hierarchical models, and the rules between them."""

import dataclasses

import pytest

import kvae
from kvae.config import Config, Facts
from kvae.models.hierarchical import METRICS, recipes
from kvae.models.hierarchical.config import ObjectiveConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": (3,)}, "levels are 2 to 6 numbers of dimensions, got 1; for one level, choose"),
        ({"levels": (1,) * 7}, "levels are 2 to 6 numbers of dimensions, got 7"),
        ({"levels": (3, 0)}, "levels have 1 dimension or more, got 3,0"),
        ({"inference": "bottom-up", "prior": "vamp"}, "'vamp' needs `inference=top-down`"),
        ({"inference": "sideways"}, "unknown inference 'sideways'"),
        ({"image_from": "none"}, "unknown image_from 'none'"),
        ({"level_warmup": (1, 2, 3)}, "level_warmup must have .* each of the 2 levels, got 3"),
        ({"level_warmup": (1, -2)}, "level_warmup are epochs, got 1,-2"),
        ({"level_warmup": (1, 2), "kl_warmup": 3}, "`level_warmup` takes the place of `kl_warmup`"),
        (
            {"level_warmup": (1, 2), "bound": "iwae", "doubly_reparameterized": True},
            "the same weight of the KL for all levels",
        ),
        ({"doubly_reparameterized": True}, "`doubly_reparameterized` needs `bound=iwae`|need"),
        ({"free_bits": 0.1, "bound": "iwae"}, "free_bits needs `bound=elbo`"),
        ({"recipe": "paper"}, "recipe 'paper' is of results with a flat model"),
        ({"latent": 3}, "`latent` needs `family=vae`"),
        ({"flow_layers": 3}, "`flow_layers` needs `prior=flow`"),
        ({"hidden": (9,) * 60}, "100 hidden layers in all levels at most, got 120"),
        ({"level_hidden": (9,) * 99}, "100 hidden layers in all levels at most, got 101"),
        ({"level_hidden": (9, 0)}, "hidden layers have 1 unit or more, got 9,0"),
        ({"binarize": "threshold", "likelihood": "normal"}, "needs the bernoulli likelihood"),
    ],
)
def test_bad_options_are_refused_in_one_line(tiny, options, message):
    with pytest.raises(kvae.UsageError, match=message) as caught:
        tiny(**options)
    assert "\n" not in str(caught.value)


def test_options_of_levels_need_the_family(few_digits):
    with pytest.raises(kvae.UsageError, match="`levels` needs `family=hierarchical`"):
        kvae.configure(few_digits, levels=(3, 2))


def test_a_configuration_comes_back_from_json(tiny):
    config = tiny(levels=(4, 3, 2), level_warmup=(1, 2, 3))
    assert Config.from_json(config.to_json()) == config
    assert config.model.label == "z4-3-2"
    assert "levels of 4 - 3 - 2 latents" in config.model.summary


def test_each_level_has_a_warm_up_of_its_own():
    assert ObjectiveConfig(kl_warmup=3, beta=2.0).betas_in(1, 2) == [0.5, 0.5]
    objective = ObjectiveConfig(level_warmup=(1, 3))
    assert objective.betas_in(1, 2) == [0.5, 0.25]
    assert objective.betas_in(4, 2) == [1.0, 1.0]
    assert objective.name_in(1) == "elbo beta=0.5|0.25"
    assert objective.summary == "elbo"


def test_recipes_have_two_levels_and_warm_up(few_digits):
    config = kvae.configure(few_digits, family="hierarchical")
    assert config.recipe == "best"
    assert len(config.model.levels) == 2
    assert config.objective.kl_warmup == config.training.epochs // 5
    shorter = kvae.configure(few_digits, family="hierarchical", epochs=10)
    assert shorter.objective.kl_warmup == 2
    unknown = dataclasses.replace(few_digits, name="unknown")
    assert kvae.configure(unknown, family="hierarchical").recipe == "own"


def test_every_level_has_a_metric():
    assert [metric.name for metric in METRICS[3:-1]] == [f"kl_{level}" for level in range(1, 7)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"map_sides": (4, 1)}, "`map_sides` needs `network=conv`"),
        ({"map_sides": (4, 1), "inference": "bottom-up"}, "bottom-up, all levels are vectors"),
        ({"map_sides": (4,)}, "a side for each of the 2 levels, got 4"),
        ({"map_sides": (3, 1)}, "have maps of side 4, 2, and .* map_sides is 3,1"),
        ({"map_sides": (1, 1)}, "map_sides is 1,1"),
        ({"map_sides": (2, 4)}, "no level may be larger than the level below it"),
    ],
)
def test_levels_of_maps_are_at_stages_in_order(tiny, options, message):
    network = {} if "network" in message else {"network": "conv", "channels": (4, 8)}
    with pytest.raises(kvae.UsageError, match=message):
        tiny(**network | options)


def test_levels_of_maps_have_a_latent_for_each_place(tiny):
    maps = {"network": "conv", "channels": (4, 8), "map_sides": (4, 2, 1)}
    model = tiny(levels=(2, 3, 5), **maps).model
    assert model.stages == (1, 2, None)
    assert model.dimensions == (4 * 4 * 2, 2 * 2 * 3, 5)
    assert "levels of 4x4x2 - 2x2x3 - 5 latents" in model.summary


def test_the_best_recipe_has_a_dense_layer_on_mnist_and_the_flat_options_elsewhere():
    binary = Facts("mnist", "binary", 50_000, (28, 28, 1), lambda: True, lambda: None)
    mnist = recipes.recipe("best", binary)
    assert (mnist["network"], mnist["hidden"], mnist["epochs"]) == ("mlp", (500,), 150)
    few = recipes.recipe("best", binary._replace(name="tfds:other", train_images=500))
    assert (few["hidden"], few["epochs"]) == ((500,), 500)
    frey = recipes.recipe("best", Facts("frey", "grey", 1565, (28, 20, 1), None, None))
    assert (frey["network"], frey["prior"], frey["bound"]) == ("conv", "mixture", "elbo")
    assert (frey["levels"], frey["kl_warmup"], frey["epochs"]) == ((5, 10), 40, 400)


def test_own_has_no_dense_layer_beside_convolutions_but_one_between_levels(few_digits):
    unknown = dataclasses.replace(few_digits, name="unknown")
    model = kvae.configure(unknown, family="hierarchical").model
    assert (model.network, model.hidden, model.level_hidden) == ("conv", (), recipes.UNITS)
    assert "levels of 4 - 3 latents with 256 units between" in model.summary
    chosen = kvae.configure(unknown, family="hierarchical", hidden=(9,)).model
    assert (chosen.hidden, chosen.level_hidden) == ((9,), ())
    dense = kvae.configure(unknown, family="hierarchical", network="mlp").model
    assert len(dense.hidden) == 1
    assert not dense.level_hidden
