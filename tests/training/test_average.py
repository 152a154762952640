"""Moving averages of weights are validated and kept; the weights themselves are trained on."""

import numpy as np
import pytest

import kvae
from kvae.config import TrainingConfig
from kvae.errors import UsageError

from ..runs.making import assert_same_outcome, cut, start

OPTIONS = {"hidden": (8,), "likelihood": "bernoulli", "optimizer": "adam", "learning_rate": 0.01,
           "patience": 9, "jit": False}  # fmt: skip


def weights_of_epochs(dataset, **options):
    model = kvae.build(kvae.configure(dataset, **OPTIONS | options))
    found = []
    kvae.train(model, dataset, lambda row, _: found.append(model.get_weights()))
    return model, found


def test_averages_are_those_of_the_weights_of_each_step(few_digits):
    # An epoch is one step.
    options = {"epochs": 4, "batch_size": 1000}
    _, trained = weights_of_epochs(few_digits, **options)
    model, averaged = weights_of_epochs(few_digits, weight_average=0.7, **options)
    expected = trained[0]
    for epoch, weights in enumerate(trained):
        if epoch:
            expected = [0.7 * e + 0.3 * w for e, w in zip(expected, weights, strict=True)]
        for one, other in zip(averaged[epoch], expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
    # The ELBO rises, so that the best epoch is the last.
    for kept, last in zip(model.get_weights(), averaged[-1], strict=True):
        np.testing.assert_array_equal(kept, last)


@pytest.mark.slow
def test_a_run_with_averages_resumes_bit_for_bit(few_digits, tmp_path):
    places = {"runs": tmp_path / "runs", "models": tmp_path / "models"}
    options = OPTIONS | {"weight_average": 0.9}
    whole = start(few_digits, places, "whole", **options)
    cut(few_digits, places, 3, checkpoint_every=2, **options)
    assert_same_outcome(kvae.runs.resume(few_digits, "cut", **places), whole)
    saved = kvae.load(whole.saved_model).get_weights()
    for one, other in zip(saved, whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_averages_need_patience():
    with pytest.raises(UsageError, match="`weight_average` needs `patience`"):
        TrainingConfig(epochs=1, batch_size=8, weight_average=0.9)
