"""Whatever is configured either trains, is saved and comes back, or is refused at once."""

import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kvae
from kvae import registry
from kvae.config import RECIPES, Config
from kvae.config.parts import BINARIZE
from kvae.data.dataset import Dataset, Split, partitioned
from kvae.errors import KvaeError, UsageError
from kvae.models.vae.config import ACTIVATIONS, MEAN_ACTIVATIONS

ANY = {
    "latent": st.integers(-1, 5),
    "hidden": st.lists(st.integers(0, 9), max_size=3).map(tuple),
    "activation": st.sampled_from([*ACTIVATIONS, "nothing"]),
    "prior": st.sampled_from([*registry.PRIORS, ""]),
    "components": st.integers(0, 12),
    "posterior": st.sampled_from([*registry.POSTERIORS]),
    "flow_layers": st.integers(0, 3),
    "flow_units": st.integers(0, 8),
    "likelihood": st.sampled_from([*registry.LIKELIHOODS]),
    "mean_activation": st.sampled_from(MEAN_ACTIVATIONS),
    "binarize": st.sampled_from(BINARIZE),
    "optimizer": st.sampled_from([*registry.OPTIMIZERS]),
    "learning_rate": st.floats(-0.1, 0.02),
    "schedule": st.sampled_from([*registry.SCHEDULES]),
    "estimator": st.sampled_from([*registry.ESTIMATORS]),
    "bound": st.sampled_from([*registry.BOUNDS]),
    "importance_samples": st.integers(0, 4),
    "doubly_reparameterized": st.booleans(),
    "beta": st.floats(-1, 4) | st.just(math.nan),
    "kl_warmup": st.integers(-1, 2),
    "free_bits": st.floats(-0.1, 1),
    "patience": st.integers(0, 3),
    "weight_decay": st.floats(-0.1, 1),
    "dropout": st.floats(-0.1, 1),
    "input_noise": st.floats(-0.1, 1),
    "seed": st.integers(-1, 2**31),
}


@st.composite
def some(draw: st.DrawFn) -> dict:
    """A few options, which need not be valid by themselves nor together."""
    return {name: draw(ANY[name]) for name in draw(st.sets(st.sampled_from([*ANY]), max_size=4))}


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Few small images of any kind: grey or coloured, noise, black and white, or all the same."""
    shape = draw(st.tuples(st.integers(10, 30), *[st.integers(1, 9)] * 2, st.sampled_from([1, 3])))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    images = {
        "noise": lambda: rng.integers(0, 256, shape),
        "binary": lambda: 255 * rng.integers(0, 2, shape),
        "same": lambda: np.full(shape, draw(st.sampled_from([0, 2, 100, 255]))),
    }[draw(st.sampled_from(["noise", "binary", "same"]))]()
    return partitioned("made", Split(images.astype(np.uint8)), 0, "made up")


def test_a_configuration_is_refused_or_whole():
    said, accepted = [], []

    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(datasets(), st.sampled_from(RECIPES), some())
    def configured(dataset, recipe, options):
        try:
            config = kvae.configure(dataset, recipe, **options)
        except UsageError as error:
            said.append(str(error))
            return
        accepted.append(config)
        assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config
        assert config.model.latent >= 1
        assert all(units >= 1 for units in config.model.hidden)
        assert config.training.learning_rate > 0
        assert 0 <= config.objective.beta < math.inf
        assert 0 <= config.model.dropout < 1
        assert config.training.seed >= 0

    configured()
    assert len(accepted) > 50
    assert len(said) > 50
    assert all(len(message.splitlines()) == 1 for message in said)


@st.composite
def coherent(draw: st.DrawFn) -> dict:
    """Options that go together."""
    prior, bound = (
        draw(st.sampled_from([*registry.PRIORS])),
        draw(st.sampled_from(["elbo", "iwae"])),
    )
    posterior = draw(st.sampled_from([*registry.POSTERIORS]))
    likelihood = draw(st.sampled_from([*registry.LIKELIHOODS]))
    options = {
        "latent": draw(st.integers(1, 4)),
        "hidden": draw(st.lists(st.integers(1, 9), max_size=2).map(tuple)),
        "activation": draw(st.sampled_from(ACTIVATIONS)),
        "optimizer": draw(st.sampled_from([*registry.OPTIMIZERS])),
        "learning_rate": draw(st.floats(1e-6, 0.01)),
        "schedule": draw(st.sampled_from([*registry.SCHEDULES])),
        "dropout": draw(st.sampled_from([0.0, 0.3])),
        "beta": draw(st.floats(0, 4)),
        "prior": prior,
        "posterior": posterior,
        "likelihood": likelihood,
        "bound": bound,
    }
    if prior in ("mixture", "vamp"):
        options["components"] = draw(st.integers(1, 8))
    if prior == "flow" or posterior == "iaf":
        options |= {"flow_layers": draw(st.integers(1, 2)), "flow_units": draw(st.integers(1, 8))}
    if bound == "iwae":
        options["importance_samples"] = draw(st.integers(1, 3))
    if likelihood == "bernoulli":
        options["binarize"] = draw(st.sampled_from(BINARIZE))
    return options


@pytest.mark.slow
def test_what_is_not_refused_trains_is_saved_and_comes_back(tmp_path):
    tried = []

    @settings(
        max_examples=6, deadline=None, derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    @given(datasets(), coherent())
    def trains(dataset, options):
        # Two steps.
        steps = {"epochs": 1, "batch_size": -(-len(dataset.train) // 2), "jit": False}
        try:
            config = kvae.configure(dataset, **options | steps)
        except UsageError:
            return
        model = kvae.build(config, dataset.train.images)
        if (dataset.train.images == dataset.train.images[0]).all():
            with pytest.raises(KvaeError, match="all images of made are the same"):
                kvae.train(model, dataset)
            return
        (epoch,) = kvae.train(model, dataset)
        assert np.isfinite([epoch["train_objective"], epoch["validation_elbo"]]).all()
        saved = kvae.save(model, tmp_path / str(len(tried)))
        tried.append(saved)
        loaded = kvae.load(saved)
        np.testing.assert_array_equal(loaded.sample(2, 1), model.sample(2, 1))
        images = loaded.sample(3, 2).numpy()
        assert images.shape == (3, *dataset.image_shape)
        assert ((images >= 0) & (images <= 1)).all()

    trains()
    assert len(tried) >= 3
