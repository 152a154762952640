"""What is timed is what it is said to be: the same products, the same training."""

import math

import numpy as np
import pytest

from benchmarks import adversarial, contestants, training
from benchmarks.problems import Problem

SMALL = {
    "bernoulli": Problem("digits", "bernoulli", 64, 16, 3, 32, epochs=1, learning_rate=0.05),
    "normal": Problem("digits", "normal", 64, 16, 3, 32, epochs=1, learning_rate=0.05),
    "convolutional": Problem(
        "digits", "bernoulli", 64, 16, 3, 32, epochs=1, learning_rate=0.05, stages=(8, 16)
    ),
}


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal"])
def test_the_floor_is_every_matrix_product_of_a_step(likelihood):
    problem = SMALL[likelihood]
    products, steps = contestants._products(problem)
    multiplications = sum(a.shape[0] * a.shape[1] * b.shape[1] for a, b in products)
    encoder = problem.pixels * problem.hidden
    others = 3 * problem.latent * problem.hidden + problem.hidden * problem.outputs
    # Forward, and backward for weights and inputs, but no gradient of the images.
    assert multiplications == problem.batch_size * (2 * encoder + 3 * others)
    assert steps == math.ceil(1439 / 32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("likelihood", "others"),
    [("normal", ["Keras fit, XLA"]),
     ("convolutional", ["Keras fit"])],
)  # fmt: skip
def test_contestants_train_the_same_model(likelihood, others):
    losses = {}
    for name in ["kvae", *others]:
        epoch = contestants.CONTESTANTS[name](SMALL[likelihood])
        losses[name] = [epoch() for _ in range(30)]
    scale = losses["kvae"][0] - losses["kvae"][-1]
    assert scale > 1
    for other in losses.values():
        # Initial weights and noise differ, so the curves do, by little of what was learned.
        assert other[-1] == pytest.approx(losses["kvae"][-1], abs=0.15 * scale)


@pytest.mark.slow
def test_workers_answer_with_what_they_measured():
    names = ("floor (NumPy)", "kvae")
    answers, missing = training.in_turn(SMALL["normal"], names, rounds=2, title="")
    assert missing == {}
    for given in answers.values():
        assert len(given) == 2
        assert all(each["seconds"] >= 0 and each["memory"] > 10 for each in given)
    assert answers["floor (NumPy)"][0]["loss"] is None
    assert answers["kvae"][1]["loss"] < answers["kvae"][0]["loss"]


def test_noise_has_as_many_images_and_pixels_as_asked_for():
    problem = Problem("noise", "bernoulli", 36, 16, 3, 32, epochs=1, count=500)
    images = problem.load().train.images
    assert images.shape == (500, 6, 6, 1)
    np.testing.assert_array_equal(images, problem.load().train.images)
    assert images.mean() == pytest.approx(127.5, abs=3)


def test_table_shows_what_was_measured():
    figures = {"median": 0.5, "quartiles": [0.4, 0.6], "to_floor": 1.25, "to_kvae": 1.0}
    result = {
        "problem": "mnist",
        "rounds": 3,
        "epochs": 4,
        "missing": {"pythae": "No module named 'pythae'"},
        "contestants": {"floor": figures | {"loss": None}, "kvae": figures | {"loss": 99.96}},
    }
    shared = {"kvae": {"seconds": [0.25, 0.5, 2.0], "to_kvae": 1.0, "loss": 99.96}}
    assert training.share_table(shared, "mnist").splitlines()[2:] == [
        "| kvae | 500 | 1.00 | 100.0 |"
    ]
    assert training.table(result).splitlines()[2:] == [
        "| floor | 500 (400 to 600) | 1.25 | 1.00 |  |",
        "| kvae | 500 (400 to 600) | 1.25 | 1.00 | 100.0 |",
        "| pythae | not run: No module named 'pythae' | | | |",
    ]


def test_the_table_of_adversarial_networks_shows_what_was_measured():
    results = [
        {
            "problem": "mnist",
            "seconds": {"kvae, adversarial": [1.0, 2.0], "PyTorch, adversarial": [2.0, 5.0]},
            "missing": {},
        },
        {
            "problem": "mnist-conv",
            "seconds": {"kvae, adversarial": [4.0, 4.0]},
            "missing": {"PyTorch, adversarial": "No module named 'torch'"},
        },
    ]
    assert adversarial.table(results).splitlines()[2:] == [
        "| mnist: kvae, adversarial | 1500 | 1.00 |",
        "| mnist: PyTorch, adversarial | 3500 | 2.25 |",
        "| mnist-conv: kvae, adversarial | 4000 | 1.00 |",
        "| mnist-conv: PyTorch, adversarial | not run: No module named 'torch' | |",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", ["bernoulli", "convolutional"])
def test_an_adversarial_epoch_trains_the_discriminator(likelihood):
    epoch = contestants.CONTESTANTS["kvae, adversarial"](SMALL[likelihood])
    losses = [epoch() for _ in range(3)]
    # Twice the loss of a guess.
    assert losses[-1] < 2 * math.log(2)
