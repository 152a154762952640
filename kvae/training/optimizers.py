"""Optimizers by `keras.optimizers`, and how their learning rates change during a training."""

from collections.abc import Sequence
from typing import TypeAlias

import keras
import tensorflow as tf

from kvae import registry
from kvae.config import TrainingConfig

Rate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule

LAST = 0.01
"""What `exponential` ends with, as a share of the first learning rate."""


def new_optimizer(
    config: TrainingConfig,
    images: int,
    weights: Sequence[tf.Variable],
    decayed: Sequence[tf.Variable] = (),
    steps_per_batch: int = 1,
) -> keras.Optimizer:
    """The optimizer that a configuration names, with its variables.

    Its settings are Keras's defaults but for those that the configuration has.

    Args:
        config: Has the optimizer, the learning rate, its schedule and the weight decay.
        images: Number of training images; with the batch size it decides how many steps there are.
        weights: What the optimizer changes.
        decayed: Those of them that weight decay applies to.
        steps_per_batch: Steps that the optimizer takes with each batch.
    """
    steps = config.epochs * -(-images // min(config.batch_size, images)) * steps_per_batch
    rate = registry.resolve(registry.SCHEDULES, config.schedule)(config.learning_rate, steps)
    kind = registry.resolve(registry.OPTIMIZERS, config.optimizer)
    optimizer = kind(rate, weight_decay=config.weight_decay or None)
    if optimizer.weight_decay:
        names = {id(weight) for weight in decayed}
        kept = [weight for weight in weights if id(weight) not in names]
        optimizer.exclude_from_weight_decay(var_list=kept)
    optimizer.build(weights)
    return optimizer


def constant(first: float, steps: int) -> Rate:
    """The same learning rate in every step.

    Args:
        first: The learning rate.
        steps: Is not used.
    """
    return first


def cosine(first: float, steps: int) -> Rate:
    """Half a cosine from the first learning rate to zero (Loshchilov & Hutter, 2017; no restarts).

    Args:
        first: The learning rate of the first step.
        steps: Steps of the whole training.
    """
    return keras.optimizers.schedules.CosineDecay(first, steps)


def exponential(first: float, steps: int) -> Rate:
    """A learning rate that falls by the same factor every step, to a hundredth of the first.

    Args:
        first: The learning rate of the first step.
        steps: Steps of the whole training.
    """
    return keras.optimizers.schedules.ExponentialDecay(first, steps, LAST)
