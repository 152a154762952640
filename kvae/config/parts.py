"""The parts of a configuration that every family of models has: the data and the training."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvae import registry
from kvae.config.fields import check, option, require

if TYPE_CHECKING:
    from kvae.data.columns import Columns

BINARIZE = ("none", "threshold", "dynamic")
READING = 2
"""The version of the rules of `kvae.data`. It grows whenever images that came without splits would
be split in another way, or read as other pixels. Configurations without it are of version 1."""


@dataclass(frozen=True)
class DataConfig:
    """Which images a model is trained on, and how they are changed before.

    Attributes:
        dataset: A built-in name, `tfds:NAME`, or the path of a folder, `.npy`, `.npz` or `.csv`.
        image_size: Height and width that images are resized to; None keeps them as they are.
        binarize: `none` keeps grey pixels; `threshold` makes pixels of 0.5 and more white and the
            others black; `dynamic` samples each pixel anew from Bernoulli(grey level) every time
            its image is seen (Salakhutdinov & Murray, 2008).
        split_seed: Decides which images are held out, if a dataset has no splits of its own.
        reading: The version of the rules by which images were read and split, today `READING`.
        numbers: Whether images are made of any real numbers, such as standardised measurements,
            rather than of pixels.
        column_names: The names of a table's columns; empty if they have none.
        column_means: The mean of each column of a table, in training; empty if the data are no
            table.
        column_stddevs: The standard deviation of each column, and 0 of a constant column, which is
            left out.
    """

    dataset: str
    image_size: tuple[int, int] | None = None
    binarize: str = option(
        "none",
        choices=BINARIZE,
        help="Make pixels black or white: threshold splits them at 0.5, dynamic samples them each "
        "time an image is seen.",
    )
    split_seed: int = option(0, least=0, offered=False)
    reading: int = option(1, least=1, offered=False)
    numbers: bool = False
    column_names: tuple[str, ...] = ()
    column_means: tuple[float, ...] = ()
    column_stddevs: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        if self.image_size is not None:
            require(
                len(self.image_size) == 2 and min(self.image_size) >= 1,
                f"image_size is a height and a width of 1 or more, got {self.image_size}",
            )
        require(
            not self.numbers or self.binarize == "none",
            f"binarize {self.binarize!r} is for pixels, but the data are real numbers",
        )
        count = len(self.column_means)
        require(
            len(self.column_stddevs) == count and len(self.column_names) in (0, count),
            "column_names, column_means and column_stddevs must be as many",
        )
        require(
            all(map(math.isfinite, (*self.column_means, *self.column_stddevs)))
            and all(stddev >= 0 for stddev in self.column_stddevs),
            "column_means and column_stddevs must be finite, and column_stddevs not negative",
        )
        require(
            self.numbers or not count,
            "the columns of a table are real numbers, but the data are pixels",
        )

    @property
    def columns(self) -> "Columns | None":
        """The columns of the table, and how they are standardised; None if there is no table."""
        # Imported here because it imports NumPy, and the names of options are needed without it.
        from kvae.data.columns import Columns

        if not self.column_means:
            return None
        return Columns(self.column_names, self.column_means, self.column_stddevs)

    @property
    def log_scale(self) -> float:
        """What is subtracted from the log-likelihood of standardised columns, so that it is that of
        columns in their own units; 0 if there is no table."""
        return self.columns.log_scale if self.columns else 0.0

    @property
    def item(self) -> str:
        """What the data are many of, in messages: `row` or `image`."""
        return "row" if self.numbers else "image"


@dataclass(frozen=True)
class TrainingConfig:
    """How the weights of a model are found, whatever its family is.

    Attributes:
        epochs: The number of passes over the training images.
        batch_size: The number of images in a step. The last step of an epoch has those that are
            left.
        optimizer: A name in `kvae.registry.OPTIMIZERS`.
        initial_accumulator: What each weight's sum of squared gradients starts with, in Adagrad
            (Duchi, Hazan & Singer, 2011) alone. None is Keras's 0.1; PyTorch starts with 0.
        learning_rate: The learning rate at the start of training.
        schedule: How the learning rate changes; a name in `kvae.registry.SCHEDULES`.
        patience: Training stops after so many epochs without a better validation metric, and the
            weights of the best epoch are kept. None trains all epochs, and keeps the weights of the
            last.
        weight_decay: In every step, each weight matrix of the networks is reduced by this share of
            itself times the learning rate (Loshchilov & Hutter, 2019).
        clip_norm: The largest norm of the gradient, over all weights together; a larger gradient is
            scaled down to it (Pascanu et al., 2013). 0 leaves gradients as they are.
        weight_average: The decay of an exponential moving average of the networks' weights (Polyak
            & Juditsky, 1992), 0.99 for the last hundred steps, about. The model is then validated
            with the averages, and those of the best epoch are kept. 0 takes the weights themselves.
        shift: Each time that an image is trained on, it is shifted at random by up to so many
            pixels, up or down and left or right. Pixels that come in from outside mirror those at
            the edge. Images that the model is evaluated on are never shifted.
        start_from: Name or path of the saved model whose weights a run starts from; None starts
            from new weights.
        seed: Decides the initial weights, the order of the images and every random number.
        jit: Whether to compile with XLA.
    """

    epochs: int = option(least=1, help="Passes over the training images.")
    batch_size: int = option(least=1, help="Images in a step.")
    optimizer: str = option(
        "adagrad", choices=registry.OPTIMIZERS, help="The optimizer, one of Keras's."
    )
    initial_accumulator: float | None = option(
        None,
        least=0,
        metavar="VALUE",
        help="What Adagrad's sums of squared gradients start with; Keras's 0.1 if left out.",
    )
    learning_rate: float = option(1e-3, above=0, help="Learning rate at the start of training.")
    schedule: str = option(
        "constant", choices=registry.SCHEDULES, help="How the learning rate changes."
    )
    patience: int | None = option(
        None,
        least=1,
        metavar="EPOCHS",
        help="Stop after so many epochs without a better validation metric, and keep the best "
        "weights.",
    )
    weight_decay: float = option(
        0.0,
        least=0,
        help="Share by which weight matrices are reduced in a step, times the learning rate.",
    )
    clip_norm: float = option(
        0.0,
        least=0,
        metavar="NORM",
        help="Scale gradients down to this norm, over all weights, if they are larger; 0 does not.",
    )
    weight_average: float = option(
        0.0,
        least=0,
        below=1,
        metavar="DECAY",
        help="Validate and keep a moving average of the weights with this decay, such as 0.99.",
    )
    shift: int = option(
        0,
        least=0,
        metavar="PIXELS",
        help="Shift training images at random by up to so many pixels; edges are mirrored.",
    )
    start_from: str | None = option(
        None,
        metavar="MODEL",
        help="Name or path of a saved model of the same networks, whose weights training starts "
        "from.",
    )
    seed: int = option(0, least=0, help="Decides every random number.")
    jit: bool = True

    def __post_init__(self) -> None:
        check(self)
        require(
            self.initial_accumulator is None or self.optimizer == "adagrad",
            f"`initial_accumulator` is for `optimizer=adagrad`, not {self.optimizer}",
        )
        # The weights themselves are trained on; only the best epoch's weights are kept apart.
        require(
            not self.weight_average or self.patience is not None,
            "`weight_average` needs `patience`",
        )
