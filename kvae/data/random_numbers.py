"""Random numbers for a batch that several devices may share.

Under `tf.distribute`, each replica (the copy of the model on a device) has some of the rows of a
batch. It generates the random numbers of the whole batch and takes those of its own rows, so that
training is the same for any number of replicas. Without `tf.distribute` there is one replica, which
has all rows.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from tensorflow_probability import distributions as tfd


def normal(shape: tf.Tensor, seed: tf.Tensor, generator: str = "auto_select") -> tf.Tensor:
    """Standard normal random numbers.

    Args:
        shape: int32; the shape of this replica's numbers, rows first.
        seed: int32 `[2]`; decides the numbers.
        generator: `philox` or `threefry`, as `kvae.data.pixels.algorithm` returns it. The default
            also works where it is not known whether XLA compiles the numbers.
    """
    return own_rows(tf.random.stateless_normal(_whole_shape(shape), seed, alg=generator))


def uniform(shape: tf.Tensor, seed: tf.Tensor, generator: str) -> tf.Tensor:
    """Random numbers that are uniform in [0, 1).

    Args:
        shape: int32; the shape of this replica's numbers, rows first.
        seed: int32 `[2]`; decides the numbers.
        generator: `philox` or `threefry`, as `kvae.data.pixels.algorithm` returns it.
    """
    return own_rows(tf.random.stateless_uniform(_whole_shape(shape), seed, alg=generator))


def sample(distribution: "tfd.Distribution", seed: tf.Tensor) -> tf.Tensor:
    """One sample of each distribution in a batch of distributions, `[rows, ...]`.

    If this is compiled with XLA, whose random numbers depend on the shape of the samples, several
    replicas get other samples than one replica would.

    Args:
        distribution: Its batch shape is `[rows]`, the rows of this replica.
        seed: int32 `[2]`; decides the samples.
    """
    if replicas() == 1:
        return distribution.sample(seed=seed)
    return distribution.sample(replicas(), seed=seed)[_replica()]


def sample_rows(draw: Callable[[int], tf.Tensor], rows: int) -> tf.Tensor:
    """Samples of a single distribution, `[rows, ...]`.

    Args:
        draw: Draws as many samples as it is given, `[number, ...]`.
        rows: The number of samples for this replica.
    """
    return own_rows(draw(replicas() * rows))


def replicas() -> int:
    """The number of replicas that share a batch."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def own_rows(whole: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """Select this replica's rows of random numbers or samples for the whole batch.

    Args:
        whole: Those of all replicas.
        axis: The axis of the rows.
    """
    count = replicas()
    if count == 1:
        return whole
    begin, size = [0] * whole.shape.rank, whole.shape.as_list()
    size[axis] //= count
    begin[axis] = _replica() * size[axis]
    # XLA can begin a slice at a row that it learns later, if it knows the length of the slice.
    return tf.slice(whole, begin, size)


def _replica() -> tf.Tensor:
    return tf.distribute.get_replica_context().replica_id_in_sync_group


def _whole_shape(shape: tf.Tensor) -> tf.Tensor:
    """The shape of all replicas' numbers, from the shape of one replica's."""
    if replicas() == 1:
        return shape
    return tf.concat([[replicas() * shape[0]], shape[1:]], axis=0)
