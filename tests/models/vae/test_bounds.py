"""The bounds and their parts against closed forms, and their gradients against each other."""

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from sklearn.decomposition import PCA
from sklearn.metrics import log_loss
from tensorflow_probability import distributions as tfd

import kvae
from kvae import registry
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.evaluation import Evaluator
from kvae.models.estimates import divergence
from kvae.models.vae import bounds
from kvae.models.vae.config import ModelConfig, ObjectiveConfig
from kvae.models.vae.posteriors import CholeskyGaussian


def test_elbo_is_the_exact_log_likelihood_at_the_exact_posterior(linear_gaussian):
    model, images, exact = linear_gaussian()
    pixels = tf.constant(images / 255, tf.float32)
    draws = np.array([model.terms(pixels, [seed, 7]).elbo.numpy().mean() for seed in range(50)])
    error = draws.std(ddof=1) / np.sqrt(len(draws))
    assert error < 0.01
    assert draws.mean() == pytest.approx(exact.mean(), abs=4 * error + 1e-3)


@pytest.mark.slow
def test_training_a_linear_model_finds_the_maximum_likelihood(linear_gaussian, grey_dataset):
    exact, images, _ = linear_gaussian(count=500)
    pixels = images.reshape(len(images), -1) / 255
    maximum = PCA(exact.config.model.latent).fit(pixels).score(pixels)
    training = TrainingConfig(
        epochs=300, batch_size=100, optimizer="adam", learning_rate=0.02, schedule="cosine"
    )
    model = kvae.build(dataclasses.replace(exact.config, training=training))
    kvae.train(model, grey_dataset(images))
    # Ten latents of each image.
    elbo = Evaluator(model, seed=0)(np.tile(images, (10, 1, 1, 1))).means["elbo"]
    # Below the exact optimum by the noise of the last steps, and never above it.
    assert maximum - 0.06 < elbo < maximum + 0.02


def test_kl_is_tfps_and_the_closed_form():
    rng = np.random.default_rng(1)
    mean, stddev = rng.standard_normal((5, 4)), rng.uniform(0.1, 2, (5, 4))
    posterior = tfd.Independent(tfd.Normal(mean, stddev), 1)
    prior = tfd.Independent(tfd.Normal(tf.zeros(4, tf.float64), tf.ones(4, tf.float64)), 1)
    latents, density = posterior.experimental_sample_and_log_prob(seed=[0, 0])
    kl = divergence(posterior, prior, latents, density).numpy()
    # Kingma & Welling (2014), Appendix B.
    closed = -0.5 * np.sum(1 + np.log(stddev**2) - mean**2 - stddev**2, axis=1)
    np.testing.assert_allclose(kl, closed, rtol=1e-12)
    diagonal = tfd.MultivariateNormalDiag(mean, stddev)
    np.testing.assert_allclose(
        kl,
        tfd.kl_divergence(diagonal, tfd.MultivariateNormalDiag(np.zeros(4), np.ones(4))),
        rtol=1e-12,
    )


def test_kl_is_by_the_same_sample_where_there_is_no_closed_form():
    posterior = tfd.Independent(tfd.Normal(tf.constant([[0.3, -1.0]]), 0.5), 1)
    prior = tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.5, 0.5]),
        tfd.Independent(tfd.Normal(tf.constant([[1.0, 1.0], [-1.0, -1.0]]), 1.0), 1),
    )
    latents, density = posterior.experimental_sample_and_log_prob(seed=[3, 4])
    kl = divergence(posterior, prior, latents, density)
    np.testing.assert_allclose(kl, posterior.log_prob(latents) - prior.log_prob(latents), rtol=1e-6)


def bernoulli_terms(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reconstruction terms of an untrained model, and the probabilities they are by."""
    config = Config(
        "reference",
        "vae",
        DataConfig("made"),
        ModelConfig(images.shape[1:], 2, (6,), "bernoulli"),
        ObjectiveConfig(),
        TrainingConfig(epochs=1, batch_size=4),
    )
    model = kvae.build(config)
    pixels = tf.constant(images, tf.float32)
    latents = model.encode(pixels).sample(seed=[1, 2])
    logits = model.decode(latents).distribution.logits_parameter().numpy().astype(np.float64)
    return model.terms(pixels, [1, 2]).reconstruction.numpy(), 1 / (1 + np.exp(-logits))


def test_bernoulli_reconstruction_is_scikit_learns_log_loss():
    images = np.random.default_rng(2).integers(0, 2, (4, 5, 3, 1))
    terms, probabilities = bernoulli_terms(images)
    losses = [
        log_loss(image.ravel(), probability.ravel(), normalize=False, labels=[0, 1])
        for image, probability in zip(images, probabilities, strict=True)
    ]
    np.testing.assert_allclose(-terms, losses, rtol=1e-6)


def test_bernoulli_reconstruction_of_grey_pixels_is_the_expected_log_loss():
    images = np.random.default_rng(3).uniform(size=(4, 5, 3, 1))
    terms, p = bernoulli_terms(images)
    expected = np.sum(images * np.log(p) + (1 - images) * np.log1p(-p), axis=(1, 2, 3))
    np.testing.assert_allclose(terms, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        *(("likelihood", name) for name in registry.LIKELIHOODS),
        *(("posterior", name) for name in registry.POSTERIORS),
        *(("prior", name) for name in registry.PRIORS),
        ("bound", "iwae"),
    ],
)
def test_gradients_are_finite_differences(small_model, part, name):
    options = {"training": {part: name}} if part == "bound" else {part: name}
    model, images = small_model(**options)
    pixels = model.inputs(images)

    @tf.function(autograph=False)
    def loss() -> tf.Tensor:
        terms = model.terms(pixels, tf.constant([5, 6]), bounds.Weighting(samples=3))
        return -tf.reduce_mean(terms.objective)

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, model.trainable_variables)
    rng = np.random.default_rng(5)
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        start = weight.numpy()
        direction = rng.standard_normal(start.shape).astype(np.float32)
        direction /= np.linalg.norm(direction)
        step = 1e-2
        weight.assign(start + step * direction)
        above = loss().numpy()
        weight.assign(start - step * direction)
        below = loss().numpy()
        weight.assign(start)
        slope = float(np.sum(gradient.numpy() * direction))
        assert (above - below) / (2 * step) == pytest.approx(slope, rel=5e-3, abs=2e-3), weight.path


def test_beta_weighs_the_objective_and_not_the_elbo(linear_gaussian):
    model, images, _ = linear_gaussian(count=6)
    pixels = tf.constant(images / 255, tf.float32)
    plain = model.terms(pixels, [0, 1])
    weighted = model.terms(pixels, [0, 1], bounds.Weighting(beta=4.0))
    np.testing.assert_array_equal(plain.objective, plain.elbo)
    np.testing.assert_array_equal(weighted.elbo, plain.elbo)
    np.testing.assert_allclose(weighted.objective, plain.elbo - 3 * plain.kl, rtol=1e-5)


def standard_error(values: np.ndarray) -> np.ndarray:
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


@pytest.mark.parametrize(
    ("posterior", "prior"), list(itertools.product(registry.POSTERIORS, registry.PRIORS))
)
def test_elbo_is_the_mean_log_weight(small_model, posterior, prior):
    model, images = small_model(posterior=posterior, prior=prior, spread=0.3)
    # One image many times over: as many draws.
    pixels = tf.repeat(model.inputs(images[:1]), 5000, axis=0)
    elbo = tf.function(model.terms, autograph=False)(pixels, tf.constant([0, 1])).elbo.numpy()
    weights = bounds.log_weights(
        model.encode(pixels), model.decode, model.prior.distribution(), pixels, 1, [2, 3]
    )[0].numpy()
    error = np.hypot(standard_error(elbo), standard_error(weights))
    assert error < 0.05
    assert elbo.mean() == pytest.approx(weights.mean(), abs=4 * error)


@pytest.mark.parametrize("prior", ["standard", "mixture"])
def test_iwae_of_one_sample_is_its_log_weight_and_the_elbo_in_expectation(small_model, prior):
    model, images = small_model(prior=prior, training={"bound": "iwae"}, spread=0.3)
    pixels = tf.repeat(model.inputs(images[:1]), 5000, axis=0)
    seed = tf.constant([0, 1])
    terms = model.terms(pixels, seed, bounds.Weighting(samples=1))
    posterior = model.encode(pixels)
    latents = posterior.sample(1, seed=seed)[0]
    weight = (
        model.decode(latents).log_prob(pixels)
        + model.prior.distribution().log_prob(latents)
        - posterior.log_prob(latents)
    )
    np.testing.assert_allclose(terms.objective, weight, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(terms.elbo, terms.reconstruction - terms.kl, rtol=1e-5, atol=1e-5)
    elbo = model.terms(pixels, tf.constant([2, 3])).elbo.numpy()
    error = np.hypot(standard_error(elbo), standard_error(terms.objective.numpy()))
    assert elbo.mean() == pytest.approx(terms.objective.numpy().mean(), abs=4 * error)


def test_iwae_rises_with_the_samples_to_the_log_likelihood_and_not_above(linear_gaussian):
    model, images, exact = linear_gaussian(stretch=1.5)
    pixels = model.inputs(images)
    prior = model.prior.distribution()
    below = []
    for samples in (1, 3, 9, 81):
        terms = bounds.iwae(
            model.encode(pixels),
            model.decode,
            prior,
            pixels,
            tf.constant([samples, 0]),
            bounds.Weighting(samples=samples),
        )
        below.append(exact - terms.objective.numpy())
    gaps, errors = np.mean(below, axis=1), [standard_error(each) for each in below]
    # With one sample it is the ELBO: below by the KL of Gaussians half as wide again, in three
    # dimensions.
    assert gaps[0] == pytest.approx(3 * ((1.5**2 - 1) / 2 - np.log(1.5)), abs=4 * errors[0])
    for fewer, more in itertools.pairwise(range(4)):
        assert gaps[fewer] - gaps[more] > 4 * np.hypot(errors[fewer], errors[more])
    # Rounding to grey levels is what the constant is for.
    assert -4 * errors[-1] - 1e-3 < gaps[-1] < 0.05


def test_beta_weighs_the_kl_of_each_sample_of_iwae(small_model):
    model, images = small_model(training={"bound": "iwae"})
    pixels, seed = model.inputs(images), tf.constant([0, 1])
    plain = model.terms(pixels, seed, bounds.Weighting(samples=4))
    free = model.terms(pixels, seed, bounds.Weighting(beta=0.0, samples=4))
    latents = model.encode(pixels).sample(4, seed=seed)
    likelihood = [model.decode(each).log_prob(pixels) for each in latents]
    expected = tf.reduce_logsumexp(likelihood, axis=0) - np.log(4)
    np.testing.assert_allclose(free.objective, expected, rtol=1e-5, atol=1e-5)
    for name in ("elbo", "reconstruction", "kl"):
        np.testing.assert_array_equal(getattr(free, name), getattr(plain, name))


def gradients_of(
    model: kvae.VAE, pixels: tf.Tensor, weighting: bounds.Weighting, draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of an iwae objective by the encoder's weights and by the decoder's, a row a seed.

    Without the weights that no gradient ever reaches.
    """
    sides = model.encoder.trainable_variables, model.decoder.trainable_variables

    @tf.function(autograph=False)
    def gradients(seed: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            prior = model.prior.distribution()
            terms = bounds.iwae(model.encode(pixels), model.decode, prior, pixels, seed, weighting)
            objective = tf.reduce_sum(terms.objective)
        return [
            tf.concat([tf.reshape(each, [-1]) for each in side], axis=0)
            for side in tape.gradient(objective, sides)
        ]

    rows = [gradients(tf.constant([draw, 7])) for draw in range(draws)]
    encoder, decoder = (np.array(side, np.float64) for side in zip(*rows, strict=True))
    return encoder[:, encoder.any(axis=0)], decoder


def assert_same_mean(gradients: np.ndarray, others: np.ndarray) -> None:
    """Of two sets of rows with the same seeds, which must be many enough to tell."""
    difference = gradients - others
    error = standard_error(difference)
    assert np.linalg.norm(error) < 0.15 * np.linalg.norm(gradients.mean(axis=0))
    assert np.all(np.abs(difference.mean(axis=0)) < 5 * error)


# Any but 1 as in a warm-up of the KL, or where it weighs more.
@pytest.mark.parametrize("beta", [1.0, 0.3, pytest.param(2.0, marks=pytest.mark.slow)])
def test_doubly_reparameterized_gradient_is_the_plain_one_with_less_noise(linear_gaussian, beta):
    model, images, _ = linear_gaussian(count=4, stretch=1.5, shift=0.5)
    (plain, by_decoder), (doubly, same) = (
        gradients_of(model, model.inputs(images), bounds.Weighting(beta, 0.0, 5, flag), 2000)
        for flag in (False, True)
    )
    np.testing.assert_allclose(same, by_decoder, rtol=1e-4, atol=1e-3)
    assert_same_mean(plain, doubly)
    assert doubly.var(axis=0).sum() < 0.75 * plain.var(axis=0).sum()


def test_doubly_reparameterized_gradient_of_other_distributions(small_model):
    model, images = small_model(posterior="full", prior="mixture", spread=0.3)
    plain, doubly = (
        gradients_of(model, model.inputs(images[:2]), bounds.Weighting(1.0, 0.0, 5, flag), 1000)[0]
        for flag in (False, True)
    )
    assert_same_mean(plain, doubly)


def test_doubly_reparameterized_gradient_is_still_at_the_exact_posterior(linear_gaussian):
    model, images, _ = linear_gaussian(count=4)
    plain, doubly = (
        gradients_of(model, model.inputs(images), bounds.Weighting(1.0, 0.0, 5, flag), 50)[0]
        for flag in (False, True)
    )
    # All weights are equal there, and none of them changes with z.
    assert np.abs(doubly).max() < 1e-3 * plain.std(axis=0).max()


@pytest.mark.parametrize(
    ("posterior", "prior"),
    [("diagonal", "standard"), ("full", "standard"), ("diagonal", "mixture"), ("iaf", "standard")],
)
def test_free_bits_beyond_the_kl_leave_the_reconstruction_alone(small_model, posterior, prior):
    model, images = small_model(posterior=posterior, prior=prior)
    pixels, seed = model.inputs(images), tf.constant([0, 1])
    with tf.GradientTape(persistent=True) as tape:
        floored = model.terms(pixels, seed, bounds.Weighting(free_bits=100.0))
        costless = model.terms(pixels, seed, bounds.Weighting(free_bits=0.0))
    # Of both of the dimensions.
    np.testing.assert_allclose(floored.objective, floored.reconstruction - 200, rtol=1e-6)
    np.testing.assert_array_equal(costless.objective, costless.elbo)
    np.testing.assert_array_equal(floored.elbo, costless.elbo)
    of = model.encoder.trainable_variables
    expected = tape.gradient(floored.reconstruction, of)
    for gradient, other in zip(tape.gradient(floored.objective, of), expected, strict=True):
        np.testing.assert_array_equal(gradient, other)


def free_bits_gradients(
    posterior: Callable[[tf.Tensor], tfd.Distribution], loc: np.ndarray, free_bits: float
) -> tuple[bounds.Terms, list[np.ndarray]]:
    """Terms under a decoder without weights, and the gradients of the objective, of the
    reconstruction and of the KL by `loc`."""
    loc = tf.constant(loc, tf.float32)
    pixels = tf.fill((len(loc), 1, 1, 2), 0.5)
    prior = tfd.Independent(tfd.Normal(tf.zeros(2), tf.ones(2)), 1)

    def decode(latents: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(tfd.Normal(latents[:, None, None, :], 1.0), 3)

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(loc)
        weighting = bounds.Weighting(beta=2.0, free_bits=free_bits)
        terms = bounds.elbo(posterior(loc), decode, prior, pixels, tf.constant([0, 1]), weighting)
    values = terms.objective, terms.reconstruction, terms.kl
    return terms, [tape.gradient(value, loc).numpy() for value in values]


# Means of three images in two dimensions. KLs of unit-variance Gaussians are half their squares:
# 0.01, 0.01 and 0.04 in the first, 0.005, 2 and 0.5 in the second.
LOCS = np.array([[0.1, 0.1], [-0.1, 2.0], [0.2, -1.0]]) * [np.sqrt(2), 1]


def test_free_bits_are_of_the_mean_over_images_of_each_dimension():
    terms, (objective, reconstruction, kl) = free_bits_gradients(
        lambda loc: tfd.Independent(tfd.Normal(loc, 1.0), 1), LOCS, free_bits=0.1
    )
    # The first dimension is below; the second is above, and all its images pay.
    np.testing.assert_array_equal(objective[:, 0], reconstruction[:, 0])
    np.testing.assert_allclose(objective[:, 1], reconstruction[:, 1] - 2 * kl[:, 1], rtol=1e-5)
    cost = 0.1 + LOCS[:, 1] ** 2 / 2
    np.testing.assert_allclose(terms.objective, terms.reconstruction - 2 * cost, rtol=1e-5)
    np.testing.assert_allclose(terms.kl, np.sum(LOCS**2, axis=1) / 2, rtol=1e-5)


@pytest.mark.parametrize(("free_bits", "pays"), [(0.4, True), (0.5, False)])
def test_free_bits_are_of_all_dimensions_together_where_they_covary(free_bits, pays):
    # The mean KL is 0.855: above two dimensions of 0.4, below two of 0.5.
    _, (objective, reconstruction, kl) = free_bits_gradients(
        lambda loc: CholeskyGaussian(loc, tf.eye(2, batch_shape=[3])), LOCS, free_bits
    )
    np.testing.assert_allclose(objective, reconstruction - 2 * pays * kl, rtol=1e-5)


def training_terms(model: kvae.VAE, pixels: tf.Tensor, seed: tf.Tensor) -> bounds.Terms:
    """Terms of a training step, compiled as the model's are, on which its generator depends."""

    @tf.function(jit_compile=model.config.training.jit, autograph=False)
    def step() -> bounds.Terms:
        return model.terms(pixels, seed, bounds.Weighting())

    return step()


@pytest.mark.parametrize(
    ("model_options", "training", "bound", "jit"),
    [
        ({"dropout": 0.5}, {}, "elbo", False),
        pytest.param({"dropout": 0.5}, {}, "iwae", True, marks=pytest.mark.slow),
        ({}, {"input_noise": 0.2}, "iwae", False),
    ],
)
def test_dropout_and_input_noise_act_in_training_alone(
    small_model, model_options, training, bound, jit
):
    options = {"bound": bound, "jit": jit}
    silent, images = small_model(training=options)
    noisy, _ = small_model(**model_options, training=options | training)
    pixels, seed = silent.inputs(images), tf.constant([0, 1])
    np.testing.assert_array_equal(silent.terms(pixels, seed), noisy.terms(pixels, seed))
    without = training_terms(silent, pixels, seed)
    first, again = (training_terms(noisy, pixels, seed) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    # Every image has noise of its own.
    assert np.all(np.abs(first.elbo - without.elbo) > 1e-4)
    other = training_terms(noisy, pixels, tf.constant([1, 1]))
    assert np.all(np.abs(first.kl - other.kl) > 1e-4)


def test_dropout_is_of_the_decoder_too(small_model):
    model, images = small_model(dropout=0.5, training={"jit": False})
    # Deaf to what the encoder's own dropout leaves.
    for head in (model.encoder.posterior.mean, model.encoder.posterior.log_variance):
        head.kernel.assign(np.zeros(head.kernel.shape))
    pixels, seed = model.inputs(images), tf.constant([0, 1])
    plain, noisy = model.terms(pixels, seed), training_terms(model, pixels, seed)
    np.testing.assert_array_equal(noisy.kl, plain.kl)
    assert np.all(np.abs(noisy.reconstruction - plain.reconstruction) > 1e-4)


@pytest.mark.parametrize("jit", [False, True])
def test_input_noise_is_of_its_standard_deviation_and_only_for_the_encoder(linear_gaussian, jit):
    made, images, _ = linear_gaussian(count=1)
    noise = 0.1
    training = dataclasses.replace(made.config.training, jit=jit)
    objective = ObjectiveConfig(input_noise=noise)
    config = dataclasses.replace(made.config, training=training, objective=objective)
    model = kvae.build(config)
    # Latents that are the image's first pixels, of no variance, and a decoder that is blind.
    head = model.encoder.posterior
    head.mean.kernel.assign(np.eye(16, 3))
    head.log_variance.kernel.assign(np.zeros((16, 3)))
    head.log_variance.bias.assign(np.full(3, -20.0))
    model.decoder.likelihood.mean.kernel.assign(np.zeros((3, 16)))
    pixels = tf.repeat(model.inputs(images), 5000, axis=0)
    terms = training_terms(model, pixels, tf.constant([0, 1]))
    first = model.inputs(images).numpy().ravel()[:3]
    # KL(N(m, s^2) || N(0, 1)), where m is a pixel and its noise.
    expected = 0.5 * np.sum(first**2 + noise**2 + np.exp(-20) - 1 + 20)
    variance = np.sum(first**2 * noise**2 + noise**4 / 2)
    kl = terms.kl.numpy()
    assert kl.mean() == pytest.approx(expected, abs=4 * standard_error(kl))
    assert kl.std() == pytest.approx(np.sqrt(variance), rel=4 / np.sqrt(2 * len(kl)))
    assert np.ptp(terms.reconstruction) == 0
