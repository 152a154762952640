"""The options of a quantized autoencoder, and the rules between them."""

import math
from dataclasses import dataclass

from kvae import registry
from kvae.config import Config
from kvae.config.fields import check, option, require

QUANTIZERS = ("vector", "scalar")
MOST_LAYERS = 100
"""The largest number of layers: more would take hours to compile."""
MOST_CODES = 2**16
"""The largest number of codes: the prior has a probability for each."""
LARGEST_MAP = 8
"""The shorter side of a map of codes is at most this, unless the stages are chosen otherwise."""


def stages(image_shape: tuple[int, int, int], largest: int) -> tuple[int, ...]:
    """The channels of as many stages as leave a map's shorter side at most so large; at least one.

    Args:
        image_shape: Height, width, channels.
        largest: The largest shorter side of a map.
    """
    count = max(1, math.ceil(math.log2(min(image_shape[:2]) / largest)))
    return (32, *[64] * (count - 1))


@dataclass(frozen=True)
class ModelConfig:
    """The autoencoder, its codes, and the prior over these.

    Attributes:
        image_shape: Height, width, channels.
        likelihood: A name in `kvae.registry.LIKELIHOODS`.
        quantizer: `vector` has a codebook, whose nearest vector is an image's code (van den Oord et
            al., 2017); `scalar` rounds each dimension to a few levels (Mentzer et al., 2023).
        codes: Number of codes in the codebook.
        code_size: Dimensions of the codebook's vectors.
        levels: Levels of each dimension of scalar quantisation. The number of codes is their
            product.
        network: A name in `kvae.registry.NETWORKS`: `conv` has a map of codes, `mlp` a vector.
        channels: Channels of each stage of a convolutional network, which halves height and width;
            empty makes as many stages as leave the shorter side at most 8.
        blocks: Residual blocks of a convolutional network, beside the codes.
        hidden: Units of a multilayer encoder's hidden layers; the decoder has them in reverse.
        code_positions: The number of codes of an image with a multilayer network.
        layers: Gated layers of the prior.
        filters: Features of each of the two stacks of the prior.
        dropout: Share of the prior's features that are dropped in training.
    """

    image_shape: tuple[int, int, int]
    likelihood: str = option(choices=registry.LIKELIHOODS, help="p(x|codes).")
    quantizer: str = option(
        "vector",
        choices=QUANTIZERS,
        help="The codes: vectors of a codebook, or dimensions rounded to levels.",
    )
    codes: int = option(
        512, least=2, most=MOST_CODES, needs=("quantizer=vector",), help="Codes in the codebook."
    )
    code_size: int = option(
        16, least=1, needs=("quantizer=vector",), help="Dimensions of the codebook's vectors."
    )
    levels: tuple[int, ...] = option(
        (8, 6, 5), needs=("quantizer=scalar",), help="Levels of each dimension of a code."
    )
    network: str = option("conv", choices=registry.NETWORKS, help="Encoder and decoder.")
    channels: tuple[int, ...] = option(
        (),
        needs=("network=conv",),
        help="Channels of the stages, each of which halves height and width.",
    )
    blocks: int = option(
        2, least=0, most=MOST_LAYERS, needs=("network=conv",), help="Residual blocks."
    )
    hidden: tuple[int, ...] = option(
        (256, 256), needs=("network=mlp",), help="Units of the hidden layers."
    )
    code_positions: int = option(16, least=1, needs=("network=mlp",), help="Codes of an image.")
    layers: int = option(8, least=1, most=MOST_LAYERS, help="Gated layers of the masked network.")
    filters: int = option(32, least=1, help="Features of each stack of the masked network.")
    dropout: float = option(
        0.0, least=0, below=1, help="Share of features that are dropped in training."
    )

    def __post_init__(self) -> None:
        check(self)
        require(
            len(self.image_shape) == 3 and min(self.image_shape) >= 1,
            f"image_shape is a height, a width and channels, got {self.image_shape}",
        )
        self._check_stages()
        require(
            bool(self.levels) and min(self.levels) >= 3,
            "levels are 3 or more in each of one or more dimensions, got "
            f"{','.join(map(str, self.levels)) or 'none'}",
        )
        require(
            self.code_count <= MOST_CODES,
            f"levels make {self.code_count:,} codes, and there may be {MOST_CODES:,} at most",
        )
        require(
            all(units >= 1 for units in self.hidden) and len(self.hidden) <= MOST_LAYERS,
            f"there may be {MOST_LAYERS} hidden layers at most, each of 1 unit or more",
        )

    def _check_stages(self) -> None:
        """Check the stages of a convolutional network, or choose them."""
        side = min(self.image_shape[:2])
        if self.network == "conv" and not self.channels:
            object.__setattr__(self, "channels", stages(self.image_shape, LARGEST_MAP))
        most = max(1, (side - 1).bit_length())
        require(
            all(channels >= 1 for channels in self.channels) and len(self.channels) <= most,
            f"images of {self.image_shape[0]} x {self.image_shape[1]} can have 1 to {most} stages "
            f"of 1 channel or more, got {','.join(map(str, self.channels))}",
        )

    @property
    def code_count(self) -> int:
        """The number of different codes."""
        return self.codes if self.quantizer == "vector" else math.prod(self.levels)

    @property
    def map_shape(self) -> tuple[int, int]:
        """Rows and columns of an image's map of codes. A vector of codes is a map of one row."""
        if self.network != "conv":
            return 1, self.code_positions
        height, width = (-(-side // 2 ** len(self.channels)) for side in self.image_shape[:2])
        return height, width

    @property
    def label(self) -> str:
        """The end of the names of runs, such as `vq512`."""
        return f"{'vq' if self.quantizer == 'vector' else 'fsq'}{self.code_count}"

    @property
    def summary(self) -> str:
        """The networks and the codes in a few words."""
        height, width, channels = self.image_shape
        pixels = f"{height}x{width}" + (f"x{channels}" if channels > 1 else "")
        units = self.channels if self.network == "conv" else self.hidden
        network = f"{self.network} {','.join(map(str, units))}"
        rows, columns = self.map_shape
        kind = f"vectors of {self.code_size}"
        if self.quantizer == "scalar":
            kind = f"levels {','.join(map(str, self.levels))}"
        return (
            f"{pixels} - {network} - {rows}x{columns} of {self.code_count} codes ({kind}), "
            f"{self.likelihood} likelihood, prior of {self.layers} gated layers of "
            f"{self.filters} filters"
        )


@dataclass(frozen=True)
class ObjectiveConfig:
    """What the two stages of training maximise.

    Attributes:
        autoencoder_epochs: The first so many epochs train encoder, decoder and codes, and the
            others train the prior. If all epochs are for the autoencoder, all codes have the same
            probability.
        commitment: Weight of the squared distance of an encoder's output to its code, whose
            gradient keeps the output near the code (van den Oord et al., 2017, Equation 3).
        code_temperature: While the prior is trained, codes are drawn at random instead of being the
            nearest ones, so that it does not learn those of few images by heart (Lee et al., 2022,
            Section 3.2): with probabilities proportional to `exp(-distance / code_temperature)`,
            in the units of `Quantizer.random_codes`. 0 takes the nearest ones.
    """

    autoencoder_epochs: int = option(
        least=1, metavar="EPOCHS", help="The first epochs train the autoencoder, others the prior."
    )
    commitment: float = option(
        0.25,
        least=0,
        needs=("quantizer=vector",),
        help="Weight of the squared distance between the encoder's output and its code.",
    )
    code_temperature: float = option(
        0.0,
        least=0,
        help="Codes for the prior are drawn at random, further ones with more of this.",
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def copies(self) -> int:
        """How many copies of each image a step works on."""
        return 1

    @property
    def summary(self) -> str:
        """What training maximises, in a few words."""
        return "log p(x|codes), then log p(codes)"


def check_together(config: Config) -> None:
    """Refuse options of different parts of a configuration that do not go together.

    Args:
        config: The configuration of a quantized autoencoder.

    Raises:
        UsageError: Two options do not go together.
    """
    data, training = config.data, config.training
    first = config.objective.autoencoder_epochs
    require(not data.numbers, "the quantized family is of pixels, but the data are real numbers")
    require(
        data.binarize == "none" or config.model.likelihood == "bernoulli",
        f"binarize {data.binarize!r} needs the bernoulli likelihood, not "
        f"{config.model.likelihood!r}",
    )
    require(
        first <= training.epochs,
        f"autoencoder_epochs must be at most all epochs, {training.epochs}, got {first}",
    )
    require(
        training.patience is None or training.patience >= training.epochs,
        f"patience must be at least all epochs, {training.epochs}, got {training.patience}: it "
        "could end the training before the prior's turn",
    )
    require(not training.weight_average, "the quantized family takes no weight_average")
