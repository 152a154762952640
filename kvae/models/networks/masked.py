"""The gated masked network: p(s) of a map of symbols, one symbol after the other.

Van den Oord et al. (2016), "Conditional image generation with PixelCNN decoders". Symbols, such as
grey levels or codes, are ordered by rows. The network computes the distribution of each symbol from
those before it, by two stacks of convolutions. The vertical stack sees the rows above, and the
horizontal stack sees what is to the left, and the vertical stack. Together they see all symbols
before a position, without a blind spot.

No kernel is masked here. Instead, the input of the vertical stack is moved down by one row and that
of the horizontal stack is moved right by one column, and no kernel reaches below, or to the right
in its own row.
"""

import keras
import tensorflow as tf

from kvae.models.initialization import Initialization
from kvae.models.networks.dropout import Dropout

FIRST_REACH = 3
"""How many columns on each side, and rows above, the first layer sees of symbols with learned
vectors: a kernel of 7 x 7, of which the vertical stack has the upper four rows."""
GREY_REACH, COLOUR_REACH = 14, 6
"""The same of grey levels, in pixels with one channel and with several. They have few features, so
that a wide kernel takes little time, and what the other layers see grows slowly."""
REACH = 1
"""The same of the other layers: kernels of 3 x 3."""
AT_ONCE = 2**26
"""About how many numbers the activations are of the maps that are scored at a time."""
FEATURES_ALIVE = 4
"""About how many times as many numbers as the widest layer has are alive at the same time."""
HEAD_UNITS = 4
"""The units of the layer before the logits, as a multiple of the filters."""


def gated(features: tf.Tensor) -> tf.Tensor:
    """tanh of the first half of the features, times the sigmoid of the other half (Equation 2).

    Args:
        features: `[..., 2 * filters]`.
    """
    value, gate = tf.split(features, 2, axis=-1)
    return tf.tanh(value) * tf.sigmoid(gate)


class GatedLayer(keras.layers.Layer):
    """A layer of both stacks (Figure 2).

    Its methods take whole maps in training, and one row or one position when symbols are drawn.

    Args:
        inputs: The number of features of each stack that the layer sees.
        filters: The number of features of each stack that it makes.
        reach: How many rows above, and columns on each side, the layer sees.
        initialization: Makes the initial weights.
    """

    def __init__(
        self, inputs: int, filters: int, reach: tuple[int, int], initialization: Initialization
    ) -> None:
        super().__init__()
        self.inputs, (self.rows, self.columns) = inputs, reach
        self.vertical = keras.layers.Conv2D(
            2 * filters,
            (self.rows + 1, 2 * self.columns + 1),
            padding="valid",
            name="vertical",
            kernel_initializer=initialization.glorot(),
        )
        self.link = initialization.dense(2 * filters)
        self.horizontal = initialization.dense(2 * filters)
        self.output_layer = initialization.dense(filters)
        self.vertical.build((None, None, None, inputs))
        self.link.build((None, 2 * filters))
        self.horizontal.build((None, (self.columns + 1) * inputs))
        self.output_layer.build((None, filters))
        self.built = True

    def down(self, maps: tf.Tensor) -> tf.Tensor:
        """The vertical stack before its gate, `[batch, rows, columns, 2 * filters]`.

        Args:
            maps: The vertical stack's features, which begin `self.rows` rows above the first row of
                the result, `[batch, self.rows + rows, columns, features]`.
        """
        sides = [[0, 0], [0, 0], [self.columns, self.columns], [0, 0]]
        return self.vertical(tf.pad(maps, sides))

    def across(self, window: tf.Tensor, link: tf.Tensor) -> tf.Tensor:
        """What the layer adds to the horizontal stack, `[..., filters]`.

        Args:
            window: The horizontal stack's features at `self.columns` positions to the left and at
                the position itself, in this order, `[..., (self.columns + 1) * features]`.
            link: `link` of what `down` returned for the position, `[..., 2 * filters]`.
        """
        return self.output_layer(gated(self.horizontal(window) + link))


class MaskedNetwork(keras.layers.Layer):
    """The distribution of each symbol of a map, given the symbols before it.

    Before training all symbols have the same probability, because the last layer starts at zero.

    Args:
        shape: Rows and columns of a map.
        levels: The number of different symbols.
        ordered: Whether symbols are grey levels, of which the network sees the level. If not, it
            learns a vector for each symbol.
        period: The network also sees the number of the column modulo this, such as the channel if
            the channels of a pixel are columns one after the other.
        layers: The number of gated layers.
        filters: The number of features of each stack.
        dropout: Share of the horizontal features that are dropped in training.
        initialization: Makes the initial weights.
        jit: Whether training is compiled with XLA.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        levels: int,
        ordered: bool,
        period: int,
        layers: int,
        filters: int,
        dropout: float,
        initialization: Initialization,
        jit: bool,
    ) -> None:
        super().__init__()
        self.shape, self.levels, self.period = shape, levels, period
        self.dropout = Dropout(dropout, jit)
        self.symbol_features = 1 if ordered else filters
        self.embedding = None if ordered else initialization.dense(filters, use_bias=False)
        if self.embedding is not None:
            self.embedding.build((None, levels))
        pixels = GREY_REACH if period == 1 else COLOUR_REACH
        reach = (pixels, period * pixels) if ordered else (FIRST_REACH, FIRST_REACH)
        # More than the whole map would only take time.
        reach = min(reach[0], max(1, shape[0] - 1)), min(reach[1], max(1, shape[1] - 1))
        first = GatedLayer(self.symbol_features + period, filters, reach, initialization)
        others = [
            GatedLayer(filters, filters, (REACH, REACH), initialization) for _ in range(layers - 1)
        ]
        self.gated_layers = [first, *others]
        self.hidden = initialization.dense(HEAD_UNITS * filters)
        self.hidden.build((None, filters))
        self.logits_layer = keras.layers.Dense(levels, kernel_initializer="zeros", name="logits")
        self.logits_layer.build((None, HEAD_UNITS * filters))
        self.built = True

    def features(self, symbols: tf.Tensor) -> tf.Tensor:
        """What the network sees of symbols, float32 `[..., features]`.

        Args:
            symbols: int32, of any shape, from 0 to `levels - 1`.
        """
        if self.embedding is not None:
            return self.embedding(tf.one_hot(symbols, self.levels))
        return (2 / (self.levels - 1) * tf.cast(symbols, tf.float32) - 1)[..., None]

    def places(self) -> tf.Tensor:
        """What the network sees of columns, float32 `[columns, period]`: the number of the column
        modulo the period. It is never zero, as what is outside of the map is."""
        return tf.one_hot(tf.range(self.shape[1]) % self.period, self.period)

    def head(self, features: tf.Tensor) -> tf.Tensor:
        """The logits of symbols, float32 `[..., levels]`.

        Args:
            features: The horizontal stack's features after the last layer, `[..., filters]`.
        """
        return self.logits_layer(tf.nn.relu(self.hidden(tf.nn.relu(features))))

    def call(self, symbols: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """The logits of each symbol, given those before it: float32 `[batch, *shape, levels]`.

        Args:
            symbols: int32 `[batch, rows, columns]`.
            dropout_seed: int32 `[2]`; decides which features are dropped. None drops none.
        """
        features = self.features(symbols)
        columns = self.shape[1]
        places = tf.broadcast_to(self.places(), [*features.shape[1:3], self.period])
        places = tf.tile(places[None], [tf.shape(symbols)[0], 1, 1, 1])
        above = tf.pad(features[:, :-1], [[0, 0], [1, 0], [0, 0], [0, 0]])
        before = tf.pad(features[:, :, :-1], [[0, 0], [0, 0], [1, 0], [0, 0]])
        vertical, horizontal = (tf.concat([each, places], axis=-1) for each in (above, before))
        for index, layer in enumerate(self.gated_layers):
            down = layer.down(tf.pad(vertical, [[0, 0], [layer.rows, 0], [0, 0], [0, 0]]))
            padded = tf.pad(horizontal, [[0, 0], [0, 0], [layer.columns, 0], [0, 0]])
            window = [padded[:, :, start : start + columns] for start in range(layer.columns + 1)]
            added = layer.across(tf.concat(window, axis=-1), layer.link(down))
            added = self.dropout(added, dropout_seed, index)
            # The features of the input are others than those of the layers.
            horizontal = horizontal + added if index else added
            vertical = gated(down)
        return self.head(horizontal)

    def log_prob(self, symbols: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """log p of maps of symbols, `[batch]`, in nats: the sum over symbols of the log-probability
        of each, given those before it.

        Args:
            symbols: int32 `[batch, rows, columns]`.
            dropout_seed: int32 `[2]`; decides which features are dropped. None drops none, and
                takes a few maps at a time, so that memory is bounded.
        """
        count, (rows, columns) = symbols.shape[0], self.shape
        width = max(self.levels, FEATURES_ALIVE * self.hidden.units)
        at_once = max(1, AT_ONCE // (rows * columns * width))
        if dropout_seed is not None or count is None or count <= at_once:
            return self._log_prob(symbols, dropout_seed)
        parts = -(-count // at_once)
        # All parts have the same shape, so the last one is filled up.
        filled = tf.pad(symbols, [[0, parts * at_once - count], [0, 0], [0, 0]])
        found = tf.map_fn(
            self._log_prob,
            tf.reshape(filled, (parts, at_once, rows, columns)),
            parallel_iterations=1,
            fn_output_signature=tf.float32,
        )
        return tf.reshape(found, [-1])[:count]

    def expected_log_prob(
        self, symbols: tf.Tensor, probabilities: tf.Tensor, dropout_seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The expectation of `log_prob` of maps in which each symbol is drawn anew, after those of
        `symbols` before it: `[batch]`, in nats.

        Args:
            symbols: int32 `[batch, rows, columns]`.
            probabilities: What each symbol is drawn from, float32 `[batch, rows, columns, levels]`.
            dropout_seed: int32 `[2]`; decides which features are dropped. None drops none.
        """
        logits = self(symbols, dropout_seed)
        costs = tf.nn.softmax_cross_entropy_with_logits(probabilities, logits)
        return -tf.reduce_sum(costs, axis=[1, 2])

    def _log_prob(self, symbols: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        logits = self(symbols, dropout_seed)
        costs = tf.nn.sparse_softmax_cross_entropy_with_logits(symbols, logits)
        return -tf.reduce_sum(costs, axis=[1, 2])
