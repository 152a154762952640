"""Monte Carlo EM: its chains sample the exact posterior, its updates go to the optimum."""

import dataclasses
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import kvae
from kvae.config import TrainingConfig
from kvae.models.vae.config import ObjectiveConfig
from kvae.reproduction.mcem import MonteCarloEM
from kvae.training.epochs import CompiledEpoch
from kvae.training.optimizers import new_optimizer


class Run:
    """Epochs of Monte Carlo EM.

    Args:
        model: What is trained.
        dataset: Its training images.
        config: Batch size, seed, optimizer and the rest.
        binarize: What is done to the pixels.
    """

    def __init__(self, model, dataset, config, binarize="none"):
        images = dataset.train.images
        self.plan = MonteCarloEM(model, dataset, partial(new_optimizer, config, len(images)))
        self._epoch = CompiledEpoch(self.plan, images, config, binarize)

    def __call__(self, number):
        """Mean log p(x, z) and the share of accepted proposals in an epoch."""
        means = self._epoch(number)
        return means["joint"], means["acceptance"]


def linear_epoch(model, dataset, learning_rate, epochs=1, **training):
    """Epochs with Adam, whose learning rate falls until the last step."""
    config = TrainingConfig(
        epochs, optimizer="adam", learning_rate=learning_rate, schedule="exponential", **training
    )
    model.config = dataclasses.replace(model.config, training=config)
    return Run(model, dataset, config)


class Counter:
    """A model of one latent with a weight an image, whose gradient says which images an update saw.

    Image i is white at pixel i alone, so one step of SGD with rate 1 adds 1 / (images in the step)
    to the weights of the images in it. p(z|x) is the prior.
    """

    def __init__(self, count, config):
        self.seen = tf.Variable(tf.zeros(count))
        self.config = SimpleNamespace(training=config, objective=ObjectiveConfig())
        self.decoder = SimpleNamespace(trainable_variables=[self.seen])
        prior = tfd.Independent(tfd.Normal(tf.zeros(1), 1.0), 1)
        self.prior = SimpleNamespace(latent=1, trainable_variables=[], distribution=lambda: prior)

    def decode(self, latents):
        def log_prob(images):
            return tf.linalg.matvec(tf.reshape(images, (images.shape[0], -1)), self.seen)

        return SimpleNamespace(log_prob=log_prob)


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize(("count", "batch_size"), [(10, 4), (5, 8)])
def test_every_image_has_five_updates_and_one_transition_an_epoch(
    count, batch_size, jit, grey_dataset
):
    images = (255 * np.eye(count, dtype=np.uint8)).reshape(count, count, 1, 1)
    config = TrainingConfig(1, batch_size, optimizer="sgd", learning_rate=1.0, jit=jit)
    model = Counter(count, config)
    run = Run(model, grey_dataset(images), config)
    np.testing.assert_array_equal(model.seen, np.zeros(count))
    start = run.plan.latents.numpy()
    assert start.shape == (count, 1)
    joint, acceptance = run(1)
    last = count % min(batch_size, count)
    full = [5 / min(batch_size, count)] * (count - last)
    np.testing.assert_allclose(
        sorted(model.seen.numpy()), full + [5 / max(last, 1)] * last, rtol=1e-6
    )
    # log p(x, z) of these images was log p(z) until they were learned from, and steps this small
    # are accepted.
    expected = tfd.Normal(0.0, 1.0).log_prob(run.plan.latents).numpy().mean()
    assert joint == pytest.approx(expected, rel=1e-5)
    assert acceptance == 1
    assert np.all(run.plan.latents.numpy() != start)


@pytest.mark.slow
def test_the_chains_sample_the_exact_posterior(linear_gaussian, grey_dataset):
    # With weights that stay. 50 is not a multiple of 20.
    model, images, _ = linear_gaussian(count=50)
    run = linear_epoch(model, grey_dataset(images), learning_rate=1e-30, batch_size=20)
    states, shares = [], []
    for number in range(1, 501):
        shares.append(run(number)[1])
        states.append(run.plan.latents.numpy())
    # Tuned by then, from the prior and a step size that is too small.
    states, shares = np.array(states[50:]), shares[50:]
    assert np.mean(shares) == pytest.approx(0.9, abs=0.03)
    posterior = model.encode(model.inputs(images))
    standard = (states - posterior.mean().numpy()) / posterior.stddev().numpy()
    # Each image's chain is independent of the others': they say how far off the mean of all is.
    means = standard.mean(axis=0)
    products = np.einsum("eia,eib->iab", standard, standard) / len(standard)
    for found, exact in (means, np.zeros(3)), (products, np.eye(3)):
        error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
        assert error.max() < 0.04
        assert np.all(np.abs(found.mean(axis=0) - exact) < 4 * error)


def test_the_step_size_finds_its_way_to_nine_in_ten_accepted(linear_gaussian, grey_dataset):
    model, images, _ = linear_gaussian(count=100)
    run = linear_epoch(model, grey_dataset(images), learning_rate=1e-30, batch_size=10)
    for step_size in 0.01, 3.0:
        run.plan.step_size.assign(step_size)
        shares = [run(number)[1] for number in range(1, 26)]
        assert abs(shares[0] - 0.9) > 0.05
        assert np.mean(shares[5:]) == pytest.approx(0.9, abs=0.03)


@pytest.mark.slow
def test_updates_find_the_maximum_likelihood_of_a_linear_model(
    linear_gaussian, principal_components, grey_dataset
):
    # With an encoder that is far off, and has no part in it.
    model, images, exact = linear_gaussian(count=500, stretch=3.0, shift=20.0)
    principal_components.perturb(model)
    maximum = principal_components.maximum(images, model.config.model.latent)
    assert principal_components.log_likelihood(model, images) < maximum - 5
    encoder = model.encoder.get_weights()
    run = linear_epoch(model, grey_dataset(images), learning_rate=0.003, epochs=600, batch_size=50)
    for number in range(1, 601):
        run(number)
    # The model that the images are from is further below than this.
    assert exact.mean() < maximum - 0.05
    found = principal_components.log_likelihood(model, images)
    assert maximum - 0.02 < found < maximum + 1e-4
    for weight, old in zip(model.encoder.get_weights(), encoder, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.slow
def test_a_seed_decides_weights_and_chains(linear_gaussian, grey_dataset):
    outcomes = []
    for seed in (1, 1, 2):
        model, images, _ = linear_gaussian(count=30)
        run = linear_epoch(
            model, grey_dataset(images), learning_rate=0.01, batch_size=20, seed=seed
        )
        figures = [run(number) for number in (1, 2)]
        outcomes.append((figures, run.plan.latents.numpy(), *model.decoder.get_weights()))
    (figures, *one), (same_figures, *same), (_, *other) = outcomes
    assert figures == same_figures
    for left, right in zip(one, same, strict=True):
        np.testing.assert_array_equal(left, right)
    assert not any(np.array_equal(left, right) for left, right in zip(one, other, strict=True))


@pytest.mark.parametrize("prior", ["mixture", "vamp", pytest.param("flow", marks=pytest.mark.slow)])
def test_the_prior_learns_and_the_encoder_does_not(few_digits, prior):
    components = {} if prior == "flow" else {"components": 5}
    config = kvae.configure(
        few_digits, prior=prior, binarize="dynamic", latent=2, hidden=(8,), jit=False, epochs=1,
        batch_size=50, **components,
    )  # fmt: skip
    model = kvae.build(config, few_digits.train.images)
    networks = model.encoder, model.decoder, model.prior
    before = [network.get_weights() for network in networks]
    run = Run(model, few_digits, config.training, "dynamic")
    assert np.isfinite(run(1)).all()
    encoder, decoder, learned = (
        [not np.array_equal(*pair) for pair in zip(network.get_weights(), old, strict=True)]
        for network, old in zip(networks, before, strict=True)
    )
    assert not any(encoder)
    assert all(decoder)
    assert any(learned)
