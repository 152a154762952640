"""A family that is defined here, an adversarial one without a posterior, works everywhere.

Nothing outside this file names it but the registry, which the fixture fills.
"""

import contextlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

import kvae
from kvae import gallery, registry, runs
from kvae.config import Family
from kvae.config.fields import check, option
from kvae.evaluation import evaluate
from kvae.metrics import Metric
from kvae.models.base import Bounds, Embeds, Generates, Infers, Model, Reconstructs, seed_pair
from kvae.models.plan import Evaluation, GradientUpdate, Plan
from kvae.runs import saved_models
from kvae.runs.history import read_history
from kvae.runs.pictures import subject


@dataclass(frozen=True)
class ToyModel:
    image_shape: tuple[int, int, int]
    noise: int = option(4, least=1, help="Dimensions of the noise.")

    def __post_init__(self) -> None:
        check(self)

    @property
    def label(self) -> str:
        return f"n{self.noise}"

    @property
    def summary(self) -> str:
        return f"a generator of {self.noise} numbers"


@dataclass(frozen=True)
class ToyObjective:
    smoothing: float = option(0.0, least=0, below=1, help="Of the labels.")

    copies = 1
    summary = "non-saturating"

    def __post_init__(self) -> None:
        check(self)


CLOSENESS = Metric("closeness", "closeness", unit="", higher_is_better=True)
FAMILY = Family(
    description="a toy",
    model=ToyModel,
    objective=ToyObjective,
    metrics=(
        Metric("generator_loss", "generator's loss"),
        Metric("discriminator_loss", "discriminator's loss"),
        CLOSENESS,
    ),
    build="toy:build",
    recipe=lambda name, facts: {"epochs": 4, "batch_size": 50, "optimizer": "adam"},
)


class Toy(Model):
    """A generator and a discriminator, one layer each."""

    def __init__(self, config):
        super().__init__(config)
        seeds = (keras.initializers.GlorotUniform(seed=config.training.seed + i) for i in range(2))
        shape, noise = config.model.image_shape, config.model.noise
        self.generator = keras.layers.Dense(
            int(np.prod(shape)), "sigmoid", kernel_initializer=next(seeds)
        )
        self.discriminator = keras.layers.Dense(1, kernel_initializer=next(seeds))
        self.judge(self.generate(tf.zeros((1, noise))))
        self.built = True

    def generate(self, noise):
        return tf.reshape(self.generator(noise), (-1, *self.config.model.image_shape))

    def judge(self, images):
        return self.discriminator(tf.reshape(images, (tf.shape(images)[0], -1)))[:, 0]

    def sample(self, count, seed=0):
        shape = tf.stack([count, self.config.model.noise])
        return self.generate(tf.random.stateless_normal(shape, seed_pair(seed)))

    def plan(self, dataset, new_optimizer):
        return ToyPlan(self, dataset, new_optimizer)


class Average:
    """Keeps a moving average of the generator's bias: state that follows no gradient."""

    def __init__(self, model):
        self.bias, self.value = model.generator.bias, tf.Variable(tf.zeros(model.generator.units))

    def compute(self, batch):
        return [tf.convert_to_tensor(self.bias)], {}

    def apply(self, computed):
        self.value.assign(0.9 * self.value + 0.1 * computed[0])


class ToyPlan(Plan):
    metrics = ("discriminator_loss", "generator_loss")
    best = CLOSENESS

    def __init__(self, model, dataset, new_optimizer):
        self.model = model
        parts = model.discriminator, model.generator
        optimizers = [new_optimizer(part.trainable_variables) for part in parts]
        losses = self._judging, self._fooling
        self.average = Average(model)
        self.updates = [
            *(
                GradientUpdate(part.trainable_variables, optimizer, loss)
                for part, optimizer, loss in zip(parts, optimizers, losses, strict=True)
            ),
            self.average,
        ]
        self.state = [
            *(v.value for optimizer in optimizers for v in optimizer.variables),
            self.average.value,
        ]

    def _judging(self, batch):
        made = self.model.sample(batch.images.shape[0], batch.seed)
        real, fake = self.model.judge(batch.images), self.model.judge(made)
        each = tf.nn.softplus(-real) + tf.nn.softplus(fake)
        total = tf.reduce_sum(batch.weight * each)
        return total / batch.total, {"discriminator_loss": total}

    def _fooling(self, batch):
        made = self.model.sample(batch.images.shape[0], batch.seed)
        total = tf.reduce_sum(batch.weight * tf.nn.softplus(-self.model.judge(made)))
        return total / batch.total, {"generator_loss": total}

    def validate(self, images, labels=None):
        made = self.model.sample(len(images)).numpy().mean(axis=0)
        distance = np.abs(images / np.float32(255) - made).mean(axis=(1, 2, 3))
        return Evaluation(terms={"closeness": -distance})


def build(config, images=None):
    return Toy(config)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The one line that a new family takes."""
    monkeypatch.setitem(sys.modules, "toy", sys.modules[__name__])
    monkeypatch.setitem(registry.MODELS, "toy", "toy:FAMILY")


@pytest.fixture
def config(few_digits):
    return kvae.configure(few_digits, family="toy", patience=4, jit=False)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    return {"runs": tmp_path / "runs", "models": tmp_path / "saved_models"}


def test_options_of_another_family_are_refused(few_digits):
    with pytest.raises(kvae.UsageError, match="`smoothing` needs `family=toy`"):
        kvae.configure(few_digits, smoothing=0.1)
    with pytest.raises(kvae.UsageError, match="`latent` needs `family=vae`"):
        kvae.configure(few_digits, family="toy", latent=3)


def test_it_trains_with_columns_of_its_own(few_digits, config, places):
    run = runs.start(few_digits, config, "toy", **places)
    assert isinstance(run.model, Generates)
    assert not isinstance(run.model, Bounds | Embeds | Infers | Reconstructs)
    columns = read_history(run.folder)
    assert list(columns) == [
        "epoch",
        "seconds",
        "validation_closeness",
        "train_discriminator_loss",
        "train_generator_loss",
    ]
    assert columns["validation_closeness"] == [row["validation_closeness"] for row in run.history]
    best = max(columns["validation_closeness"])
    assert run.results["epoch"] == columns["validation_closeness"].index(best) + 1
    assert run.results["validation_closeness"] == best
    assert "elbo" not in run.results


def test_tensorboard_has_its_losses(few_digits, config, places):
    run = runs.start(few_digits, config, "toy", **places)
    found = {}
    for split in "train", "validation":
        (path,) = (run.folder / split).glob("events*")
        found[split] = {
            value.tag
            for event in tf.compat.v1.train.summary_iterator(str(path))
            for value in event.summary.value
        }
    assert found["train"] == {"discriminator_loss", "generator_loss"}
    assert found["validation"] == {"closeness"}


@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_it_resumes_bit_for_bit(few_digits, places, jit):
    config = kvae.configure(few_digits, family="toy", jit=jit)
    whole = runs.start(few_digits, config, "whole", **places)
    asked = iter([None, None, 15])
    with pytest.raises(KeyboardInterrupt):
        runs.start(few_digits, config, "cut", **places, asked_to_stop=lambda: next(asked))
    resumed = runs.resume(few_digits, "cut", **places)
    for ours, theirs in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    strip = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in run.history]
        for run in (resumed, whole)
    ]
    assert strip[0] == strip[1]


def test_its_moving_average_is_part_of_the_state(few_digits, config):
    model = kvae.build(config)
    state = kvae.training.State(model, few_digits)
    kvae.train(model, few_digits, state=state)
    average = state.plan.average.value.numpy()
    assert average.any()
    assert any(np.array_equal(average, each.numpy()) for each in state.plan.state)


def test_it_samples_exports_and_gets_no_row_of_a_bound(few_digits, config, places, tmp_path):
    run = runs.start(few_digits, config, "toy", **places)
    loaded = saved_models.load(run.saved_model)
    exported = tf.saved_model.load(str(run.saved_model))
    assert set(exported.signatures) == {"sample", "serving_default"}
    args = {"count": tf.constant(3), "seed": tf.constant([1, 0])}
    samples = exported.signatures["serving_default"](**args)["images"]
    np.testing.assert_allclose(samples, loaded.sample(3, seed=1), atol=1e-6)

    report = evaluate(loaded, few_digits)
    assert set(report.groups) == {"Samples against data", "Rare modes", "Memorising"}
    drawn_from = subject(run.saved_model, few_digits, places["runs"])
    drawn = set()
    for name in gallery.PICTURES:
        with contextlib.suppress(gallery.NotDrawnError):
            drawn |= set(gallery.draw(drawn_from, [name], tmp_path / "figures"))
    assert drawn == {"curves", "samples", "nearest", "animation"}


def test_the_commands_take_it(few_digits, config, places, monkeypatch):
    run = runs.start(few_digits, config, "toy", **places)
    from kvae_cli.listing import listing
    from kvae_cli.options import of_configuration
    from kvae_cli.train import train

    shown = CliRunner().invoke(
        listing, ["--runs", str(run.folder.parent), "--models", str(run.saved_model.parent)]
    )
    assert shown.exit_code == 0, shown.output
    assert "closeness" in shown.output
    assert "ELBO" not in shown.output
    # The options were made when the command was imported, before the family was registered.
    family = next(param for param in train.params if param.name == "family")
    again = of_configuration(type(train)("train", params=[family]))
    found = {param.name: param.help for param in again.params}
    assert found["smoothing"] == "Of the labels. Only with --family toy."
    # A sentence names the families that have this option, and the new one is not among them.
    assert re.search(r"Only with --family .*\bvae", found["latent"])
    assert "toy" not in found["latent"]
    assert "Only" not in found["epochs"]
