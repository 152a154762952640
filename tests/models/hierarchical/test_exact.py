"""Bounds over all levels of a linear Gaussian hierarchy, whose log p(x) has a closed form."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from kvae.evaluation import annealed_importance_sampling, importance_weighted_bound
from kvae.models.hierarchical import bounds

INFERENCES = ("top-down", "bottom-up")


def floats(images):
    return tf.constant(images / 255, tf.float32)


@pytest.mark.parametrize("inference", INFERENCES)
def test_every_importance_weight_is_exact_at_the_exact_posterior(linear, inference):
    model, images, exact = linear(inference=inference)
    found = model.log_weights(floats(images))(5, tf.constant([1, 2])).numpy()
    np.testing.assert_allclose(found, np.tile(exact, (5, 1)), atol=2e-3)


@pytest.mark.parametrize("inference", INFERENCES)
def test_the_elbo_is_exact_on_average_at_the_exact_posterior(linear, inference):
    model, images, exact = linear(inference=inference)
    pixels = floats(np.tile(images, (20, 1, 1, 1)))
    terms = model.terms(pixels, tf.constant([3, 4]))
    each = terms.elbo.numpy() - np.tile(exact, 20)
    assert abs(each.mean()) < 4 * each.std() / np.sqrt(len(each)) + 1e-3
    np.testing.assert_allclose(terms.kl, sum(level.numpy() for level in terms.levels), rtol=1e-5)


@pytest.mark.parametrize(
    "inference", ["top-down", pytest.param("bottom-up", marks=pytest.mark.slow)]
)
def test_bounds_are_in_order_and_converge_to_log_p(linear, inference):
    model, images, exact = linear(count=100, stretch=1.6, inference=inference)
    pixels = floats(images)
    elbo = np.mean([model.terms(pixels, [seed, 1]).elbo.numpy().mean() for seed in range(20)])
    few, many = (importance_weighted_bound(model, images, n).mean() for n in (5, 2000))
    # Three levels with standard deviations 1.6 times too large: 3 (1.6^2 - 1 - 2 log 1.6) / 2.
    gap = 1.5 * (1.6**2 - 1 - 2 * np.log(1.6))
    assert elbo == pytest.approx(exact.mean() - gap, abs=0.15)
    assert elbo + 0.3 < few < exact.mean() - 0.02
    assert many == pytest.approx(exact.mean(), abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("inference", INFERENCES)
def test_annealing_moves_all_levels_together(linear, inference):
    model, images, exact = linear(count=20, stretch=1.6, inference=inference)
    found = annealed_importance_sampling(model, images, chains=8, steps=20)
    one = importance_weighted_bound(model, images, 8)
    assert abs(found.bound - exact).mean() < 0.5 * abs(one - exact).mean()
    assert found.bound.mean() == pytest.approx(exact.mean(), abs=0.1)
    from_prior = annealed_importance_sampling(model, images, chains=8, steps=60, from_prior=True)
    assert from_prior.bound.mean() == pytest.approx(exact.mean(), abs=0.3)


@pytest.mark.parametrize("inference", INFERENCES)
def test_the_density_of_a_sample_is_that_of_the_point(linear, inference):
    posterior = linear(count=4, stretch=1.3, inference=inference)[0].encode(
        tf.random.stateless_uniform((4, 3, 3, 1), [0, 1])
    )
    latents, log_q = posterior.experimental_sample_and_log_prob(3, seed=tf.constant([5, 6]))
    assert latents.shape == (3, 4, 3)
    np.testing.assert_allclose(posterior.log_prob(latents), log_q, atol=1e-4)
    # The same points under the posterior of every image.
    each = posterior.log_prob(latents[0][:, None, :])
    np.testing.assert_allclose(np.diag(each), log_q[0], atol=1e-4)


def test_the_kl_of_a_level_is_tfps_between_the_distributions_of_z(linear):
    model, images, _ = linear(count=50, stretch=0.8)
    found = model.encode(floats(images)).infer(tf.random.stateless_normal((50, 3), [7, 8]))
    context = tf.concat(found.path.latents[1:], axis=-1)
    mean, stddev = model.decoder.priors[0](context)
    offset = found.levels[0].posterior.distribution
    of_z = tfd.Normal(mean + stddev * offset.loc, stddev * offset.scale)
    exact = tfd.kl_divergence(of_z, tfd.Normal(mean, stddev))
    np.testing.assert_allclose(found.levels[0].kl, exact, rtol=1e-4, atol=1e-6)
    top = found.levels[-1].posterior.distribution
    exact = tfd.kl_divergence(top, tfd.Normal(0.0, 1.0))[:, 0]
    np.testing.assert_allclose(bounds.level_kls(found, model.prior)[-1], exact, rtol=1e-5)


@pytest.mark.parametrize("inference", INFERENCES)
def test_the_kl_of_the_levels_is_that_of_all_of_them_together(linear, inference):
    model, images, _ = linear(count=1, stretch=1.5, inference=inference)
    pixels = floats(np.tile(images, (20_000, 1, 1, 1)))
    posterior, prior = model.encode(pixels), model.prior.distribution()
    latents, log_q = posterior.experimental_sample_and_log_prob(seed=tf.constant([9, 0]))
    each = (log_q - prior.log_prob(latents)).numpy()
    kl = model.terms(pixels, tf.constant([1, 0])).kl.numpy()
    error = np.hypot(each.std(), kl.std()) / np.sqrt(len(each))
    assert kl.mean() == pytest.approx(each.mean(), abs=4 * error)


def gradients(model, images, samples, doubly, repeats):
    """The mean gradient of the importance-weighted bound, and the standard error of each number."""
    weighting = bounds.Weighting([1.0] * 3, samples=samples)
    repeated = tf.tile(images, (samples, 1, 1, 1))

    def log_likelihood(at):
        return model.decoder.image(at.path).log_prob(repeated)

    @tf.function(autograph=False)
    def one(seed):
        with tf.GradientTape() as tape:
            posterior = model.encode(images)
            noise = bounds.noise(images, 3, samples, seed)
            found = posterior.infer(noise)
            if doubly:
                terms = bounds.doubly_reparameterized(
                    posterior, found, model.prior, log_likelihood, weighting
                )
            else:
                terms = bounds.iwae(found, model.prior, log_likelihood(found), weighting)
            loss = tf.reduce_mean(terms.objective)
        found = tape.gradient(loss, [weight.value for weight in model.trainable_variables])
        return loss, tf.concat([tf.reshape(each, [-1]) for each in found], axis=0)

    values, found = zip(*(one(tf.constant([seed, 3])) for seed in range(repeats)), strict=True)
    found = np.stack(found)
    return np.array(values), found.mean(axis=0), found.std(axis=0) / np.sqrt(repeats)


def test_the_doubly_reparameterised_gradient_is_that_of_the_bound(linear):
    model, images, _ = linear(count=200, stretch=1.5)
    pixels = floats(images)
    values, plain, error = gradients(model, pixels, 4, False, 60)
    same, doubly, own_error = gradients(model, pixels, 4, True, 60)
    np.testing.assert_allclose(values, same, rtol=1e-4)
    deviations = (plain - doubly) / np.hypot(error, own_error)
    assert np.abs(deviations).max() < 5
    assert np.sqrt(np.mean(deviations**2)) < 1.3


def test_the_doubly_reparameterised_gradient_has_no_variance_at_the_exact_posterior(linear):
    model, images, _ = linear(count=20)
    own = {id(weight) for weight in model.encoder.trainable_variables}
    sizes = [int(np.prod(weight.shape)) for weight in model.trainable_variables]
    of_encoder = np.repeat([id(weight) in own for weight in model.trainable_variables], sizes)
    _, _, plain = gradients(model, floats(images), 4, False, 20)
    _, _, doubly = gradients(model, floats(images), 4, True, 20)
    assert doubly[of_encoder].max() < 0.02 * plain[of_encoder].max()


def test_each_level_has_its_own_weight_and_free_bits(linear):
    model, images, _ = linear(count=30, stretch=1.4)
    pixels = floats(images)
    found = model.encode(pixels).infer(tf.random.stateless_normal((30, 3), [1, 1]))
    likelihood = model.image(found.path).log_prob(pixels)
    kls = [kl.numpy() for kl in bounds.level_kls(found, model.prior)]
    means = np.array([kl.mean() for kl in kls])
    free = float(np.sort(means)[:2].mean())
    terms = bounds.elbo(found, model.prior, likelihood, bounds.Weighting([0.1, 0.5, 2.0], free))
    # One level has one latent. The smallest KL is below the free nats, which are counted instead.
    counted = [kl if kl.mean() > free else np.full(30, free) for kl in kls]
    assert sum(mean <= free for mean in means) == 1
    expected = likelihood - 0.1 * counted[0] - 0.5 * counted[1] - 2.0 * counted[2]
    np.testing.assert_allclose(terms.objective, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(terms.elbo, likelihood - sum(kls), rtol=1e-4, atol=1e-4)
