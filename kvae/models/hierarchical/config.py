"""The options of a hierarchical variational autoencoder, and the rules between them."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from kvae.config import Config
from kvae.config.fields import check, option, require
from kvae.models.checks import MOST_LAYERS, check_classes, check_data, check_networks, layers
from kvae.models.vae import config as flat

LEVELS = range(1, 7)
"""The numbers that levels can have; 1 is the level next to the image."""
INFERENCES = ("top-down", "bottom-up")
SOURCES = ("all", "lowest")
BOUNDS = ("elbo", "iwae")


def kl_name(level: int) -> str:
    """The name of the metric that is the KL of a level.

    Args:
        level: The number of the level, from 1, next to the image.
    """
    return f"kl_{level}"


def _as_flat(part: type[Any], name: str, **changed: Any) -> Any:
    """A field with the rules and the default that it has in the flat model.

    Args:
        part: The flat model's dataclass that has the field.
        name: The field's name.
        changed: Rules that differ from those of the flat model.
    """
    (field,) = (field for field in dataclasses.fields(part) if field.name == name)
    rules = dataclasses.replace(field.metadata["option"], **changed)
    return dataclasses.field(default=field.default, metadata={"option": rules})


@dataclass(frozen=True)
class ModelConfig:
    """The networks and the distributions.

    Attributes:
        image_shape: Height, width, channels.
        levels: Number of latent dimensions of each level, from the image upwards; the number of
            channels of a level of maps.
        hidden: Units of the hidden layers of each network in order; the networks that compute what
            is below from what is above have them in reverse.
        level_hidden: The same for the networks from the latents of one level to those of another,
            if they are vectors; empty takes `hidden`.
        likelihood: A name in `kvae.registry.LIKELIHOODS`.
        mean_activation: The function that a Gaussian's mean passes through: `sigmoid` keeps it in
            [0, 1], `linear` leaves it unconstrained.
        activation: Activation of the hidden layers; a name of `keras.activations`.
        dropout: Share of hidden units that are dropped in training (Srivastava et al., 2014).
        inference: The order in which q(z|x) infers levels. `top-down` begins with the top, and
            makes each posterior an offset from the prior given the levels above (Sønderby et al.,
            2016; Vahdat & Kautz, 2020). `bottom-up` begins with the image, and infers each level
            from the one below (Burda et al., 2016).
        image_from: Which levels the image is decoded from: `all` lets the upper levels skip those
            below them, `lowest` is the level next to the image alone.
        prior: The top level's prior; a name in `kvae.registry.PRIORS`.
        components: Number of components of a `mixture` or `vamp` prior.
        flow_layers: Number of flows of a `flow` prior.
        flow_units: Units of each of the two hidden layers of each flow.
        network: A name in `kvae.registry.NETWORKS`: the networks next to the image.
        channels: Channels of each stage of a convolutional network, as in the flat model.
        blocks: Residual blocks of each stage, and of each level of maps.
        map_sides: The shorter side of the maps that each level is, from the image upwards: `levels`
            are their channels then. A level of side 1 is a vector. Empty makes all levels vectors.
        condition: What all networks and the prior see besides: `labels` is the label of each image,
            and None is nothing.
        classes: The names of the labels that a conditional model knows, in the order of their
            numbers; those of the dataset.
        class_counts: The number of training images of each label.
    """

    image_shape: tuple[int, int, int]
    levels: tuple[int, ...] = option(
        help="Latent dimensions of each level, from the image upwards."
    )
    hidden: tuple[int, ...] = _as_flat(flat.ModelConfig, "hidden")
    likelihood: str = _as_flat(flat.ModelConfig, "likelihood")
    mean_activation: str = _as_flat(flat.ModelConfig, "mean_activation")
    activation: str = _as_flat(flat.ModelConfig, "activation")
    dropout: float = _as_flat(flat.ModelConfig, "dropout")
    inference: str = option(
        "top-down", choices=INFERENCES, help="The order in which levels are inferred."
    )
    image_from: str = option(
        "all", choices=SOURCES, help="Levels of latents that the image is decoded from."
    )
    prior: str = _as_flat(flat.ModelConfig, "prior")
    components: int = _as_flat(flat.ModelConfig, "components")
    flow_layers: int = _as_flat(flat.ModelConfig, "flow_layers", needs=("prior=flow",))
    flow_units: int = _as_flat(flat.ModelConfig, "flow_units", needs=("prior=flow",))
    network: str = _as_flat(flat.ModelConfig, "network")
    channels: tuple[int, ...] = _as_flat(flat.ModelConfig, "channels")
    blocks: int = _as_flat(flat.ModelConfig, "blocks")
    map_sides: tuple[int, ...] = option(
        (),
        needs=("network=conv",),
        help="Side of the maps that each level of latents is, from the image upwards; 1 is a "
        "vector.",
    )
    level_hidden: tuple[int, ...] = option(
        (),
        help="Units of the hidden layers between levels of latents, if others than elsewhere.",
    )
    condition: str | None = _as_flat(flat.ModelConfig, "condition")
    classes: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        check_networks(self)
        check_classes(self)
        require(
            2 <= len(self.levels) <= len(LEVELS),
            f"levels are 2 to {len(LEVELS)} numbers of dimensions, got {len(self.levels):,}; for "
            "one level, choose `family=vae` with `latent`",
        )
        require(
            min(self.levels) >= 1,
            f"levels have 1 dimension or more, got {','.join(map(str, self.levels))}",
        )
        require(
            self.inference == "top-down" or self.prior != "vamp",
            "prior 'vamp' needs `inference=top-down`: bottom-up, the density of q(z|x) of the top "
            "level alone has no closed form",
        )
        require(
            min(self.level_hidden, default=1) >= 1,
            f"hidden layers have 1 unit or more, got {','.join(map(str, self.level_hidden))}",
        )
        if self.map_sides:
            self._check_maps()

    def _check_maps(self) -> None:
        sides, known = self.map_sides, [min(size) for size in self._sizes]
        shown = ",".join(map(str, sides))
        require(self.network == "conv", "`map_sides` needs `network=conv`")
        require(
            self.inference == "top-down",
            "`map_sides` needs `inference=top-down`: bottom-up, all levels are vectors",
        )
        require(
            len(sides) == len(self.levels),
            f"map_sides must have a side for each of the {len(self.levels)} levels, got {shown}",
        )
        require(
            all(side == 1 or side in known for side in sides) and sides[0] != 1,
            f"the stages of `channels` have maps of side {', '.join(map(str, known))}, and a level "
            f"of side 1 above these is a vector, but map_sides is {shown}",
        )
        require(
            list(sides) == sorted(sides, reverse=True),
            f"no level may be larger than the level below it, but map_sides is {shown}",
        )

    @property
    def _sizes(self) -> list[tuple[int, int]]:
        """Height and width after each stage of a convolutional network."""
        (height, width), found = self.image_shape[:2], list[tuple[int, int]]()
        for _ in self.channels:
            height, width = -(-height // 2), -(-width // 2)
            found.append((height, width))
        return found

    @property
    def stages(self) -> tuple[int | None, ...]:
        """The stage, from 1, at which each level of maps is, from the image upwards; None for a
        vector."""
        known = [min(size) for size in self._sizes]
        sides = self.map_sides or (1,) * len(self.levels)
        return tuple(None if side == 1 else known.index(side) + 1 for side in sides)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The number of latents of each level, from the image upwards."""
        return tuple(
            count if stage is None else count * math.prod(self._sizes[stage - 1])
            for count, stage in zip(self.levels, self.stages, strict=True)
        )

    @property
    def label(self) -> str:
        """The end of the names of runs, such as `z40-32`, or `z40-32-labels` of a conditional
        model."""
        return "-".join(["z" + "-".join(map(str, self.levels)), *filter(None, [self.condition])])

    @property
    def summary(self) -> str:
        """The networks and distributions in a few words."""
        levels = " - ".join(
            str(count) if stage is None else "{}x{}x{}".format(*self._sizes[stage - 1], count)
            for count, stage in zip(self.levels, self.stages, strict=True)
        )
        parts = f"{self.likelihood} likelihood, {self.inference} inference, {self.prior} prior"
        lowest = ", image from the lowest level alone" if self.image_from == "lowest" else ""
        units = " - ".join(map(str, self.level_hidden))
        between = f" with {units} units between" if units else ""
        given = f", given one of {len(self.classes):,} labels" if self.condition else ""
        return f"{layers(self)} - levels of {levels} latents{between}, {parts}{lowest}{given}"


@dataclass(frozen=True)
class ObjectiveConfig:
    """What training maximises.

    Attributes:
        bound: The bound that is maximised, one of `BOUNDS`.
        importance_samples: Samples of the latents for each image, for the `iwae` bound.
        doubly_reparameterized: Whether the gradient of the `iwae` bound with respect to the
            posterior's weights is that of Tucker et al. (2019).
        beta: Weight of the KL in the objective (Higgins et al., 2017). The reported ELBO always has
            weight 1.
        kl_warmup: Epochs in which the weight of the KL rises from zero (Sønderby et al., 2016).
        level_warmup: The same for each level, from the image upwards; empty takes `kl_warmup` for
            all of them.
        free_bits: Nats of each latent dimension's KL that are not penalised (Kingma et al., 2016),
            counted for each level as a whole.
        input_noise: Standard deviation of the Gaussian noise that is added to the images that the
            posterior sees in training.
        shared_step: A standard deviation that images share is learned by Newton's method, with this
            share of each of its steps. With 0 it is learned as the other weights are.
    """

    bound: str = _as_flat(flat.ObjectiveConfig, "bound", choices=BOUNDS)
    importance_samples: int = _as_flat(flat.ObjectiveConfig, "importance_samples")
    doubly_reparameterized: bool = _as_flat(flat.ObjectiveConfig, "doubly_reparameterized")
    beta: float = _as_flat(flat.ObjectiveConfig, "beta")
    kl_warmup: int = _as_flat(flat.ObjectiveConfig, "kl_warmup")
    level_warmup: tuple[int, ...] = option(
        (),
        help="Epochs in which the weight of the KL of each level of latents rises from zero, from "
        "the image upwards.",
    )
    free_bits: float = _as_flat(flat.ObjectiveConfig, "free_bits")
    input_noise: float = _as_flat(flat.ObjectiveConfig, "input_noise")
    shared_step: float = _as_flat(flat.ObjectiveConfig, "shared_step")

    def __post_init__(self) -> None:
        check(self)
        iwae = self.bound == "iwae"
        require(
            iwae or (self.importance_samples == 1 and not self.doubly_reparameterized),
            "importance samples and doubly reparameterised gradients need `bound=iwae`",
        )
        require(not (iwae and self.free_bits), "free_bits needs `bound=elbo`, not iwae")
        require(
            min(self.level_warmup, default=0) >= 0,
            f"level_warmup are epochs, got {','.join(map(str, self.level_warmup))}",
        )
        require(
            not (self.level_warmup and self.kl_warmup),
            "`level_warmup` takes the place of `kl_warmup`: leave one of them out",
        )
        require(
            not (self.level_warmup and self.doubly_reparameterized),
            "doubly reparameterised gradients need the same weight of the KL for all levels: "
            "choose `kl_warmup`, or leave out `doubly_reparameterized`",
        )

    @property
    def copies(self) -> int:
        """How many samples of the latents a step decodes for each image."""
        return self.importance_samples

    @property
    def summary(self) -> str:
        """The objective after the KL's warm-up, in a few words."""
        return self.name_in(max((self.kl_warmup, *self.level_warmup)) + 1)

    def betas_in(self, epoch: int, levels: int) -> list[float]:
        """The weight of each level's KL in an epoch, from the image upwards.

        Args:
            epoch: Number of the epoch, from 1.
            levels: The number of levels.
        """
        warmups = self.level_warmup or (self.kl_warmup,) * levels
        return [self.beta * min(1.0, epoch / (warmup + 1)) for warmup in warmups]

    def name_in(self, epoch: int) -> str:
        """The name of the objective in an epoch: the bound, and how the objective differs from it.

        Args:
            epoch: Number of the epoch, from 1.
        """
        name = f"iwae-{self.importance_samples}" if self.bound == "iwae" else self.bound
        betas = self.betas_in(epoch, 1)
        shown = "|".join(f"{beta:.4g}" for beta in betas)
        name += "" if set(betas) == {1.0} else f" beta={shown}"
        return name + (f" free_bits={self.free_bits:g}" if self.free_bits else "")


def check_together(config: Config) -> None:
    """Refuse options of different parts of a configuration that do not go together.

    Args:
        config: The configuration of a hierarchical VAE.

    Raises:
        UsageError: Two options do not go together.
    """
    check_data(config)
    levels, warmup = len(config.model.levels), len(config.objective.level_warmup)
    require(
        warmup in (0, levels),
        f"level_warmup must have a number of epochs for each of the {levels} levels, got {warmup}",
    )
    model = config.model
    hidden = len(model.hidden) * levels + len(model.level_hidden) * (levels - 1)
    require(
        hidden <= MOST_LAYERS,
        f"there may be {MOST_LAYERS} hidden layers in all levels at most, got {hidden:,}",
    )
