"""What the rest of kvae asks of a model: a small protocol for each capability.

Training, evaluation, figures, export and the command line know no family of models. Each asks for
the capability that it needs, by `isinstance(model, Generates)`, and leaves out what a model cannot
do. A family's model implements the protocols that make sense for it.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import kvae.models.backend  # noqa: F401  must come before anything runs
from kvae import registry
from kvae.config import Config, family
from kvae.data.pixels import to_float
from kvae.errors import KvaeError, UsageError

if TYPE_CHECKING:
    from kvae.data import Dataset
    from kvae.data.dataset import Split
    from kvae.models.plan import NewOptimizer, Plan
    from kvae.models.priors import Prior

ROUNDING = 1e-6
"""How far beyond 0 and 1 a pixel may be because floats are rounded."""


def seed_pair(seed: int | tf.Tensor) -> tf.Tensor:
    """A seed for stateless random numbers, int32 `[2]`.

    Args:
        seed: An integer, or int32 `[2]`, which is returned as it is.
    """
    seed = tf.convert_to_tensor(seed, tf.int32)
    return tf.stack([seed, 0]) if seed.shape.rank == 0 else seed


class Model(keras.Model):
    """The base class of the models of all families.

    Args:
        config: The configuration that the model is built from; it is saved with the model.

    Attributes:
        draws_pixels: Whether the pixels of samples are drawn themselves, and not the means of a
            distribution of pixels. Drawn pixels of binarized images are black or white.
    """

    draws_pixels = False

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def within_range(self, images: tf.Tensor) -> tf.Tensor:
        """Clip pixels to [0, 1], and leave real numbers as they are.

        Args:
            images: float32, of any shape.
        """
        return images if self.config.data.numbers else tf.clip_by_value(images, 0.0, 1.0)

    def inputs(self, images: np.ndarray, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """Convert stored images to what the model sees: in [0, 1], and binarized if it is trained
        on binarized images. A model of real numbers sees them as they are.

        Args:
            images: uint8 `[batch, height, width, channels]`, from 0 (black) to 255 (white), of the
                shape that the model is for; float32 numbers for a model of these.
            seed: An integer or int32 `[2]`; decides the random numbers of `binarize="dynamic"`.

        Returns:
            float32, the shape of `images`.

        Raises:
            UsageError: The images are not of that type or shape.
        """
        if self.config.data.numbers:
            return self.checked(images)
        stored = tf.convert_to_tensor(images)
        if stored.dtype != tf.uint8:
            floats = ", or give floats from 0 to 1 to the model directly"
            raise UsageError(
                f"`inputs` takes uint8 images from 0 to 255, but these are {stored.dtype.name}: "
                f"convert them with kvae.data.as_pixels{floats if stored.dtype.is_floating else ''}"
            )
        self._check_shape(stored)
        return to_float(stored, self.config.data.binarize, seed_pair(seed))

    def checked(self, images: Any) -> tf.Tensor:
        """Refuse what is not images as the model sees them.

        Every method of a model that takes images calls this.

        Args:
            images: Floats `[batch, height, width, channels]` in [0, 1], or any finite numbers for a
                model of these. Inside a `tf.function` only the type and the shape are checked.

        Returns:
            The images, float32.

        Raises:
            UsageError: The images have another type, shape or range.
        """
        seen = tf.convert_to_tensor(images)
        numbers = self.config.data.numbers
        if not seen.dtype.is_floating and numbers:
            raise UsageError(f"the model takes floats, but these are {seen.dtype.name}")
        if not seen.dtype.is_floating:
            raise UsageError(
                f"the model takes images as floats from 0 to 1, but these are {seen.dtype.name}: "
                "convert uint8 images with model.inputs(images)"
            )
        self._check_shape(seen)
        if tf.executing_eagerly() and numbers:
            if not tf.reduce_all(tf.math.is_finite(seen)):
                raise UsageError("the model takes finite numbers, but some are NaN or infinite")
        elif tf.executing_eagerly() and tf.size(seen) > 0:
            low, high = float(tf.reduce_min(seen)), float(tf.reduce_max(seen))
            # Comparisons with NaN are false.
            if not (low >= -ROUNDING and high <= 1 + ROUNDING):
                raise UsageError(
                    f"the model takes images as floats from 0 to 1, but these are from {low:g} to "
                    f"{high:g}: convert uint8 images with model.inputs(images), or rescale these"
                )
        return tf.cast(seen, tf.float32)

    def _check_shape(self, images: tf.Tensor) -> None:
        shape = self.config.model.image_shape
        if not images.shape.is_compatible_with((None, *shape)):
            raise UsageError(
                f"the model takes images [batch, {', '.join(map(str, shape))}], but these are "
                f"{images.shape.as_list()}"
            )

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Not the way to save a model, since Keras's formats hold no configuration of kvae.

        Args:
            args: Not used.
            kwargs: Not used.

        Raises:
            UsageError: Always; it says how models are saved.
        """
        raise UsageError(
            "save a model with kvae.save(model, path), and load it with kvae.load(path)"
        )

    def get_config(self) -> dict[str, Any]:
        """What Keras asks for when it saves or clones a model; raises what `save` raises."""
        self.save()
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        """For `pickle` and `copy.deepcopy`: the configuration and the weights make the model."""
        return _restored, (self.config, self.get_weights())


def _restored(config: Config, weights: list[np.ndarray]) -> Model:
    model: Model = new_model(config)
    model.set_weights(weights)
    return model


def new_model(config: Config, images: np.ndarray | None = None) -> Any:
    """A new model, made by the function that its family names.

    Args:
        config: The configuration.
        images: Training images, uint8 `[count, height, width, channels]`, for priors whose initial
            weights come from some of them; None where the weights are about to be restored.
    """
    module, function = family(config.family).build.split(":")
    return getattr(importlib.import_module(module), function)(config, images)


@runtime_checkable
class Trains(Protocol):
    """A model that can be trained."""

    def plan(self, dataset: "Dataset", new_optimizer: "NewOptimizer") -> "Plan":
        """A new plan, which says how the model is trained.

        Args:
            dataset: The images that the model will be trained and validated on.
            new_optimizer: Makes the configuration's optimizer for some weights.
        """


@runtime_checkable
class Generates(Protocol):
    """A model that makes images."""

    def sample(self, count: int | tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """New images: float32 `[count, height, width, channels]` in [0, 1].

        Args:
            count: The number of images.
            seed: An integer or int32 `[2]`; the same seed gives the same images.
        """


@runtime_checkable
class Reconstructs(Protocol):
    """A model that encodes images and decodes them again."""

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        """The reconstructions of images: float32, the shape of `images`, in [0, 1].

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """


@runtime_checkable
class Embeds(Protocol):
    """A model that describes an image by a vector."""

    def embed(self, images: tf.Tensor) -> tf.Tensor:
        """One vector for each image: float32 `[batch, dimensions]`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """


@runtime_checkable
class Infers(Protocol):
    """A model with an approximate posterior q(z|x) over one vector of latents."""

    def encode(self, images: tf.Tensor) -> tfd.Distribution:
        """q(z|x): batch shape `[batch]`, event shape `[latent]`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """

    @property
    def has_quick_posterior(self) -> bool:
        """Whether the log densities of many z under q(z|x) of many images take one pass through the
        networks, rather than one pass for each dimension or for each pair of z and x."""


@runtime_checkable
class Decodes(Protocol):
    """A model that decodes any point of a latent space, and has a continuous prior over it."""

    def decode(self, latents: tf.Tensor) -> tfd.Distribution:
        """p(x|z): batch shape `[batch]`, event shape `[height, width, channels]`.

        Args:
            latents: float32 `[batch, latent]`.
        """

    def mean_images(self, latents: tf.Tensor) -> tf.Tensor:
        """The means of p(x|z), clipped to [0, 1]: float32 `[batch, height, width, channels]`.

        Args:
            latents: float32 `[batch, latent]`.
        """

    @property
    def prior(self) -> "Prior":
        """The layer whose `distribution()` is p(z): batch shape `[]`, event shape `[latent]`."""


@runtime_checkable
class Noiseless(Protocol):
    """A model of images without noise, such as a generator that was trained without a likelihood.

    Such images fill a surface, on which there is no density of all images. With noise there is one.
    """

    def with_noise(self, stddev: tf.Tensor | tf.Variable) -> Decodes:
        """The model with p(x|z) = N(image of z, stddev^2 I).

        Args:
            stddev: The standard deviation of the noise, a scalar.
        """


@runtime_checkable
class Discriminates(Protocol):
    """A model that has learned to tell real images from its own."""

    def discriminate(self, images: tf.Tensor) -> tf.Tensor:
        """A score of each image, float32 `[batch]`, higher for images that are taken as real.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """


@runtime_checkable
class Layered(Protocol):
    """A model whose latents have levels, the upper ones deciding what the lower ones mean.

    Under its prior the levels are independent.
    """

    @property
    def latent_levels(self) -> tuple[int, ...]:
        """The number of latents of each level, in their order, from the image upwards."""


class Statistics(NamedTuple):
    """The bound of each image of a batch, and what goes with it.

    Attributes:
        terms: Values of each image, `[batch]`, by the name of a metric. `elbo` is a lower bound on
            log p(x), in nats.
        embedding: One vector for each image, `[batch, dimensions]`; None if the model has none.
        per_dimension: Values of each image and dimension, `[batch, dimensions]`, by name. Their
            means over images are reported. Of a model that infers and decodes latents,
            `kl_per_dimension` is the KL of each of them, in nats.
    """

    terms: Mapping[str, tf.Tensor]
    embedding: tf.Tensor | None
    per_dimension: Mapping[str, tf.Tensor]


@runtime_checkable
class Bounds(Protocol):
    """A model that bounds log p(x) from below."""

    @property
    def measure(self) -> str:
        """What the bound bounds: `density` is a density over [0, 1], `binary` is the probability of
        black and white pixels, and `levels` is the probability of 256 grey levels."""

    def statistics(self, images: tf.Tensor, seed: tf.Tensor) -> Statistics:
        """The bound and its parts for each image.

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them.
            seed: int32 `[2]`; decides the samples.
        """

    def scalars(self, embeddings: np.ndarray | None) -> Mapping[str, float | int]:
        """Metrics that are computed from all images together, by name.

        Args:
            embeddings: The embeddings of the images, `[count, dimensions]`; None if the model has
                none.
        """

    def log_weights(self, images: tf.Tensor) -> Callable[[int, tf.Tensor], tf.Tensor]:
        """Log importance weights. The mean of the weights is an unbiased estimate of p(x).

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them.

        Returns:
            A function from a number of samples and a seed, int32 `[2]`, to log weights
            `[samples, batch]`, in nats. What does not depend on the samples is computed once.
        """


@runtime_checkable
class Exact(Protocol):
    """A model that computes log p(x) itself. Its `elbo`, as a model that bounds log p(x), is it."""

    def log_prob(self, images: tf.Tensor) -> tf.Tensor:
        """log p(x) of each image, `[batch]`, in nats.

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them.
        """


@runtime_checkable
class Completes(Protocol):
    """A model that draws the rest of images of which the upper half is given."""

    def complete(self, images: tf.Tensor, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """Images with the same upper half, `height // 2` rows, and another lower half.

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them. Their lower
                halves are not used.
            seed: An integer or int32 `[2]`; decides the random numbers.

        Returns:
            float32, the shape of `images`, in [0, 1].
        """


@runtime_checkable
class Quantizes(Protocol):
    """A model that describes an image by a map of discrete codes, and decodes such maps."""

    @property
    def code_count(self) -> int:
        """The number of different codes."""

    def codes(self, images: tf.Tensor) -> tf.Tensor:
        """The map of codes of each image, int32 `[batch, rows, columns]`.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
        """

    def decode_codes(self, codes: tf.Tensor) -> tf.Tensor:
        """The images that maps of codes stand for: float32 `[batch, height, width, channels]`.

        Args:
            codes: int32 `[batch, rows, columns]`, from 0 to `code_count - 1`.
        """


class Partition(NamedTuple):
    """What is known of log Z, the constant that makes probabilities sum to one.

    Attributes:
        value: log Z, in nats.
        standard_error: Its standard error, in nats; 0 if it is exact.
        method: How it was found, in a few words.
    """

    value: float
    standard_error: float
    method: str


@runtime_checkable
class EnergyBased(Protocol):
    """A model that knows p(x) but for a constant, and draws images by Markov chains.

    Of a model that bounds log p(x), `unit_activity` among the values of each dimension is the
    probability that each hidden unit is on.
    """

    @property
    def log_partition(self) -> Partition:
        """log Z, which is part of every log p(x) of the model."""

    def walk(self, images: tf.Tensor, steps: int, seed: int | tf.Tensor = 0) -> tf.Tensor:
        """Where Markov chains are that started at images: float32, the shape of `images`.

        Args:
            images: float32 `[batch, height, width, channels]` as the model sees them.
            steps: The number of steps of each chain.
            seed: An integer or int32 `[2]`; decides the random numbers.
        """


@runtime_checkable
class Filters(Protocol):
    """A model whose first units see the whole image, each with a weight for every pixel."""

    def filters(self) -> tf.Tensor:
        """The weights of the units: float32 `[units, height, width, channels]`."""


@runtime_checkable
class Conditional(Protocol):
    """A model of p(x|y), where y is the label of an image.

    It has its other capabilities once labels are given. Its own `sample` takes labels at random, as
    often as training images have them.
    """

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels that the model knows, in the order of their numbers."""

    def given(self, labels: Any) -> Any:
        """The model with the labels of images fixed. It has all capabilities but training.

        Its posterior is q(z|x, y), its prior p(z|y), its likelihood p(x|z, y), and its bounds are
        of log p(x|y). Whatever has several rows for each image, such as importance samples, has the
        rows of the first sample of all images first. `sample(count)` takes the labels in turn.

        Args:
            labels: The numbers of the labels, integers `[batch]`; or the number of one label,
                which all images have.

        Raises:
            UsageError: There are no such labels. Inside a `tf.function` that is not checked.
        """


def given(model: Any, labels: Any) -> Any:
    """A model that needs no labels any more.

    Args:
        model: Any model.
        labels: For a conditional model, the numbers of the images' labels, integers `[batch]`, or
            the number of one label; otherwise None.

    Returns:
        `model.given(labels)` of a conditional model, or else the model itself.

    Raises:
        UsageError: A conditional model has no labels, or another model has some.
    """
    if not isinstance(model, Conditional):
        if labels is not None:
            raise UsageError("this model is not conditional: leave the labels out")
        return model
    if labels is None:
        raise UsageError("this model is conditional: give the label of each image")
    return model.given(labels)


def check_labels(model: Any, labels: np.ndarray | None, count: int) -> None:
    """Refuse labels that do not go together with a model, or with a number of images.

    Args:
        model: Any model.
        labels: The number of each image's label, `[count]`; None if there are none.
        count: The number of images.

    Raises:
        UsageError: A conditional model has no labels, another model has some, or they are not as
            many as the images.
    """
    given(model, labels)
    if labels is not None and np.shape(labels) != (count,):
        raise UsageError(f"labels {list(np.shape(labels))} are not those of {count:,} images")


def label_numbers(model: Conditional, names: Sequence[str] | np.ndarray) -> np.ndarray:
    """The numbers of labels among those that a model knows, int32 `[count]`.

    Args:
        model: A conditional model.
        names: The name of the label of each image, `[count]`.

    Raises:
        KvaeError: The model does not know a label.
    """
    numbers = {name: number for number, name in enumerate(model.classes)}
    found, inverse = np.unique(np.asarray(names, str), return_inverse=True)
    for name in found:
        if name not in numbers:
            raise KvaeError(str(registry.unknown("label", str(name), model.classes)))
    return np.array([numbers[name] for name in found], np.int32)[inverse]


def labels_of(model: Any, dataset: "Dataset", split: "Split") -> np.ndarray | None:
    """The labels that a model needs beside images: int32 `[count]`, or None if it needs none.

    Args:
        model: Any model.
        dataset: The dataset.
        split: Some of its images.

    Raises:
        KvaeError: The model is conditional, and the images have no labels or have one that the
            model does not know.
    """
    if not isinstance(model, Conditional):
        return None
    names = dataset.names_of(split)
    if names is None:
        raise KvaeError(
            f"the model is conditional, but the images of {dataset.name} have no labels"
        )
    return label_numbers(model, names)


def of_any_label(model: Any) -> Any:
    """A model that needs no labels any more, for what does not depend on the label.

    Args:
        model: Any model.
    """
    return given(model, 0 if isinstance(model, Conditional) else None)
