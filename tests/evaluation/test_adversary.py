"""What is said of a generator and its discriminator, where it is known."""

import numpy as np
import pytest

from kvae.evaluation import adversary
from kvae.evaluation.samples import fidelity
from kvae.models.samples import covered, reach, recalled, told_apart


def test_coverage_counts_the_images_that_samples_come_near():
    real = np.concatenate([np.zeros(30), np.full(70, 10.0)])
    real = (real + 0.01 * np.random.default_rng(0).standard_normal(100)).reshape(-1, 1, 1, 1)
    held_out, train = real[::2], real[1::2]
    assert covered(held_out, train, train).all()
    near = covered(held_out, train[:15], train)
    assert near[:15].all()
    assert not near[15:].any()
    # Of few training images the farthest one decides.
    points = np.array([1.0, 2.0, 3.0, 4.0]).reshape(-1, 1, 1, 1)
    assert covered(points[:1], points[3:], points[1:]).all()
    assert not covered(points[:1], points[3:], points[1:3]).any()


def test_samples_of_the_data_itself_cover_nearly_all():
    # An image is not covered if its five nearest of both kinds are training images: one in 2^5.
    held_out, made, train = np.random.default_rng(0).standard_normal((3, 4000, 2, 1, 1))
    assert covered(held_out, made, train).mean() == pytest.approx(1 - 1 / 32, abs=0.01)


def test_recall_sees_that_samples_are_alike_where_coverage_does_not():
    # Samples in the middle are near to all images of a wide cloud, and images are not near to them.
    held_out, made, train = np.random.default_rng(0).standard_normal((3, 1000, 50, 1, 1))
    blurred = 0.1 * made
    assert covered(held_out, blurred, train).mean() > covered(held_out, made, train).mean() > 0.95
    assert recalled(held_out, blurred).mean() == 0
    assert recalled(held_out, made).mean() > 0.7
    assert recalled(held_out, made).mean() == fidelity(held_out, made).recall


def test_the_reach_of_few_images():
    points = np.array([1.0, 2.0, 4.0]).reshape(-1, 1, 1, 1)
    np.testing.assert_array_equal(reach(points), [3, 2, 3])
    np.testing.assert_array_equal(reach(points[:1]), [0])


def test_pairs_that_are_told_apart():
    def share(real, made):
        return told_apart(np.array(real), np.array(made)).tolist()

    assert share([2.0, 3.0], [0.0, 1.0]) == [1, 1]
    assert share([0.0], [1.0, 2.0]) == [0]
    assert share([1.0, 1.0], [1.0]) == [0.5, 0.5]
    # 0 < 1; 2 > 1 and 2 = 2.
    assert share([0.0, 2.0], [1.0, 2.0]) == [0, 0.75]


@pytest.mark.parametrize(
    ("samples", "number", "word"),
    [
        ([0] * 50 + [1] * 25 + [2] * 25, 1, "present"),
        ([0] * 55 + [1] * 8 + [2] * 37, 1, "rare"),
        ([0] * 70 + [1] * 30, 2, "missing"),
    ],
)
def test_the_rarest_kind_is_measured_against_the_data(samples, number, word):
    data = np.repeat([0, 1, 2], [40, 30, 30])
    kind = adversary.rarest(data, np.array(samples))
    assert (kind.number, kind.verdict) == (number, word)
    assert kind.of_data == 0.3
    assert kind.of_samples == np.mean(np.array(samples) == number)


def test_kinds_that_are_rare_in_the_data_say_nothing():
    data = np.repeat([0, 1, 2], [50, 48, 2])
    made = np.repeat([0, 1], [52, 48])
    assert adversary.rarest(data, made).number == 1


def test_samples_have_the_label_of_the_nearest_image_or_a_cluster():
    rng = np.random.default_rng(0)
    places = rng.integers(0, 10, 400)
    real = (places + 0.01 * rng.standard_normal(400)).reshape(-1, 1, 1, 1)
    labels, made = 2 * places, real[::3] + 0.02
    data, of_samples = adversary.kinds_of(real, labels, made)
    np.testing.assert_array_equal(data, labels)
    np.testing.assert_array_equal(of_samples, labels[::3])
    data, of_samples = adversary.kinds_of(real, None, made)
    np.testing.assert_array_equal(of_samples, data[::3])


def test_warnings_name_a_cure():
    assert adversary.warnings(0.9, 0.5, 0.8) == []
    # It may tell samples apart by details that do not matter.
    assert adversary.warnings(0.9, 0.5, 0.995) == []
    (alike,) = adversary.warnings(0.9, 0.02, 0.8)
    assert alike.startswith("samples are too alike, or blurred: their recall of held-out images is")
    (collapsed,) = adversary.warnings(0.05, 0.0, 0.8)
    assert collapsed.startswith("samples cover only 5% of the held-out images: try ")
    _, won = adversary.warnings(0.3, 0.5, 0.995)
    assert won.startswith("the discriminator has won: it tells 99.5% ")
    assert [adversary.verdict(share, recall=0.5) for share in (0.05, 0.3, 0.7)] == [
        "collapsed", "partly collapsed", "healthy",
    ]  # fmt: skip
    assert adversary.verdict(0.7, recall=0.01) == "partly collapsed"
    assert adversary.verdict(0.7, recall=0.5, is_missing=True) == "partly collapsed"
