"""Networks that compute features from images, and features from latents.

A network is a file here and a line in `kvae.registry.NETWORKS`, which names a `Network`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from kvae.models.initialization import Initialization

Part = Callable[[Any, Initialization, bool], keras.layers.Layer]


class Network(NamedTuple):
    """The two halves of a network: functions that make them.

    Each takes the model's configuration, what makes the initial weights, and whether training is
    compiled with XLA. The layers that they make take a `dropout_seed`, int32 `[2]`, which decides
    the units that are dropped; None drops none.

    Attributes:
        from_images: Makes a layer from images, float32 `[batch, height, width, channels]`, to
            features `[batch, units]`.
        from_latents: Makes a layer from latents, float32 `[batch, latent]`, to features
            `[batch, units]`; or to maps of features, `[batch, rows, columns, units]` with half of
            the image's height and width, rounded up, which a likelihood enlarges.
    """

    from_images: Part
    from_latents: Part
