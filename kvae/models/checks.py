"""Rules of options that several families of models have."""

from typing import Any

from kvae.config import Config
from kvae.config.fields import require

OF_NUMBERS = ("normal", "normal-shared", "normal-pixelwise")
"""Likelihoods of any real numbers; the others are of pixels alone."""
FREE_MEANS = (*OF_NUMBERS, "discretized-logistic")
"""Likelihoods whose mean may be any number; the mean of the others is always within [0, 1]."""
MOST_LAYERS = 100
"""The largest number of hidden layers, and of flows: more would take hours to compile."""


def check_networks(config: Any) -> None:
    """Check the networks and the likelihood of a model, and choose the stages of convolutions.

    Args:
        config: The configuration of a model with the fields `image_shape`, `hidden`, `likelihood`,
            `mean_activation`, `network` and `channels` of a `vae`. Its `channels` are changed
            in place if there are none and the network needs some.

    Raises:
        UsageError: A value is not allowed, or two do not go together.
    """
    require(
        len(config.image_shape) == 3 and min(config.image_shape) >= 1,
        f"image_shape is a height, a width and channels, got {config.image_shape}",
    )
    _check_stages(config)
    require(
        all(units >= 1 for units in config.hidden),
        f"hidden layers have 1 unit or more, got {','.join(map(str, config.hidden))}",
    )
    require(
        len(config.hidden) <= MOST_LAYERS,
        f"there may be {MOST_LAYERS} hidden layers at most, got {len(config.hidden):,} layers",
    )
    require(
        config.likelihood in FREE_MEANS or config.mean_activation == "sigmoid",
        f"mean_activation 'linear' needs a likelihood of {', '.join(FREE_MEANS)}: the mean of "
        f"{config.likelihood!r} is always within [0, 1]; add `likelihood=normal`",
    )


def _check_stages(config: Any) -> None:
    """Check the stages of a convolutional network, or choose them."""
    side = min(config.image_shape[:2])
    if config.network == "conv" and not config.channels:
        # Sides of 8, 16, 32 pixels have 1, 2, 3 stages; smaller ones have a single one. For 128
        # pixels or more the first stages are narrower, or they would take most of the time.
        stages = max(1, side.bit_length() - 3)
        first = min(0, 4 - stages)
        chosen = tuple(
            int(min(128, max(8, 32 * 2.0 ** (first + stage)))) for stage in range(stages)
        )
        object.__setattr__(config, "channels", chosen)
    require(
        all(channels >= 1 for channels in config.channels),
        f"stages have 1 channel or more, got {','.join(map(str, config.channels))}",
    )
    # The number of halvings, each rounded up, that leave a side of one.
    most = max(1, (side - 1).bit_length())
    require(
        len(config.channels) <= most,
        f"images of {config.image_shape[0]} x {config.image_shape[1]} can be halved {most} times, "
        f"but channels has {len(config.channels):,} stages",
    )


def check_classes(config: Any) -> None:
    """Check the labels of a conditional model.

    Args:
        config: The configuration of a model with the fields `condition`, `classes` and
            `class_counts` of a `vae`.

    Raises:
        UsageError: They do not go together.
    """
    require(
        (config.condition is None) == (not config.classes)
        and len(config.classes) == len(config.class_counts)
        and min(config.class_counts, default=0) >= 0
        and (config.condition is None or sum(config.class_counts) > 0),
        "a conditional model has classes, and the number of training images of each; others "
        f"have none; got {len(config.classes):,} classes and {len(config.class_counts):,} counts",
    )


def layers(config: Any) -> str:
    """The pixels and the hidden layers of a model in a few words.

    Args:
        config: A configuration that `check_networks` takes.
    """
    height, width, channels = config.image_shape
    pixels = f"{height}x{width}" + (f"x{channels}" if channels > 1 else "")
    hidden = "".join(f" - {units}" for units in config.hidden)
    if config.network == "conv":
        blocks = f" with {config.blocks} blocks each" if config.blocks else ""
        stages = ",".join(map(str, config.channels))
        hidden = f" - conv {stages}{blocks}{hidden}"
    return f"{pixels}{hidden}"


def check_data(config: Config) -> None:
    """Refuse a likelihood and a prior that do not go together with the data.

    Args:
        config: The configuration of a model with the fields `likelihood`, `mean_activation`,
            `prior` and `condition` of a `vae`.

    Raises:
        UsageError: Two options do not go together.
    """
    data, model = config.data, config.model
    require(
        model.prior != "fitted" or model.condition is None,
        "prior 'fitted' is the same for all labels: choose another `prior`, or leave out "
        "`condition`",
    )
    if data.numbers:
        _check_for_numbers(model, config.training.shift)
    require(
        data.binarize == "none" or model.likelihood == "bernoulli",
        f"binarize {data.binarize!r} needs the bernoulli likelihood, not {model.likelihood!r}",
    )


def _check_for_numbers(model: Any, shift: int) -> None:
    """Refuse options that are for pixels alone."""
    require(
        model.likelihood in OF_NUMBERS and model.mean_activation == "linear",
        f"real numbers need a likelihood of {', '.join(OF_NUMBERS)} with mean_activation 'linear', "
        f"not {model.likelihood!r} with {model.mean_activation!r}",
    )
    require(
        model.prior != "vamp",
        "the pseudo-inputs of prior 'vamp' are images, but the data are real numbers: choose "
        "another `prior`",
    )
    require(shift == 0, f"real numbers cannot be shifted by {shift} pixels")
