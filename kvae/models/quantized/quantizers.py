"""From vectors of real numbers to codes, and back.

`Quantizer` says what a quantizer must offer. The gradient passes through the rounding as if it were
not there (Bengio et al., 2013): the straight-through estimator.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kvae.data import random_numbers
from kvae.models.initialization import Initialization

DECAY = 0.99
"""The decay of the moving averages of a codebook, in each step."""
DEAD = 0.02
"""A code is dead if it is taken so many times as often as codes are on average, or less often."""
KMEANS_STEPS = 10
KMEANS_VECTORS = 20
"""The number of vectors for each code from which k-means finds the first codebook."""
LEAST_APART = 1e-6
"""A squared distance between the vectors of a codebook that are all the same."""
MARGIN = 1e-3
"""Keeps bounded numbers away from where they would be rounded to a level that is not there."""


class Quantizer(keras.layers.Layer):
    """Codes, and the vector of each.

    Attributes:
        count: The number of codes.
        size: The dimensions of a vector.
    """

    count: int
    size: int

    def codes(self, features: tf.Tensor) -> tf.Tensor:
        """The codes of what the encoder returns, int32 `[...]`.

        Args:
            features: float32 `[..., size]`.
        """
        raise NotImplementedError

    def vectors(self, codes: tf.Tensor) -> tf.Tensor:
        """What the decoder sees of codes, float32 `[..., size]`.

        Args:
            codes: int32, of any shape, from 0 to `count - 1`.
        """
        raise NotImplementedError

    def numbers(self, vectors: tf.Tensor) -> tf.Tensor:
        """The codes whose vectors are given, int32 `[...]`: the inverse of `vectors`.

        Args:
            vectors: What `vectors` returned, float32 `[..., size]`.
        """
        raise NotImplementedError

    def random_codes(
        self, features: tf.Tensor, temperature: float, seed: tf.Tensor, generator: str
    ) -> tf.Tensor:
        """Codes that are drawn at random, near ones more often, int32 `[...]`.

        The probability of a code is proportional to `exp(-distance / temperature)`, as in Lee et
        al. (2022), Section 3.2; `distance` is the squared one of the code's vector from the
        features, in multiples of that between a vector and the nearest other one.

        Args:
            features: float32 `[rows, ..., size]`.
            temperature: More than 0.
            seed: int32 `[2]`; decides the codes.
            generator: `philox` or `threefry`, as `kvae.data.pixels.algorithm` returns it.
        """
        raise NotImplementedError

    def straight_through(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The vectors of the codes of features, with a gradient with respect to these.

        Args:
            features: float32 `[..., size]`.

        Returns:
            The vectors, `[..., size]`, and the squared distance that commitment is about, `[...]`.
        """
        raise NotImplementedError


def _drawn(logits: tf.Tensor, seed: tf.Tensor, generator: str) -> tf.Tensor:
    """A sample of each categorical distribution, int32 `[rows, ...]`: the largest of the logits
    with Gumbel noise (Gumbel, 1954).

    Args:
        logits: `[rows, ..., classes]`.
        seed: int32 `[2]`; decides the samples.
        generator: `philox` or `threefry`.
    """
    uniform = random_numbers.uniform(tf.shape(logits), seed, generator)
    noise = -tf.math.log(-tf.math.log(tf.maximum(uniform, np.finfo(np.float32).tiny)))
    return tf.argmax(logits + noise, axis=-1, output_type=tf.int32)


class Usage(NamedTuple):
    """What a codebook learns from a batch.

    Attributes:
        counts: How often each code is taken, `[count]`.
        sums: The sum of the encoder's outputs that take each code, `[count, size]`.
        candidates: An output of the encoder for each code, which replaces its vector if the code is
            dead, `[count, size]`.
    """

    counts: tf.Tensor
    sums: tf.Tensor
    candidates: tf.Tensor


class VectorQuantizer(Quantizer):
    """A codebook, in which a vector's code is the nearest one (van den Oord et al., 2017).

    The codebook is no weight that follows a gradient. Each of its vectors is the mean of the
    encoder's outputs that take it, by moving averages (their Appendix A.1).

    Args:
        count: The number of codes.
        size: The dimensions of a vector.
        initialization: Makes the initial codebook.
    """

    def __init__(self, count: int, size: int, initialization: Initialization) -> None:
        super().__init__(name="quantizer")
        self.count, self.size = count, size
        # All devices that share a batch compute the same values.
        options = {"trainable": False, "aggregation": "only_first_replica"}
        self.sums = self.add_weight(
            shape=(count, size), initializer=initialization.normal(), name="sums", **options
        )
        self.counts = self.add_weight(shape=(count,), initializer="ones", name="counts", **options)
        self.built = True

    @property
    def codebook(self) -> tf.Tensor:
        """The vector of each code, float32 `[count, size]`."""
        return tf.convert_to_tensor(self.sums) / tf.convert_to_tensor(self.counts)[:, None]

    def codes(self, features: tf.Tensor) -> tf.Tensor:
        return tf.argmin(self._distances(features), axis=-1, output_type=tf.int32)

    def random_codes(
        self, features: tf.Tensor, temperature: float, seed: tf.Tensor, generator: str
    ) -> tf.Tensor:
        codebook = self.codebook
        to_others = self._distances(codebook) + tf.reduce_sum(codebook**2, axis=-1)[:, None]
        # Vectors that are equal to others are no reason to draw no other.
        others = tf.linalg.set_diag(to_others, tf.fill((self.count,), tf.float32.max))
        apart = tf.maximum(tf.reduce_mean(tf.reduce_min(others, axis=-1)), LEAST_APART)
        return _drawn(-self._distances(features) / (temperature * apart), seed, generator)

    def _distances(self, features: tf.Tensor) -> tf.Tensor:
        """Squared distances from the codebook, `[..., count]`, but for the square of the features,
        which is the same for all codes."""
        codebook = self.codebook
        products = tf.tensordot(features, codebook, axes=[[-1], [1]])
        return tf.reduce_sum(codebook**2, axis=-1) - 2 * products

    def vectors(self, codes: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.codebook, codes)

    def numbers(self, vectors: tf.Tensor) -> tf.Tensor:
        return self.codes(vectors)

    def straight_through(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        vectors = tf.stop_gradient(self.vectors(self.codes(features)))
        distances = tf.reduce_sum((features - vectors) ** 2, axis=-1)
        return features + tf.stop_gradient(vectors - features), distances

    def usage(
        self, features: tf.Tensor, weight: tf.Tensor, seed: tf.Tensor, generator: str
    ) -> Usage:
        """How the outputs of the encoder for a batch use the codebook.

        Args:
            features: float32 `[rows, size]`.
            weight: How much each row counts, `[rows]`.
            seed: int32 `[2]`; decides the candidates.
            generator: `philox` or `threefry`, as `kvae.data.pixels.algorithm` returns it.
        """
        taken = tf.one_hot(self.codes(features), self.count) * weight[:, None]
        uniform = random_numbers.uniform(tf.constant([self.count]), seed, generator)
        chosen = tf.cast(uniform * features.shape[0], tf.int32)
        return Usage(
            tf.reduce_sum(taken, axis=0),
            tf.matmul(taken, features, transpose_a=True),
            tf.gather(features, chosen),
        )

    def learn(self, usage: Usage) -> None:
        """Move the codebook towards the outputs of the encoder, and revive dead codes.

        A dead code takes the place of an output of the encoder (Zeghidour et al., 2021).

        Args:
            usage: What `usage` returned for the whole batch.
        """
        counts = DECAY * self.counts + (1 - DECAY) * usage.counts
        sums = DECAY * self.sums + (1 - DECAY) * usage.sums
        mean = tf.reduce_mean(counts)
        dead = counts <= DEAD * mean
        counts = tf.where(dead, mean, counts)
        self.counts.assign(counts)
        self.sums.assign(tf.where(dead[:, None], mean * usage.candidates, sums))

    def start(self, features: np.ndarray, initialization: Initialization) -> None:
        """Begin with a codebook that k-means finds.

        Args:
            features: Outputs of the encoder, float32 `[rows, size]`.
            initialization: Chooses the rows that k-means starts from.
        """
        some = initialization.choice(len(features), min(self.count, len(features)))
        centers = np.resize(features[some], (self.count, self.size))
        for _ in range(KMEANS_STEPS):
            self.sums.assign(centers)
            codes = self.codes(tf.constant(features)).numpy()
            counts = np.bincount(codes, minlength=self.count)
            sums = np.zeros_like(centers)
            np.add.at(sums, codes, features)
            # A center that is nearest to nothing stays where it is.
            centers = np.where(counts[:, None], sums / np.maximum(counts, 1)[:, None], centers)
            centers = centers.astype(np.float32)
        self.sums.assign(centers)


class ScalarQuantizer(Quantizer):
    """Each dimension is bounded and rounded to one of a few levels (Mentzer et al., 2023).

    There is no codebook that could collapse: the codes are a grid.

    Args:
        levels: The number of levels of each dimension.
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__(name="quantizer")
        self.count, self.size = math.prod(levels), len(levels)
        self.levels = np.array(levels)
        # The middle of an even number of levels is between two of them.
        self.offset = np.where(self.levels % 2, 0.0, 0.5).astype(np.float32)
        self.half = ((self.levels - 1) * (1 - MARGIN) / 2).astype(np.float32)
        self.shift = np.arctanh(self.offset / self.half).astype(np.float32)
        self.basis = np.concatenate([[1], np.cumprod(levels)[:-1]]).astype(np.int32)
        self.built = True

    def codes(self, features: tf.Tensor) -> tf.Tensor:
        return self._numbers(tf.round(self._bounded(features)))

    def random_codes(
        self, features: tf.Tensor, temperature: float, seed: tf.Tensor, generator: str
    ) -> tf.Tensor:
        # The distance is a sum over the dimensions, so that the levels of each can be drawn alone.
        digits = tf.range(int(max(self.levels)))
        lowest = tf.constant(self.levels // 2, tf.float32)
        places = tf.cast(digits, tf.float32) - lowest[:, None]
        distances = (self._bounded(features)[..., None] - places) ** 2
        there = digits < tf.constant(self.levels, tf.int32)[:, None]
        logits = tf.where(there, -distances / temperature, tf.float32.min)
        drawn = _drawn(logits, seed, generator)
        return tf.reduce_sum(drawn * self.basis, axis=-1)

    def vectors(self, codes: tf.Tensor) -> tf.Tensor:
        digits = codes[..., None] // self.basis % self.levels.astype(np.int32)
        return tf.cast(digits - self.levels // 2, tf.float32) / (self.levels // 2)

    def numbers(self, vectors: tf.Tensor) -> tf.Tensor:
        return self._numbers(tf.round(vectors * (self.levels // 2)))

    def straight_through(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        bounded = self._bounded(features)
        rounded = bounded + tf.stop_gradient(tf.round(bounded) - bounded)
        return rounded / (self.levels // 2), tf.zeros_like(features[..., 0])

    def _bounded(self, features: tf.Tensor) -> tf.Tensor:
        """Numbers that are rounded to levels from `-(levels // 2)` on, zero if the feature is."""
        return self.half * tf.tanh(features + self.shift) - self.offset

    def _numbers(self, rounded: tf.Tensor) -> tf.Tensor:
        digits = tf.cast(rounded, tf.int32) + self.levels.astype(np.int32) // 2
        return tf.reduce_sum(digits * self.basis, axis=-1)
