"""The norm of gradients is limited over all weights together."""

import numpy as np
import pytest

import kvae

OPTIONS = {"hidden": (8,), "likelihood": "bernoulli", "optimizer": "sgd", "learning_rate": 1.0,
           "epochs": 1, "batch_size": 1000, "jit": False}  # fmt: skip


def step(dataset, **options):
    """How the only step of a training changes the weights, `[weights]`."""
    model = kvae.build(kvae.configure(dataset, **OPTIONS | options))
    before = model.get_weights()
    kvae.train(model, dataset)
    pairs = zip(before, model.get_weights(), strict=True)
    return np.concatenate([(new - old).ravel() for old, new in pairs])


@pytest.mark.parametrize("norm", [0.001, 2.0])
def test_a_step_has_the_norm_and_the_direction_of_the_gradient(few_digits, norm):
    free, clipped = step(few_digits), step(few_digits, clip_norm=norm)
    length = np.linalg.norm(free)
    assert length > 2
    np.testing.assert_allclose(clipped, free * norm / length, rtol=1e-2, atol=1e-6)


def test_smaller_gradients_are_left_as_they_are(few_digits):
    np.testing.assert_array_equal(step(few_digits), step(few_digits, clip_norm=1e6))
