"""Random numbers for a batch that several devices may share.

Under `tf.distribute` a replica has some of the rows of a batch. It draws the whole batch's numbers
and takes those of its rows, so that training is the same however many share it. Elsewhere there is
one replica, which has them all.
"""

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from tensorflow_probability import distributions as tfd


def normal(shape: tf.Tensor, seed: tf.Tensor, generator: str) -> tf.Tensor:
    """Standard normal numbers.

    Args:
        shape: Of this replica's part, int32; rows come first.
        seed: int32 `[2]`.
        generator: As `kvae.data.pixels.algorithm` has it.
    """
    return own_rows(tf.random.stateless_normal(_of_all(shape), seed, alg=generator))


def uniform(shape: tf.Tensor, seed: tf.Tensor, generator: str) -> tf.Tensor:
    """Numbers uniform in [0, 1), by the arguments of `normal`."""
    return own_rows(tf.random.stateless_uniform(_of_all(shape), seed, alg=generator))


def sample(distribution: "tfd.Distribution", seed: tf.Tensor) -> tf.Tensor:
    """A sample of a distribution for each row, `[rows, ...]`.

    Compiled with XLA, whose numbers depend on their shape, these are others than one device's.
    """
    if replicas() == 1:
        return distribution.sample(seed=seed)
    return distribution.sample(replicas(), seed=seed)[_replica()]


def sample_rows(distribution: "tfd.Distribution", rows: int, seed: tf.Tensor) -> tf.Tensor:
    """`rows` samples of a distribution that is no batch of them, `[rows, ...]`."""
    return own_rows(distribution.sample(replicas() * rows, seed=seed))


def replicas() -> int:
    """How many share a batch."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def own_rows(whole: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """This replica's rows, along an axis, of what is drawn for the whole batch."""
    count = replicas()
    if count == 1:
        return whole
    begin, size = [0] * whole.shape.rank, whole.shape.as_list()
    size[axis] //= count
    begin[axis] = _replica() * size[axis]
    # XLA has slices that begin anywhere, if it knows how long they are.
    return tf.slice(whole, begin, size)


def _replica() -> tf.Tensor:
    return tf.distribute.get_replica_context().replica_id_in_sync_group


def _of_all(shape: tf.Tensor) -> tf.Tensor:
    if replicas() == 1:
        return shape
    return tf.concat([[replicas() * shape[0]], shape[1:]], axis=0)
