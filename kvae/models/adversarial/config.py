"""The options of an adversarial network, and the rules between them."""

from dataclasses import dataclass

from kvae import registry
from kvae.config import Config
from kvae.config.fields import check, option, require
from kvae.models.checks import MOST_LAYERS, check_networks, layers
from kvae.models.vae.config import ACTIVATIONS, MEAN_ACTIVATIONS

PRIORS = ("standard", "mixture")
LOSSES = ("non-saturating", "wasserstein")
MOST_STEPS = 20
"""The largest number of steps of the discriminator for one of the generator: each is compiled."""


@dataclass(frozen=True)
class ModelConfig:
    """The generator and the discriminator: the networks of a VAE's decoder and encoder.

    Attributes:
        image_shape: Height, width, channels.
        latent: Number of latent dimensions.
        hidden: Units of the discriminator's hidden layers in order; the generator has them in
            reverse. A convolutional network has these dense layers beside the latents.
        mean_activation: The function that a generated image passes through: `sigmoid` keeps it in
            [0, 1], `linear` leaves it unconstrained.
        activation: Activation of the hidden layers; a name of `keras.activations`.
        network: A name in `kvae.registry.NETWORKS`.
        channels: Channels of each stage of a convolutional network, which halves height and width;
            empty makes as many stages as a VAE has.
        blocks: Residual blocks of each stage.
        likelihood: The name of p(x|z): Gaussian noise, with one standard deviation, is added to the
            generator's image. Training does not look at it.
        initial_stddev: None: the initial weights are Keras's.
        prior: `standard` is N(0, I); `mixture` has Gaussians of equal weights, whose means and
            covariances are learned with the generator (Gurumurthy et al., 2017).
        components: Number of Gaussians of a `mixture` prior.
        dropout: 0: no hidden units are dropped.
        classes: Empty: neither of the networks sees labels.
    """

    image_shape: tuple[int, int, int]
    latent: int = option(least=1, help="Latent dimensions.")
    hidden: tuple[int, ...] = option(help="Units of the hidden layers.")
    mean_activation: str = option(
        "sigmoid",
        choices=MEAN_ACTIVATIONS,
        help="The function that a generated image passes through.",
    )
    activation: str = option(
        "silu", choices=ACTIVATIONS, help="Activation function of the hidden layers."
    )
    network: str = option("mlp", choices=registry.NETWORKS, help="Generator and discriminator.")
    channels: tuple[int, ...] = option(
        (),
        needs=("network=conv",),
        help="Channels of the stages, each of which halves height and width.",
    )
    blocks: int = option(
        0, least=0, most=MOST_LAYERS, needs=("network=conv",), help="Residual blocks of each stage."
    )
    prior: str = option("standard", choices=PRIORS, help="p(z).")
    components: int = option(
        100, least=1, needs=("prior=mixture",), help="Components of the prior."
    )

    # What networks and priors ask for besides. Without an annotation, these are no options.
    likelihood = "normal-shared"
    initial_stddev = None
    dropout = 0.0
    classes = ()

    def __post_init__(self) -> None:
        check(self)
        check_networks(self)

    @property
    def label(self) -> str:
        """The end of the names of runs, such as `gan-z5`."""
        return f"gan-z{self.latent}"

    @property
    def summary(self) -> str:
        """The networks in a few words."""
        return f"{layers(self)} - {self.latent} latents, {self.prior} prior, adversarial"


@dataclass(frozen=True)
class ObjectiveConfig:
    """What the two networks play for.

    Attributes:
        loss: `non-saturating` is the loss of Goodfellow et al. (2014) with the penalty R1
            (Mescheder et al., 2018); `wasserstein` is that of Gulrajani et al. (2017).
        gradient_penalty: Weight of the penalty on the discriminator's gradient.
        discriminator_steps: Steps of the discriminator for each step of the generator. All have the
            same real images, but other generated ones.
    """

    loss: str = option("non-saturating", choices=LOSSES, help="What the two networks play for.")
    gradient_penalty: float = option(
        1.0,
        least=0,
        metavar="WEIGHT",
        help="Weight of the penalty on the discriminator's gradient.",
    )
    discriminator_steps: int = option(
        1, least=1, most=MOST_STEPS, help="Steps of the discriminator for each of the generator."
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def copies(self) -> int:
        """How many images a step works on for each real one: itself and a generated one."""
        return 2

    @property
    def summary(self) -> str:
        """The losses in a few words."""
        steps = self.discriminator_steps
        return f"{self.loss} loss, gradient penalty {self.gradient_penalty:g}" + (
            f", {steps} steps of the discriminator" if steps > 1 else ""
        )


def check_together(config: Config) -> None:
    """Refuse options of different parts of a configuration that do not go together.

    Args:
        config: The configuration of an adversarial network.

    Raises:
        UsageError: Two options do not go together.
    """
    data = config.data
    require(not data.numbers, "the adversarial family is of pixels, but the data are real numbers")
    require(
        data.binarize == "none",
        "the adversarial family takes grey pixels as they are: its discriminator would know images "
        f"with binarize {data.binarize!r} by their pixels alone",
    )
