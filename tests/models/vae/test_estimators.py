"""Wake-sleep: who learns from what, and that a linear Gaussian model goes to its optimum."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import kvae
from kvae.config import Config, DataConfig, TrainingConfig
from kvae.models.likelihoods import bounded_log_variance
from kvae.models.vae.bounds import PLAIN
from kvae.models.vae.config import ModelConfig, ObjectiveConfig
from kvae.models.vae.estimators import wake_sleep
from kvae.models.vae.networks import Encoder


def gradients(objective, weights):
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(objective())
    return tape.gradient(value, weights)


@pytest.mark.parametrize("likelihood", ["normal", "bernoulli"])
def test_awake_the_decoder_and_prior_learn_and_asleep_the_encoder(monkeypatch, likelihood):
    model = kvae.build(
        Config(
            "reference",
            "vae",
            DataConfig("made"),
            ModelConfig((4, 4, 1), 2, (5,), likelihood, prior="mixture", components=3),
            ObjectiveConfig(),
            TrainingConfig(epochs=1, batch_size=8),
        )
    )
    images = tf.constant(np.random.default_rng(0).uniform(size=(8, 4, 4, 1)), tf.float32)
    encoded, decoded = [], []
    encode, decode, call = model.encoder, model.decode, Encoder.__call__
    monkeypatch.setattr(Encoder, "__call__", lambda self, x: (encoded.append(x), call(self, x))[1])
    monkeypatch.setattr(model, "decode", lambda z: (decoded.append(z), decode(z))[1])
    found = gradients(
        lambda: wake_sleep(model, images, tf.constant([1, 2]), PLAIN).objective,
        model.trainable_variables,
    )
    (seen, dreamt), (latents, dreams) = encoded, decoded
    np.testing.assert_array_equal(seen, images)
    prior = model.prior

    def wake():
        return decode(latents).log_prob(images) + prior.distribution().log_prob(latents)

    generative = [*model.decoder.trainable_variables, *prior.trainable_variables]
    recognition = model.encoder.trainable_variables
    expected = dict(
        zip(
            map(id, [*generative, *recognition]),
            gradients(wake, generative)
            + gradients(lambda: encode(dreamt).log_prob(dreams), recognition),
            strict=True,
        )
    )
    assert len(expected) == len(found)
    for weight, gradient in zip(model.trainable_variables, found, strict=True):
        assert np.any(gradient)
        np.testing.assert_allclose(gradient, expected[id(weight)], rtol=1e-5, atol=1e-6)


def test_awake_with_the_exact_posterior_the_gradient_is_the_likelihoods(linear_gaussian):
    # Fisher's identity: the mean of the gradient of log p(x, z) over p(z|x) is that of log p(x).
    model, images, _ = linear_gaussian(count=100)
    pixels = tf.constant(images / 255, tf.float32)
    # Brighter than the model has them, so that the gradient is far from zero.
    pixels = pixels + 0.02
    likelihood = model.decoder.likelihood
    weights = [likelihood.mean.kernel, likelihood.mean.bias, likelihood.log_variance]

    def exact_log_likelihood():
        flat = tf.reshape(pixels, (len(images), -1)) - likelihood.mean.bias
        kernel = tf.convert_to_tensor(likelihood.mean.kernel)
        variance = tf.exp(bounded_log_variance(tf.convert_to_tensor(likelihood.log_variance)))
        covariance = tf.matmul(kernel, kernel, transpose_a=True) + variance * tf.eye(16)
        whitened = tf.linalg.triangular_solve(tf.linalg.cholesky(covariance), tf.transpose(flat))
        return -0.5 * (tf.reduce_sum(whitened**2, axis=0) + tf.linalg.logdet(covariance))

    exact = gradients(exact_log_likelihood, weights)

    @tf.function(jit_compile=True, autograph=False)
    def draw(seed):
        return gradients(lambda: wake_sleep(model, pixels, seed, PLAIN).objective, weights)

    draws = [draw(tf.constant([0, number])) for number in range(400)]
    for index, gradient in enumerate(exact):
        found = np.array([each[index] for each in draws])
        error = found.std(axis=0, ddof=1) / np.sqrt(len(draws))
        assert np.abs(gradient / error).max() > 20
        assert np.all(np.abs(found.mean(axis=0) - gradient) < 5 * error + 1e-3)


@pytest.mark.slow
def test_wake_sleep_finds_the_maximum_likelihood_of_a_linear_model(
    linear_gaussian, grey_dataset, principal_components
):
    model, images, exact = linear_gaussian(count=500)
    principal_components.perturb(model)
    maximum = principal_components.maximum(images, model.config.model.latent)
    assert principal_components.log_likelihood(model, images) < maximum - 5
    training = TrainingConfig(
        epochs=300, batch_size=100, optimizer="adam", learning_rate=0.01, schedule="exponential"
    )
    objective = ObjectiveConfig(estimator="wake-sleep")
    model.config = dataclasses.replace(model.config, objective=objective, training=training)
    kvae.train(model, grey_dataset(images))
    # The model that the images are from is further below than this.
    assert exact.mean() < maximum - 0.05
    found = principal_components.log_likelihood(model, images)
    assert maximum - 0.02 < found < maximum + 1e-4
