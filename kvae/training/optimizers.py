"""Optimizers of `keras.optimizers`, and how their learning rates change during training."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from kvae import registry
from kvae.config import TrainingConfig

Rate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule

LAST = 0.01
"""The last learning rate of `exponential`, as a share of the first."""


class AdamWithoutMomentum(keras.optimizers.Adam):
    """Adam with `beta_1=0` and `beta_2=0.99`, for two networks that play against each other (Karras
    et al., 2018, Appendix A.1).

    Args:
        learning_rate: The learning rate, or its schedule.
        options: The other options of `keras.optimizers.Adam`.
    """

    def __init__(self, learning_rate: Rate = 0.001, **options: Any) -> None:
        super().__init__(learning_rate, beta_1=0.0, beta_2=0.99, **options)


def new_optimizer(
    config: TrainingConfig,
    images: int,
    weights: Sequence[tf.Variable],
    decayed: Sequence[tf.Variable] = (),
    steps_per_batch: int = 1,
    epochs: int | None = None,
) -> keras.Optimizer:
    """The optimizer that a configuration names, with its variables.

    Settings that the configuration does not have are Keras's defaults.

    Args:
        config: The optimizer, what Adagrad starts with, the learning rate, its schedule, the weight
            decay, the largest norm of gradients, the epochs and the batch size.
        images: Number of training images.
        weights: The weights that the optimizer changes.
        decayed: Those of `weights` that weight decay applies to.
        steps_per_batch: How many steps the optimizer takes with each batch.
        epochs: In how many epochs the optimizer takes steps; None is all of them.
    """
    batches = -(-images // min(config.batch_size, images))
    steps = (epochs or config.epochs) * batches * steps_per_batch
    rate = registry.resolve(registry.SCHEDULES, config.schedule)(config.learning_rate, steps)
    kind = registry.resolve(registry.OPTIMIZERS, config.optimizer)
    decay = config.weight_average
    more = {"use_ema": True, "ema_momentum": decay} if decay else {}
    if config.initial_accumulator is not None:
        more["initial_accumulator_value"] = config.initial_accumulator
    clip, weight_decay = config.clip_norm or None, config.weight_decay or None
    optimizer = kind(rate, weight_decay=weight_decay, global_clipnorm=clip, **more)
    if optimizer.weight_decay:
        names = {id(weight) for weight in decayed}
        kept = [weight for weight in weights if id(weight) not in names]
        optimizer.exclude_from_weight_decay(var_list=kept)
    optimizer.build(weights)
    return optimizer


def numbers_per_weight(config: TrainingConfig) -> int:
    """How many numbers an optimizer keeps for each weight, such as 2 of Adam.

    Args:
        config: Names the optimizer.
    """
    weight = tf.Variable([0.0])
    kind = registry.resolve(registry.OPTIMIZERS, config.optimizer)
    optimizer = kind(use_ema=config.weight_average > 0)
    optimizer.build([weight])
    return sum(kept.shape == (1,) for kept in optimizer.variables)


def constant(first: float, steps: int) -> Rate:
    """The same learning rate in every step.

    Args:
        first: The learning rate.
        steps: The number of steps of the whole training, which is not used.
    """
    return first


def cosine(first: float, steps: int) -> Rate:
    """A learning rate that falls from the first to zero as half a cosine.

    Loshchilov & Hutter (2017), without restarts.

    Args:
        first: The learning rate of the first step.
        steps: The number of steps of the whole training.
    """
    return keras.optimizers.schedules.CosineDecay(first, steps)


def exponential(first: float, steps: int) -> Rate:
    """A learning rate that falls by the same factor every step, to a hundredth of the first.

    Args:
        first: The learning rate of the first step.
        steps: The number of steps of the whole training.
    """
    return keras.optimizers.schedules.ExponentialDecay(first, steps, LAST)
