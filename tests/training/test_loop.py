"""The training loop: each image once, a seed decides, and what it reports is true."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import kvae
from kvae import registry
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.data import Dataset
from kvae.errors import KvaeError, UsageError
from kvae.evaluation import Evaluator
from kvae.models.estimates import mean
from kvae.models.plan import Batch, GradientUpdate, Plan, Sums
from kvae.models.vae.config import ModelConfig, ObjectiveConfig
from kvae.models.vae.plan import batch_loss
from kvae.training import State
from kvae.training.epochs import CompiledEpoch
from kvae.training.optimizers import new_optimizer


class Counter(Plan):
    """A plan with a weight an image, whose gradient says which images a step saw.

    Image i is white at pixel i alone, so one step of SGD with rate 1 adds 1 / (images in the step)
    to the weights of the images in it.
    """

    def __init__(self, count: int) -> None:
        self.seen = tf.Variable(tf.zeros(count))
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build([self.seen])
        self.updates = [GradientUpdate([self.seen], optimizer, self._loss)]

    def _loss(self, batch: Batch) -> tuple[tf.Tensor, Sums]:
        white = tf.reshape(batch.images, (batch.images.shape[0], -1)) @ self.seen[:, None]
        total = tf.reduce_sum(batch.weight * white[:, 0])
        return -total / batch.total, {}


def counting_epoch(
    count: int, batch_size: int, **training: object
) -> tuple[CompiledEpoch, Counter]:
    images = (255 * np.eye(count, dtype=np.uint8)).reshape(count, count, 1, 1)
    plan = Counter(count)
    config = TrainingConfig(epochs=1, batch_size=batch_size, **training)
    return CompiledEpoch(plan, images, config, "none"), plan


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize(("count", "batch_size"), [(10, 4), (12, 4), (7, 1), (5, 8), (9, 8)])
def test_an_epoch_sees_every_image_exactly_once(count, batch_size, jit):
    run, model = counting_epoch(count, batch_size, jit=jit)
    np.testing.assert_array_equal(model.seen, np.zeros(count))
    run(1)
    last = count % min(batch_size, count)
    full = [1 / min(batch_size, count)] * (count - last)
    np.testing.assert_allclose(sorted(model.seen.numpy()), full + [1 / max(last, 1)] * last)


def test_every_epoch_has_an_order_of_its_own():
    run, model = counting_epoch(50, 49)
    alone = []
    for epoch in range(1, 9):
        before = model.seen.numpy()
        run(epoch)
        alone.append(int(np.argmax(model.seen.numpy() - before)))
    assert len(set(alone)) > 4


@pytest.mark.parametrize(
    ("chunk_steps", "jit"), [(1, False), pytest.param(3, True, marks=pytest.mark.slow)]
)
def test_chunks_of_images_too_large_to_keep_give_the_same_weights(
    few_digits, tmp_path, chunk_steps, jit
):
    config = config_of(few_digits, batch_size=20, likelihood="bernoulli", jit=jit)
    np.save(tmp_path / "images.npy", few_digits.train.images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    outcomes = []
    for images, limits in (
        (few_digits.train.images, {}),
        (mapped, {"resident_bytes": 0, "chunk_bytes": chunk_steps * 20 * 64}),
    ):
        model = kvae.build(config)
        plan = State(model, few_digits).plan
        run = CompiledEpoch(plan, images, config.training, "dynamic", **limits)
        figures = [run(number) for number in (1, 2)]
        outcomes.append((figures, model.get_weights()))
    (kept, kept_weights), (chunked, chunked_weights) = outcomes
    assert kept == chunked
    for left, right in zip(kept_weights, chunked_weights, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("how", ["shorter", "gone"])
def test_a_mapped_file_that_changes_ends_training(few_digits, tmp_path, how):
    config = config_of(few_digits, batch_size=20, jit=False)
    file = tmp_path / "images.npy"
    np.save(file, few_digits.train.images)
    mapped = np.load(file, mmap_mode="r")
    plan = State(kvae.build(config), few_digits).plan
    limits = {"resident_bytes": 0, "chunk_bytes": 20 * 64}
    run = CompiledEpoch(plan, mapped, config.training, "none", **limits)
    run(1)
    if how == "shorter":
        with file.open("r+b") as opened:
            opened.truncate(1000)
    else:
        file.unlink()
    with pytest.raises(KvaeError, match="images.npy has changed or is gone"):
        run(2)


def config_of(dataset: Dataset, **options: object) -> Config:
    small = {"hidden": (16,), "epochs": 3, "latent": 2, "batch_size": 64, "schedule": "constant"}
    return kvae.configure(dataset, **{**small, "learning_rate": 0.001, **options})


def weights_after_training(dataset: Dataset, **options: object) -> list[np.ndarray]:
    model = kvae.build(config_of(dataset, **options))
    kvae.train(model, dataset)
    return model.get_weights()


def test_a_seed_decides_the_weights(few_digits):
    options = {"likelihood": "bernoulli", "jit": False, "binarize": "dynamic"}
    one, same, other = (weights_after_training(few_digits, seed=s, **options) for s in (1, 1, 2))
    for left, right in zip(one, same, strict=True):
        np.testing.assert_array_equal(left, right)
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_training_figures_are_means_over_all_images(few_digits):
    # With a step of nearly nothing the weights stay, so the epoch's KL, which has no noise in it,
    # is that of the initial model over the training images; 150 is not a multiple of 64.
    config = config_of(few_digits, optimizer="sgd", learning_rate=1e-30, epochs=1)
    model = kvae.build(config)
    expected = Evaluator(model, seed=0)(few_digits.train.images)
    (epoch,) = kvae.train(model, few_digits)
    assert epoch["train_kl"] == pytest.approx(expected.means["kl"], rel=1e-5)
    assert epoch["train_reconstruction"] == pytest.approx(
        expected.means["reconstruction"], rel=0.02
    )
    assert epoch["train_elbo"] == pytest.approx(
        epoch["train_reconstruction"] - epoch["train_kl"], rel=1e-5
    )
    assert epoch["seconds"] > 0


def test_training_raises_the_elbo(few_digits):
    model = kvae.build(
        config_of(few_digits, epochs=30, optimizer="adam", learning_rate=0.003, jit=False)
    )
    history = kvae.train(model, few_digits)
    assert [epoch["epoch"] for epoch in history] == list(range(1, 31))
    assert history[-1]["train_elbo"] > history[0]["train_elbo"] + 5
    assert history[-1]["validation_elbo"] > history[0]["validation_elbo"] + 5


def test_weight_prior_pulls_the_decoder_to_zero():
    weight = tf.Variable([2.0, -3.0])
    model = SimpleNamespace(
        decoder=SimpleNamespace(trainable_variables=[weight]),
        config=SimpleNamespace(objective=ObjectiveConfig(weight_prior=0.5)),
    )
    ones = tf.ones(4)
    batch = Batch(None, None, ones, 4.0, 1.0, None, None, {})
    with tf.GradientTape() as tape:
        loss = batch_loss(model, tf.zeros(4), batch, count=4)
    # The gradient of precision / 2 |w|^2 / images, once.
    np.testing.assert_allclose(tape.gradient(loss, weight), 0.5 * weight / 4, rtol=1e-6)


def test_weight_decay_is_of_the_networks_matrices_alone(few_digits):
    options = {"prior": "flow", "flow_layers": 1, "flow_units": 8}
    options |= {"optimizer": "sgd", "batch_size": 150}
    options["jit"] = False
    models = [
        kvae.build(config_of(few_digits, epochs=1, weight_decay=decay, **options))
        for decay in (0.0, 7.0)
    ]
    for model in models:
        kvae.train(model, few_digits)
    start = kvae.build(models[0].config)
    prior = {id(weight) for weight in models[0].prior.weights}
    for old, plain, decayed in zip(
        start.weights, models[0].weights, models[1].weights, strict=True
    ):
        # One step at a rate of 0.001.
        matrix = len(plain.shape) == 2 and id(plain) not in prior
        lost = 0.001 * 7.0 * old.numpy() if matrix else np.zeros(old.shape)
        np.testing.assert_allclose(plain.numpy() - decayed.numpy(), lost, atol=1e-7)


@pytest.mark.parametrize(
    ("schedule", "half", "last"),
    [("constant", 0.1, 0.1), ("cosine", 0.05, 0.0), ("exponential", 0.01, 0.001)],
)
def test_schedules_end_with_the_last_step(schedule, half, last):
    config = TrainingConfig(6, 4, learning_rate=0.1, schedule=schedule)
    # Ten images in batches of four are three steps an epoch.
    optimizer = new_optimizer(config, 10, [tf.Variable([0.0])])
    for step, expected in (0, 0.1), (9, half), (18, last):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(("start", "first"), [(None, 0.1), (0.1, 0.1), (0.0, 0.0), (2.0, 2.0)])
def test_the_first_step_of_adagrad_by_its_start(start, first):
    # Duchi, Hazan & Singer (2011): the step is the gradient over the root of the sum of squares.
    weight = tf.Variable([1.0])
    config = TrainingConfig(1, 1, learning_rate=0.5, initial_accumulator=start)
    optimizer = new_optimizer(config, 1, [weight])
    optimizer.apply([tf.constant([3.0])], [weight])
    assert float(weight[0]) == pytest.approx(1 - 0.5 * 3 / (first + 9) ** 0.5, rel=1e-6)


def test_two_steps_of_adam_without_momentum():
    # Kingma & Ba (2015), Algorithm 1, with beta_1 = 0 and beta_2 = 0.99: the first step depends on
    # the sign of the gradient alone.
    weight = tf.Variable([1.0])
    config = TrainingConfig(1, 1, learning_rate=0.5, optimizer="adam-no-momentum")
    optimizer = new_optimizer(config, 1, [weight])
    optimizer.apply([tf.constant([3.0])], [weight])
    assert float(weight[0]) == pytest.approx(0.5, rel=1e-5)
    optimizer.apply([tf.constant([-4.0])], [weight])
    mean_square = (0.01 * 0.99 * 9 + 0.01 * 16) / (1 - 0.99**2)
    assert float(weight[0]) == pytest.approx(0.5 + 0.5 * 4 / mean_square**0.5, rel=1e-5)


def test_patience_stops_and_keeps_the_best_weights(few_digits):
    # A rate at which 150 digits are soon known by heart.
    options = {"optimizer": "adam", "learning_rate": 0.01, "hidden": (64,), "latent": 8}
    options["jit"] = False
    config = config_of(few_digits, patience=10, epochs=200, **options)
    model = kvae.build(config)
    history = kvae.train(model, few_digits)
    elbos = [epoch["validation_elbo"] for epoch in history]
    best = int(np.argmax(elbos))
    assert len(history) == best + 1 + 10 < 200
    chunk = len(few_digits.validation)
    evaluate = Evaluator(model, config.training.seed, chunk)
    again = evaluate(few_digits.validation.images)
    assert again.means["elbo"] == pytest.approx(elbos[best], rel=1e-6)
    # The weights are those of a training that ended there.
    short = kvae.build(config_of(few_digits, epochs=best + 1, **options))
    kvae.train(short, few_digits)
    for left, right in zip(model.get_weights(), short.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_history_names_what_was_maximised(few_digits):
    config = config_of(few_digits, kl_warmup=1, beta=2.0, jit=False)
    history = kvae.train(kvae.build(config), few_digits)
    assert [epoch["objective"] for epoch in history] == ["elbo", *["elbo beta=2"] * 2]
    for epoch, beta in zip(history, (1.0, 2.0, 2.0), strict=True):
        weighted = epoch["train_reconstruction"] - beta * epoch["train_kl"]
        assert epoch["train_objective"] == pytest.approx(weighted, rel=1e-5)


POSTERIORS = ("diagonal", "full", "iaf")
LIKELIHOODS = tuple(registry.LIKELIHOODS)


@pytest.mark.parametrize(
    "number",
    # Flows take long to compile.
    [pytest.param(n, marks=() if n in (0, 4, 10, 12) else pytest.mark.slow) for n in range(15)],
)
def test_any_prior_trains_with_any_posterior(few_digits, number):
    # Bounds and likelihoods are dealt out, so that each comes with each prior or posterior.
    prior, posterior = list(registry.PRIORS)[number // 3], POSTERIORS[number % 3]
    bound = {"bound": "iwae", "importance_samples": 3} if (number // 3 + number) % 2 else {}
    if bound and posterior != "iaf":
        bound["doubly_reparameterized"] = True
    options = {"components": 5} if prior in ("mixture", "vamp", "fitted") else {}
    if prior == "flow" or posterior == "iaf":
        options |= {"flow_layers": 1, "flow_units": 8}
    config = config_of(
        few_digits, prior=prior, posterior=posterior, likelihood=LIKELIHOODS[number % 5],
        latent=3, hidden=(8,), batch_size=75, epochs=1, jit=number == 0, **bound, **options,
    )  # fmt: skip
    model = kvae.build(config, few_digits.train.images)
    before = [weight.numpy() for weight in model.trainable_variables]
    (epoch,) = kvae.train(model, few_digits)
    assert np.isfinite([epoch["train_objective"], epoch["validation_elbo"]]).all()
    for weight, old in zip(model.trainable_variables, before, strict=True):
        assert np.isfinite(weight.numpy()).all()
        # What the prior of one point cannot use, and kernels behind those that start at zero.
        if not np.array_equal(weight.numpy(), old):
            continue
        assert "kernel_" in weight.path or "bias_" in weight.path or "dense" in weight.path
    assert np.isfinite(model.sample(4).numpy()).all()


def test_a_loss_that_is_not_finite_stops_training(few_digits):
    config = config_of(few_digits, optimizer="sgd", learning_rate=1e30)
    with pytest.raises(
        KvaeError, match=r"epoch 1, step \d of 3: the loss is not finite; .* below 1e\+30"
    ):
        kvae.train(kvae.build(config), few_digits)


def test_images_of_another_shape_are_refused(few_digits):
    config = config_of(few_digits)
    model = ModelConfig((9, 8, 1), 2, (4,), "bernoulli")
    parts = DataConfig("made"), model, ObjectiveConfig(), config.training
    other = Config("reference", "vae", *parts)
    with pytest.raises(UsageError, match=r"\(9, 8, 1\), but digits has \(8, 8, 1\)"):
        kvae.train(kvae.build(other), few_digits)


def test_the_shared_deviation_is_soon_at_its_maximum_likelihood(few_digits):
    # Rybkin et al. (2021): it is the mean squared error, here of networks that hardly change.
    config = config_of(
        few_digits, likelihood="normal-shared", shared_step=0.3, learning_rate=1e-9, epochs=20,
        batch_size=30, jit=False, optimizer="adam",
    )  # fmt: skip
    model = kvae.build(config)
    kvae.train(model, few_digits)
    images = model.inputs(few_digits.train.images)
    drawn = model.encode(images).sample(20, seed=[0, 1])
    errors = [tf.reduce_mean((mean(model.decode(z)) - images) ** 2) for z in tf.unstack(drawn)]
    deviation = model.decode(drawn[0]).distribution.scale
    assert float(deviation) ** 2 == pytest.approx(np.mean(errors), rel=0.05)
    # Without it, Adam has taken a step of a billionth at a time.
    plain = kvae.build(dataclasses.replace(config, objective=type(config.objective)()))
    kvae.train(plain, few_digits)
    assert abs(float(plain.decoder.likelihood.log_variance)) < 1e-6


def test_every_pixels_shared_deviation_is_at_its_maximum_likelihood_later(few_digits):
    models = []
    for epochs in 5, 50:
        config = config_of(
            few_digits, likelihood="normal-pixelwise", shared_step=0.3, learning_rate=1e-9,
            epochs=epochs, batch_size=10, jit=False, optimizer="adam",
        )  # fmt: skip
        models.append(kvae.build(config))
        kvae.train(models[-1], few_digits)
    # Their differences are learned in steps of a tenth of the length of those of their level: 75
    # steps leave a tenth of the way to go.
    soon, later = (np.std(model.decoder.likelihood.differences) for model in models)
    assert soon == pytest.approx(0.9 * later, rel=0.05)
    model = models[1]
    images = model.inputs(few_digits.train.images)
    drawn = model.encode(images).sample(20, seed=[0, 1])
    errors = [(mean(model.decode(z)) - images) ** 2 for z in tf.unstack(drawn)]
    deviations = model.decode(drawn[0]).distribution.scale.numpy()
    # One grey level is the smallest.
    exact = np.maximum(np.sqrt(np.mean(errors, axis=(0, 1))), 1 / 256)
    large = exact > 0.05
    assert large.sum() > 30
    np.testing.assert_allclose(deviations[large], exact[large], rtol=0.05)


def test_only_training_images_are_shifted(few_digits):
    config = config_of(few_digits, epochs=1, jit=False)
    still, moved = (
        dataclasses.replace(config, training=dataclasses.replace(config.training, shift=shift))
        for shift in (0, 2)
    )
    models = [kvae.build(each) for each in (still, moved)]
    before = [Evaluator(model, 0, 40)(few_digits.validation.images).means for model in models]
    assert before[0] == before[1]
    rows = [kvae.train(model, few_digits)[0] for model in models]
    assert rows[0]["train_elbo"] != rows[1]["train_elbo"]
