"""The ELBO, evaluated in chunks."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import kvae
from kvae.evaluation import Evaluator


@pytest.fixture(scope="module")
def model(few_digits):
    return kvae.build(kvae.configure(few_digits, hidden=(16,), latent=3))


@pytest.mark.parametrize("chunk", [1, 7, 40, 64])
def test_chunks_change_nothing(model, few_digits, chunk):
    images = few_digits.test.images
    whole = model.encode(tf.constant(images / 255, tf.float32))
    prior = model.prior.distribution()
    result = Evaluator(model, seed=0, chunk=chunk)(images)
    elbo, reconstruction, kl = (result.terms[name] for name in ("elbo", "reconstruction", "kl"))
    assert len(elbo) == len(images)
    np.testing.assert_allclose(result.embeddings, whole.mean(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(kl, tfd.kl_divergence(whole, prior), rtol=1e-4)
    np.testing.assert_allclose(
        result.per_dimension["kl_per_dimension"].sum(), result.means["kl"], rtol=1e-5
    )
    np.testing.assert_allclose(elbo, reconstruction - kl, rtol=1e-5)


def test_evaluation_repeats_itself(few_digits):
    config = kvae.configure(few_digits, hidden=(16,), latent=3, binarize="dynamic")
    model = kvae.build(config)
    evaluate = Evaluator(model, seed=5, chunk=16)
    one, two = evaluate(few_digits.test.images), evaluate(few_digits.test.images)
    np.testing.assert_array_equal(one.terms["elbo"], two.terms["elbo"])
    other = Evaluator(model, seed=6, chunk=16)(few_digits.test.images)
    assert not np.array_equal(one.terms["elbo"], other.terms["elbo"])
