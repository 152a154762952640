"""Draws maps of symbols from a gated masked network, one symbol after the other.

Everything is in one compiled function, and only what is new is computed: the vertical stack once
for each row, and the horizontal stack once for each position. Earlier features that a layer sees
are kept. The layers are those by which the likelihood is computed, so that nothing is drawn that
the likelihood does not score.
"""

from typing import NamedTuple

import tensorflow as tf

from kvae.models.base import seed_pair
from kvae.models.networks.masked import MaskedNetwork, gated

AT_ONCE = 256
"""The number of maps that are drawn at a time, which bounds memory."""


class Row(NamedTuple):
    """What is kept from a row of symbols to the next one.

    Attributes:
        above: For each layer, the vertical features of the last `layer.rows` rows that it has seen,
            `[batch, layer.rows, columns, features]`.
        symbols: The symbols of the row before, int32 `[batch, columns]`.
    """

    above: tuple[tf.Tensor, ...]
    symbols: tf.Tensor


class Sampler:
    """Draws maps of symbols.

    Args:
        network: The network that the symbols are drawn from.
    """

    def __init__(self, network: MaskedNetwork) -> None:
        self._network = network
        shape = tf.TensorSpec((None, *network.shape), tf.int32)
        scalar, seed = tf.TensorSpec((), tf.int32), tf.TensorSpec((2,), tf.int32)
        # TensorFlow traces it at the first call, once for any number of maps.
        self._draw = tf.function(self._all, input_signature=(shape, scalar, seed), autograph=False)

    def sample(self, count: int | tf.Tensor, seed: int | tf.Tensor) -> tf.Tensor:
        """New maps of symbols, int32 `[count, rows, columns]`.

        The first maps of a seed are the same, whatever the count is.

        Args:
            count: The number of maps.
            seed: An integer or int32 `[2]`.
        """
        return self.complete(tf.zeros([count, *self._network.shape], tf.int32), 0, seed)

    def complete(self, known: tf.Tensor, rows: int, seed: int | tf.Tensor) -> tf.Tensor:
        """Maps whose first rows are given, int32 `[count, rows, columns]`.

        Args:
            known: Symbols, int32 `[count, rows, columns]`, of which the first rows count.
            rows: How many rows are given.
            seed: An integer or int32 `[2]`.
        """
        return self._draw(known, tf.constant(rows), seed_pair(seed))

    def _all(self, known: tf.Tensor, given: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draw some maps at a time."""
        count = tf.shape(known)[0]
        # Philox generates a map's numbers after those of the maps before it.
        noise = tf.random.stateless_uniform(tf.shape(known), seed, alg="philox")

        def some(start: tf.Tensor, drawn: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            part = slice(start, start + AT_ONCE)
            maps = self._some(known[part], given, noise[part])
            return start + AT_ONCE, drawn.write(start // AT_ONCE, maps)

        size = (count + AT_ONCE - 1) // AT_ONCE
        parts = tf.TensorArray(
            tf.int32, size, infer_shape=False, element_shape=(None, *self._network.shape)
        )
        _, parts = tf.while_loop(lambda start, _: start < count, some, [tf.constant(0), parts])
        return tf.reshape(parts.concat(), tf.shape(known))

    def _some(self, known: tf.Tensor, given: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Draw maps row by row: int32 `[batch, rows, columns]`."""
        network, (rows, columns) = self._network, self._network.shape
        batch = tf.shape(known)[0]
        places = tf.tile(network.places()[None, None], [batch, 1, 1, 1])

        def one(
            number: tf.Tensor, row: Row, drawn: tf.TensorArray
        ) -> tuple[tf.Tensor, Row, tf.TensorArray]:
            # Outside of the map, above the first row, all features are zero.
            inside = tf.cast(number > 0, tf.float32)
            features = inside * network.features(row.symbols)[:, None]
            vertical, above, links = tf.concat([features, places], axis=-1), [], []
            for layer, kept in zip(network.gated_layers, row.above, strict=True):
                seen = tf.concat([kept, vertical], axis=1)
                down = layer.down(seen)
                above.append(seen[:, 1:])
                links.append(layer.link(down)[:, 0])
                vertical = gated(down)
            symbols = self._row(
                tf.transpose(tf.concat(links, axis=-1), [1, 0, 2]),
                tf.where(number < given, known[:, number], -1),
                noise[:, number],
            )
            return number + 1, Row(tuple(above), symbols), drawn.write(number, symbols)

        nothing = Row(
            tuple(
                tf.zeros([batch, layer.rows, columns, layer.inputs])
                for layer in network.gated_layers
            ),
            tf.zeros([batch, columns], tf.int32),
        )
        drawn = tf.TensorArray(tf.int32, rows, element_shape=(None, columns))
        *_, drawn = tf.while_loop(
            lambda number, *_: number < rows, one, [tf.constant(0), nothing, drawn]
        )
        return tf.transpose(drawn.stack(), [1, 0, 2])

    def _row(self, links: tf.Tensor, known: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Draw a row, one position after the other.

        Args:
            links: `[columns, batch, layers * 2 * filters]`, what each layer's horizontal stack sees
                of its vertical stack.
            known: The symbols that are given, int32 `[batch, columns]`; -1 where none is.
            noise: Uniform random numbers, `[batch, columns]`.

        Returns:
            int32 `[batch, columns]`.
        """
        network, columns = self._network, self._network.shape[1]
        batch, places = tf.shape(known)[0], network.places()

        def one(
            column: tf.Tensor,
            left: tuple[tf.Tensor, ...],
            features: tf.Tensor,
            drawn: tf.TensorArray,
        ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...], tf.Tensor, tf.TensorArray]:
            place = tf.tile(places[column][None], [batch, 1])
            horizontal, windows = tf.concat([features, place], axis=-1), []
            each = tf.split(links[column], len(network.gated_layers), axis=-1)
            for index, (layer, kept) in enumerate(zip(network.gated_layers, left, strict=True)):
                window = tf.concat([kept, horizontal], axis=-1)
                windows.append(window[:, horizontal.shape[-1] :])
                added = layer.across(window, each[index])
                horizontal = horizontal + added if index else added
            cumulative = tf.cumsum(tf.nn.softmax(network.head(horizontal)), axis=-1)
            below = tf.reduce_sum(tf.cast(cumulative <= noise[:, column, None], tf.int32), axis=-1)
            # The probabilities may sum to a little less than one.
            symbols = tf.minimum(below, network.levels - 1)
            symbols = tf.where(known[:, column] < 0, symbols, known[:, column])
            written = drawn.write(column, symbols)
            return column + 1, tuple(windows), network.features(symbols), written

        nothing = tuple(
            tf.zeros([batch, layer.columns * layer.inputs]) for layer in network.gated_layers
        )
        drawn = tf.TensorArray(tf.int32, columns, element_shape=(None,))
        *_, drawn = tf.while_loop(
            lambda column, *_: column < columns,
            one,
            [tf.constant(0), nothing, tf.zeros([batch, network.symbol_features]), drawn],
        )
        return tf.transpose(drawn.stack())
