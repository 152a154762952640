"""A plan with two stages: each changes its own weights, also when training is resumed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kvae
from kvae.models.plan import GradientUpdate, Plan
from kvae.training import State


class TwoStages(Plan):
    """The gradient of the first stage is -1 by `first`, that of the second -1 by `second`.

    The first stage is two epochs long.
    """

    metrics = ("pixels",)

    def __init__(self) -> None:
        self.first, self.second = tf.Variable(0.0), tf.Variable(0.0)
        self.stages = [self._update(weight) for weight in (self.first, self.second)]
        self.entered = []

    def _update(self, weight):
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build([weight])
        return GradientUpdate([weight], optimizer, lambda batch: self._loss(weight, batch))

    @staticmethod
    def _loss(weight, batch):
        pixels = tf.reduce_sum(batch.weight * tf.reduce_mean(batch.images, axis=(1, 2, 3)))
        return -weight * batch.share, {"pixels": pixels}

    def enter(self, epoch):
        updates = [self.stages[epoch > 2]]
        changed = self.updates != updates
        self.updates = updates
        self.entered.append((epoch, changed))
        return changed


@pytest.fixture
def model(few_digits):
    return kvae.build(kvae.configure(few_digits, hidden=(4,), epochs=5, batch_size=75, jit=False))


def test_each_stage_changes_its_own_weights(model, few_digits):
    plan = TwoStages()
    history = kvae.train(model, few_digits, plan=plan)
    # Two steps an epoch.
    assert (float(plan.first), float(plan.second)) == (4, 6)
    assert plan.entered == [(1, True), (2, False), (3, True), (4, False), (5, False)]
    mean = few_digits.train.images.mean() / 255
    np.testing.assert_allclose([row["train_pixels"] for row in history], [mean] * 5, rtol=1e-5)


def test_a_training_that_is_resumed_in_the_second_stage_begins_there(model, few_digits):
    state = State(model, few_digits, TwoStages())
    for number in range(1, 4):
        state.end_epoch({"epoch": number})
    kvae.train(model, few_digits, state=state)
    assert (float(state.plan.first), float(state.plan.second)) == (0, 4)
    assert state.plan.entered == [(4, True), (5, False)]
