"""The options of a variational autoencoder, and the rules between them."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kvae import registry
from kvae.config import Config, Facts
from kvae.config.fields import check, option, require
from kvae.models.checks import MOST_LAYERS, check_classes, check_data, check_networks, layers
from kvae.models.vae import recipes

MEAN_ACTIVATIONS = ("sigmoid", "linear")
ACTIVATIONS = ("tanh", "relu", "gelu", "silu")
FASTER_WITH_XLA = ("mlp",)
"""Networks that XLA runs faster than a TensorFlow graph does on CPUs."""
CONDITIONS = ("labels",)
STARTS_LINEAR = ("normal-pixelwise", "normal-shared")
"""Likelihoods of models that can start as probabilistic PCA."""


@dataclass(frozen=True)
class ModelConfig:
    """The networks and the three distributions.

    Attributes:
        image_shape: Height, width, channels.
        latent: Number of latent dimensions.
        hidden: Units of the encoder's hidden layers in order; the decoder has them in reverse. A
            convolutional network has these dense layers beside the latents.
        likelihood: A name in `kvae.registry.LIKELIHOODS`.
        mean_activation: The function that a Gaussian's mean passes through: `sigmoid` keeps it in
            [0, 1], `linear` leaves it unconstrained.
        initial_stddev: Weights and biases start from a Gaussian with this standard deviation. None
            is Keras's default: uniform weights (Glorot & Bengio, 2010), and biases of zero.
        activation: Activation of the hidden layers; a name of `keras.activations`.
        dropout: Share of hidden units that are dropped in training (Srivastava et al., 2014).
        posterior: A name in `kvae.registry.POSTERIORS`.
        prior: A name in `kvae.registry.PRIORS`.
        components: Number of components of a `mixture` or `vamp` prior; the largest number of a
            `fitted` one.
        flow_layers: Number of flows of a `flow` prior, and of an `iaf` posterior.
        flow_units: Units of each of the two hidden layers of each flow.
        network: A name in `kvae.registry.NETWORKS`.
        channels: Channels of each stage of a convolutional network, which halves height and width;
            empty makes as many stages as leave both of them at least 4, of 32, 64 and then 128
            channels, and of fewer before these if there are more than four stages.
        blocks: Residual blocks of each stage.
        linear: Whether linear maps are added to the means of encoder and decoder; they start as
            probabilistic PCA of the training images (Tipping & Bishop, 1999).
        prior_fitted: Whether the prior was fitted to the aggregated posterior after training.
        condition: What encoder, decoder and prior see besides: `labels` is the label of each image,
            and None is nothing.
        classes: The names of the labels that a conditional model knows, in the order of their
            numbers; those of the dataset.
        class_counts: The number of training images of each label.
    """

    image_shape: tuple[int, int, int]
    latent: int = option(least=1, help="Latent dimensions.")
    hidden: tuple[int, ...] = option(help="Units of the hidden layers.")
    likelihood: str = option(choices=registry.LIKELIHOODS, help="p(x|z).")
    mean_activation: str = option(
        "sigmoid",
        choices=MEAN_ACTIVATIONS,
        help="The function that the mean of a normal likelihood passes through.",
    )
    initial_stddev: float | None = option(None, above=0, offered=False)
    activation: str = option(
        "tanh", choices=ACTIVATIONS, help="Activation function of the hidden layers."
    )
    dropout: float = option(
        0.0, least=0, below=1, help="Share of hidden units that are dropped in training."
    )
    posterior: str = option("diagonal", choices=registry.POSTERIORS, help="q(z|x).")
    prior: str = option("standard", choices=registry.PRIORS, help="p(z).")
    components: int = option(
        100,
        least=1,
        needs=("prior=mixture", "prior=vamp", "prior=fitted"),
        help="Components of the prior.",
    )
    flow_layers: int = option(
        4,
        least=1,
        most=MOST_LAYERS,
        needs=("prior=flow", "posterior=iaf"),
        help="Flows in the chain.",
    )
    flow_units: int = option(
        128,
        least=1,
        needs=("prior=flow", "posterior=iaf"),
        help="Units of each of the two hidden layers of a flow.",
    )
    network: str = option("mlp", choices=registry.NETWORKS, help="Encoder and decoder.")
    channels: tuple[int, ...] = option(
        (),
        needs=("network=conv",),
        help="Channels of the stages, each of which halves height and width.",
    )
    blocks: int = option(
        0, least=0, most=MOST_LAYERS, needs=("network=conv",), help="Residual blocks of each stage."
    )
    linear: bool = option(
        False,
        help="Add linear maps to encoder and decoder, which start as probabilistic PCA of the "
        "training images.",
    )
    prior_fitted: bool = False
    condition: str | None = option(
        None, choices=CONDITIONS, help="Encoder, decoder and prior see the label of each image."
    )
    classes: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        check_networks(self)
        check_classes(self)
        require(
            not self.linear
            or (
                self.likelihood in STARTS_LINEAR
                and (self.mean_activation, self.posterior) == ("linear", "diagonal")
            ),
            f"`linear` needs a likelihood of {' or '.join(STARTS_LINEAR)}, "
            "`mean_activation=linear` and `posterior=diagonal`: probabilistic PCA, which it starts "
            "as, has these",
        )
        require(
            not (self.linear and self.prior == "vamp"),
            "`linear` does not go with `prior=vamp`: its components would start as narrow as the "
            "posteriors of PCA, far from most images; choose `prior=mixture`",
        )

    @property
    def label(self) -> str:
        """The end of the names of runs, such as `z5`, or `z5-labels` of a conditional model."""
        return f"z{self.latent}" + (f"-{self.condition}" if self.condition else "")

    @property
    def summary(self) -> str:
        """The networks and distributions in a few words."""
        parts = f"{self.likelihood} likelihood, {self.posterior} posterior, {self.prior} prior"
        fitted = ", fitted after training" if self.prior_fitted else ""
        given = f", given one of {len(self.classes):,} labels" if self.condition else ""
        return f"{layers(self)} - {self.latent} latents, {parts}{fitted}{given}"


@dataclass(frozen=True)
class ObjectiveConfig:
    """What training maximises.

    Attributes:
        estimator: The gradient that training follows; a name in `kvae.registry.ESTIMATORS`.
        bound: The bound that `aevb` maximises; a name in `kvae.registry.BOUNDS`.
        importance_samples: Samples of z for each image, for the `iwae` bound.
        doubly_reparameterized: Whether the gradient of the `iwae` bound with respect to the
            encoder's weights is that of Tucker et al. (2019).
        beta: Weight of the KL in the objective (Higgins et al., 2017). The reported ELBO always has
            weight 1.
        kl_warmup: Epochs in which the weight of the KL rises from zero (Sønderby et al., 2016).
        free_bits: Nats of each latent dimension's KL that are not penalised (Kingma et al., 2016).
        input_noise: Standard deviation of the Gaussian noise that is added to the encoder's inputs
            in training.
        shared_step: A standard deviation that images share is learned by Newton's method, with this
            share of each of its steps; it is then at its maximum-likelihood value soon. With 0
            it is learned as the other weights are.
        weight_prior: Precision of the prior N(0, I / precision) on the decoder's weights, whose log
            density is added to the objective. Kingma & Welling (2014) have 1; 0 is no prior.
    """

    estimator: str = option(
        "aevb", choices=registry.ESTIMATORS, help="The gradient that training follows."
    )
    bound: str = option("elbo", choices=registry.BOUNDS, help="The bound that is maximised.")
    importance_samples: int = option(
        1, least=1, needs=("bound=iwae",), help="Samples of z for each image."
    )
    doubly_reparameterized: bool = option(
        False,
        needs=("bound=iwae",),
        help="Use the encoder's gradient of Tucker et al. (2019), which has less variance.",
    )
    beta: float = option(1.0, least=0, help="Weight of the KL in the objective.")
    kl_warmup: int = option(
        0,
        least=0,
        metavar="EPOCHS",
        help="Epochs in which the weight of the KL rises from zero.",
    )
    free_bits: float = option(
        0.0,
        least=0,
        metavar="NATS",
        help="Nats of each latent dimension's KL that are not penalised.",
    )
    input_noise: float = option(
        0.0,
        least=0,
        metavar="STDDEV",
        help="Standard deviation of the Gaussian noise that is added to the encoder's inputs in "
        "training.",
    )
    shared_step: float = option(0.0, least=0, below=1, offered=False)
    weight_prior: float = option(0.0, least=0, offered=False)

    def __post_init__(self) -> None:
        check(self)
        iwae = self.bound == "iwae"
        require(
            iwae or (self.importance_samples == 1 and not self.doubly_reparameterized),
            "importance samples and doubly reparameterised gradients need `bound=iwae`",
        )
        require(not (iwae and self.free_bits), "free_bits needs `bound=elbo`, not iwae")
        require(
            self.estimator == "aevb"
            or (
                not (iwae or self.free_bits or self.kl_warmup or self.input_noise)
                and self.beta == 1
            ),
            f"estimator {self.estimator!r} takes no bound, beta, kl_warmup, free_bits or "
            "input_noise",
        )

    @property
    def copies(self) -> int:
        """How many samples of z a step decodes for each image."""
        return self.importance_samples

    @property
    def summary(self) -> str:
        """The objective after the KL's warm-up, in a few words."""
        return self.name_in(self.kl_warmup + 1)

    def beta_in(self, epoch: int) -> float:
        """The weight of the KL in an epoch.

        Args:
            epoch: Number of the epoch, from 1.
        """
        return self.beta * min(1.0, epoch / (self.kl_warmup + 1))

    def name_in(self, epoch: int) -> str:
        """The name of the objective in an epoch: the bound, and how the objective differs from it.

        Args:
            epoch: Number of the epoch, from 1.
        """
        if self.estimator != "aevb":
            return self.estimator
        name = f"iwae-{self.importance_samples}" if self.bound == "iwae" else self.bound
        beta = self.beta_in(epoch)
        name += "" if beta == 1 else f" beta={beta:.4g}"
        return name + (f" free_bits={self.free_bits:g}" if self.free_bits else "")


def check_together(config: Config) -> None:
    """Refuse options of different parts of a configuration that do not go together.

    Args:
        config: The configuration of a VAE.

    Raises:
        UsageError: Two options do not go together.
    """
    model, objective = config.model, config.objective
    check_data(config)
    require(
        not objective.doubly_reparameterized or model.posterior != "iaf",
        "doubly reparameterised gradients need a Gaussian posterior: choose `posterior=full`, or "
        "leave out `doubly_reparameterized`",
    )
    require(
        objective.estimator == "aevb" or model.dropout == 0,
        f"estimator {objective.estimator!r} takes no dropout",
    )


def adjust(own: dict[str, Any], chosen: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Adjust a recipe's options to those that a person chose, and add `jit` if it is missing.

    Args:
        own: The recipe's options, by name.
        chosen: The options that a person chose, by name.
        facts: What is known about the images.

    Returns:
        The recipe's options, and `jit`, without those that the chosen options do not go together
        with.
    """
    adjusted, dropped = dict(own), set[str]()
    network = chosen.get("network", own.get("network", "mlp"))
    if not own["hidden"] and network in recipes.NETWORKS:
        # Without a hidden layer, a multilayer network would be linear.
        adjusted |= recipes.NETWORKS[network]
    if "patience" in own and "epochs" in chosen:
        longer = own["patience"] * chosen["epochs"] // own["epochs"]
        adjusted["patience"] = max(own["patience"], longer)
    if "weight_average" in own:
        epochs, batch_size = ({**own, **chosen}[name] for name in ("epochs", "batch_size"))
        adjusted["weight_average"] = recipes.weight_average(facts, epochs, batch_size)
    # A recipe knows better where compiling takes longer than the whole training.
    adjusted.setdefault("jit", network in FASTER_WITH_XLA)
    if chosen.get("binarize", "none") != "none":
        # Black and white pixels need a Bernoulli likelihood; the recipe's may be for grey ones.
        adjusted["likelihood"] = "bernoulli"
    if chosen.get("estimator", "aevb") != "aevb":
        dropped |= {"bound", "importance_samples", "doubly_reparameterized", "input_noise"}
    if chosen.get("bound", "iwae") != "iwae":
        dropped |= {"importance_samples", "doubly_reparameterized"}
    if chosen.get("posterior") == "iaf":
        dropped |= {"doubly_reparameterized"}
    together = {**adjusted, **chosen}
    if adjusted.get("prior") == "fitted" and together.get("condition") is not None:
        dropped |= {"prior", "components"}
    if "linear" in own:
        adjusted |= recipes.beginning(facts, _starts_linear(together, chosen, facts))
    return {name: value for name, value in adjusted.items() if name not in dropped}


def _starts_linear(together: Mapping[str, Any], chosen: Mapping[str, Any], facts: Facts) -> bool:
    """Whether a model of the recipe `own` starts as PCA, with the options that a person chose."""
    return (
        together["likelihood"] in STARTS_LINEAR
        and chosen.get("mean_activation", "linear") == "linear"
        and together.get("posterior", "diagonal") == "diagonal"
        and together.get("prior") != "vamp"
        # Much of what PCA finds, the label says.
        and together.get("condition") is None
        and chosen.get("linear", recipes.starts_as_pca(facts, together["latent"]))
    )


def reasons(config: Config, facts: Facts, given: Collection[str]) -> list[str]:
    """Sentences that explain which options were chosen because of the images; none for numbers.

    Args:
        config: The configuration.
        facts: What the recipe knew about the images.
        given: Names of the options that a person gave.
    """
    if config.data.numbers:
        return []
    if config.recipe == "own":
        return [reason for name, reason in _own_reasons(config, facts) if name not in given]
    if "likelihood" in given or recipes.is_known(facts.name):
        return []
    kind = facts.kind if config.data.binarize == "none" else "made binary"
    return [f"The pixels are {kind}, so the likelihood is {config.model.likelihood}."]


def _own_reasons(config: Config, facts: Facts) -> Iterator[tuple[str, str]]:
    """Names of options, and why the recipe `own` chose them."""
    model, training = config.model, config.training
    side, images = min(model.image_shape[:2]), facts.train_images
    convolves = side >= recipes.SMALLEST_MAPS
    large = "large enough" if convolves else "too small"
    yield "network", f"A side of {side} pixels is {large} for convolutions: {model.network}."
    if config.data.binarize == "none":
        levels = "black and white only" if facts.two_levels() else "of many levels"
        yield "likelihood", f"The pixels are {levels}: the likelihood is {model.likelihood}."
    yield (
        "epochs",
        f"There are {images:,} images to train on: {training.epochs} epochs, or fewer if the "
        f"validation ELBO does not get better for {training.patience}.",
    )
    if training.weight_decay:
        yield "weight_decay", "So few might be learned by heart: weight decay slows that down."
    if images >= recipes.ENOUGH_IMAGES:
        why = "There are many images"
    elif shift := recipes.shift(facts):
        most = max(facts.linearity().shift_costs)
        place = "can be anywhere" if shift == most else "is at nearly the same place"
        why = f"What is in the images {place}"
    elif all(map(math.isinf, facts.linearity().shift_costs.values())):
        why = "There is too little to tell whether the images can be shifted"
    else:
        why = "What is in the images is always at the same place"
    if model.linear:
        explained = 100 * (1 - recipes.unexplained(facts, model.latent))
        yield "linear", f"PCA explains {explained:.1f} % of them: the model starts as PCA."
    if model.prior == "fitted":
        yield "prior", "After training, a mixture is fitted to their latents: samples come from it."
    if convolves:
        pixels = f"{training.shift} pixel{'s' if training.shift > 1 else ''}"
        how = f"shifted by up to {pixels}" if training.shift else "not shifted"
        yield "shift", f"{why}: in training they are {how}."
