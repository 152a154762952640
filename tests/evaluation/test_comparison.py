"""Several models on the same images."""

import numpy as np
import pytest

import kvae
from kvae.errors import UsageError
from kvae.evaluation import Evaluator, compare_models


def trained(few_digits, **options):
    options = {"hidden": (16,), "epochs": 3, "jit": False, **options}
    model = kvae.build(kvae.configure(few_digits, **options))
    kvae.train(model, few_digits)
    return model


def test_differences_are_taken_image_by_image(few_digits):
    models = {"short": trained(few_digits), "long": trained(few_digits, epochs=60)}
    found = {quantity.name: quantity for quantity in compare_models(models, few_digits)}
    each = [
        Evaluator(model, seed=0, chunk=40)(few_digits.test.images).terms["elbo"]
        for model in models.values()
    ]
    assert found["ELBO"].values == pytest.approx([elbo.mean() for elbo in each], rel=1e-6)
    assert found["ELBO"].best == 1
    behind = each[0] - each[1]
    quantity = found["ELBO, behind the best"]
    assert quantity.values == pytest.approx([behind.mean(), 0], rel=1e-5)
    assert quantity.errors == pytest.approx([behind.std() / np.sqrt(40), 0], rel=1e-5)
    error = found["squared error a pixel"]
    assert error.best == int(np.argmin(error.values))
    assert found["KL"].best is None


@pytest.mark.parametrize(
    "other",
    [{"likelihood": "bernoulli"}, {"binarize": "threshold"}],
)
def test_figures_of_different_things_are_not_compared(few_digits, other):
    models = {
        name: kvae.build(kvae.configure(few_digits, hidden=(4,), **options))
        for name, options in (("one", {}), ("other", other))
    }
    with pytest.raises(UsageError, match="different things: one: digits .densities.; other: "):
        compare_models(models, few_digits)
