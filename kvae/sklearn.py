"""A variational autoencoder as an estimator of scikit-learn, for tables of numbers and for images.

    >>> from kvae.sklearn import VAE
    >>> from sklearn.datasets import load_wine
    >>> X = load_wine().data
    >>> vae = VAE(latent=3, random_state=0).fit(X)
    >>> vae.transform(X).shape
    (178, 3)
    >>> vae.score(X)  # mean log-likelihood, nats a row

TensorFlow is imported when an estimator is fitted, used or unpickled, and not before.
"""

import math
import numbers
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from kvae.config import configure
from kvae.config.fields import LARGEST_INTEGER, require
from kvae.data import Dataset, Split
from kvae.data.columns import Columns
from kvae.data.levels import to_levels, white_level
from kvae.errors import KvaeError, UsageError

NOT_OPTIONS = ("image_shape", "recipe", "scoring_samples", "random_state")
"""The parameters of `VAE` that are not options of `kvae.configure`."""
ENOUGH_ROWS = 50
"""A tenth of so many rows is held out in training; of fewer rows, none is."""
CHUNK = 100
"""Rows that are encoded or decoded at a time. The last chunk is filled up, since the rounding of
matrix products depends on their shapes: the results for a row do not depend on the other rows."""


class VAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A variational autoencoder (Kingma & Welling, 2014).

    A row of `X` is a row of a table, such as the measurements of a patient, or, with `image_shape`,
    an image. Each column of a table is standardised, and modelled by a Gaussian whose mean, and by
    default whose standard deviation, depend on the latents. Whatever the estimator returns is in
    the columns' own units. A column that is constant in training has no density, so it is not
    modelled: it does not change latents and scores, and `inverse_transform` and `sample` return its
    value.

    Parameters that are None have the values that the recipe chooses. Values that are not allowed
    raise a `ValueError` in `fit`.

    Args:
        latent: Number of latent dimensions, the columns of `transform`.
        image_shape: Height, width and channels of the image that each row of `X` is; None if `X` is
            a table. Pixels are booleans, integers of 8 to 16 bits, or floats from 0 to 1, and are
            read as `kvae.data.as_pixels` reads them, to 256 grey levels.
        recipe: Which options are chosen for those that are None: `own`, the default, `reference`,
            `paper` or `best`, as `kvae.config.RECIPES` says.
        binarize: `none`, `threshold` or `dynamic`; how pixels are made black or white.
        hidden: Units of the hidden layers.
        likelihood: p(x|z): `normal`, `normal-pixelwise` or `normal-shared`, or for images also
            `bernoulli`, `continuous-bernoulli` or `discretized-logistic`. The Gaussians differ in
            which standard deviations they have: one for each number, for each column or pixel, or
            for all.
        mean_activation: `linear` or `sigmoid`; the function that a Gaussian's mean passes through.
            Tables need `linear`.
        linear: Whether linear maps are added to encoder and decoder, which start as probabilistic
            PCA of the training data.
        activation: `tanh`, `relu`, `gelu` or `silu`; the activation of the hidden layers.
        dropout: Share of hidden units that are dropped in training.
        posterior: q(z|x): `diagonal`, `full` or `iaf`.
        prior: p(z): `standard`, `mixture` or `flow`, or for images also `vamp`.
        components: Components of a `mixture` or `vamp` prior.
        flow_layers: Flows of a `flow` prior and of an `iaf` posterior.
        flow_units: Units of each of the two hidden layers of a flow.
        network: `mlp` or `conv`.
        channels: Channels of each stage of `conv`.
        blocks: Residual blocks of each stage of `conv`.
        estimator: `aevb` or `wake-sleep`; the gradient that training follows.
        bound: `elbo` or `iwae`; what training maximises.
        importance_samples: Samples of z for each row that `iwae` takes in training.
        doubly_reparameterized: Whether the encoder's gradient of `iwae` is that of Tucker et al.
            (2019).
        beta: Weight of the KL in training (Higgins et al., 2017).
        kl_warmup: Epochs in which the weight of the KL rises from zero.
        free_bits: Nats of each latent dimension's KL that are not penalised.
        input_noise: Standard deviation of the noise on the encoder's inputs in training.
        epochs: Passes over the rows.
        batch_size: Rows in a step.
        optimizer: An optimizer of Keras, such as `adam`.
        initial_accumulator: What Adagrad's sums of squared gradients start with.
        learning_rate: The learning rate at the start.
        schedule: `constant`, `cosine` or `exponential`; how the learning rate changes.
        patience: Training stops after so many epochs without a better ELBO of the rows that are
            held out, and the weights of the best epoch are kept. A tenth of 50 rows or more is held
            out. With fewer rows the best epoch is the one with the best ELBO of all rows.
        weight_decay: Share by which weight matrices are reduced in a step, times the learning rate.
        clip_norm: Largest norm of the gradient of all weights together; 0 is no limit.
        weight_average: Decay of a moving average of the weights, which is validated and kept.
        shift: Images are shifted in training by up to so many pixels.
        jit: Whether training is compiled with XLA, which takes seconds, and makes long training
            faster.
        scoring_samples: Importance samples of z for each row in `score_samples` and `score`.
        random_state: Decides the initial weights, the rows that are held out, and the random
            numbers of training and of scores. The same integer gives the same bytes on the same
            machine. A `RandomState` or None gives other numbers in each `fit`.

    Attributes:
        model_: The trained model of kvae. `kvae.save(estimator.model_, path)` saves it, and
            `kvae encode` and its like use it on such tables. In Python, a model of a table takes
            standardised columns, `[rows, columns, 1, 1]`, without the constant ones:
            `model_.config.data.columns.images(X)`.
        history_: A dictionary for each epoch, as `kvae.train` returns them.
        n_iter_: Number of epochs.
        mean_: Mean of each column, `[n_features]`; only of tables.
        scale_: Standard deviation of each column, `[n_features]`, and 1 of constant columns; only
            of tables.
        white_: The number that stands for white; only of images.
        n_features_in_: Number of columns of `X`.
        feature_names_in_: Their names, `[n_features]`, if they have names that are texts.
    """

    def __init__(
        self,
        latent: int | None = None,
        *,
        image_shape: tuple[int, int, int] | None = None,
        recipe: str | None = None,
        binarize: str | None = None,
        hidden: tuple[int, ...] | None = None,
        likelihood: str | None = None,
        mean_activation: str | None = None,
        linear: bool | None = None,
        activation: str | None = None,
        dropout: float | None = None,
        posterior: str | None = None,
        prior: str | None = None,
        components: int | None = None,
        flow_layers: int | None = None,
        flow_units: int | None = None,
        network: str | None = None,
        channels: tuple[int, ...] | None = None,
        blocks: int | None = None,
        estimator: str | None = None,
        bound: str | None = None,
        importance_samples: int | None = None,
        doubly_reparameterized: bool | None = None,
        beta: float | None = None,
        kl_warmup: int | None = None,
        free_bits: float | None = None,
        input_noise: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        optimizer: str | None = None,
        initial_accumulator: float | None = None,
        learning_rate: float | None = None,
        schedule: str | None = None,
        patience: int | None = None,
        weight_decay: float | None = None,
        clip_norm: float | None = None,
        weight_average: float | None = None,
        shift: int | None = None,
        jit: bool | None = None,
        scoring_samples: int = 100,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.latent = latent
        self.image_shape = image_shape
        self.recipe = recipe
        self.binarize = binarize
        self.hidden = hidden
        self.likelihood = likelihood
        self.mean_activation = mean_activation
        self.linear = linear
        self.activation = activation
        self.dropout = dropout
        self.posterior = posterior
        self.prior = prior
        self.components = components
        self.flow_layers = flow_layers
        self.flow_units = flow_units
        self.network = network
        self.channels = channels
        self.blocks = blocks
        self.estimator = estimator
        self.bound = bound
        self.importance_samples = importance_samples
        self.doubly_reparameterized = doubly_reparameterized
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.free_bits = free_bits
        self.input_noise = input_noise
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.initial_accumulator = initial_accumulator
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.patience = patience
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.weight_average = weight_average
        self.shift = shift
        self.jit = jit
        self.scoring_samples = scoring_samples
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "VAE":  # noqa: N803
        """Train a model of the rows of `X`.

        Args:
            X: `[n_samples, n_features]`, at least two rows that are not equal.
            y: Not used.

        Returns:
            This estimator.

        Raises:
            ValueError: A parameter is not allowed, or `X` is not such a table or such images.
            KvaeError: A loss is not finite, or there is too little memory.
        """
        from kvae.models.build import build
        from kvae.training import train

        X = self._validated(X, reset=True)  # noqa: N806
        samples = self.scoring_samples
        require(
            isinstance(samples, numbers.Integral) and 1 <= samples <= LARGEST_INTEGER,
            f"scoring_samples must be a whole number of 1 or more, got {samples}",
        )
        require(
            any((row != X[0]).any() for row in X),
            "all rows of X are the same: there is nothing to learn",
        )
        self._measure(X)
        seed = int(check_random_state(self.random_state).randint(LARGEST_INTEGER))
        dataset = _dataset(self._images(X), self._columns, seed)
        config = configure(dataset, self.recipe, seed=seed, **self._options())
        self.model_ = build(config, dataset.train.images)
        self.history_ = train(self.model_, dataset)
        self.n_iter_ = len(self.history_)
        self._row_bounds = _RowBounds(self.model_)
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """The means of q(z|x).

        Args:
            X: `[n_samples, n_features]`.

        Returns:
            `[n_samples, latent]`, float32 if `X` is float32, and float64 if not.

        Raises:
            ValueError: `X` is not such a table or such images.
            NotFittedError: The estimator is not fitted.
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False)  # noqa: N806
        model, images = self.model_, self._images(X)
        found = _in_chunks(lambda rows: model.embed(model.inputs(rows)), images)
        return found.astype(np.float32 if X.dtype == np.float32 else np.float64)

    def inverse_transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """The means of p(x|z) of latents.

        Args:
            X: Latents, `[n_samples, latent]`.

        Returns:
            `[n_samples, n_features]`: numbers in the columns' own units, or pixels from 0 (black)
            to 1 (white); float32 if `X` is float32, and float64 if not.

        Raises:
            ValueError: `X` is not such a table.
            NotFittedError: The estimator is not fitted.
        """
        check_is_fitted(self)
        latents = check_array(X, dtype=(np.float64, np.float32), input_name="X")
        require(
            latents.shape[1] == self._n_features_out,
            f"X has {latents.shape[1]} features, but VAE has {self._n_features_out} latents",
        )
        found = _in_chunks(self.model_.mean_images, latents.astype(np.float32))
        return self._rows(found).astype(latents.dtype)

    def score_samples(self, X: Any) -> np.ndarray:  # noqa: N803
        """A lower bound on the log-likelihood of each row, log p(x), in nats.

        It is the importance-weighted bound with `scoring_samples` samples of z (Burda et al.,
        2016), which is tighter with more of them; with one it is an estimate of the ELBO. The
        random numbers depend on the row, so that equal rows have equal scores.

        The density is that of columns in their own units, without the constant ones. That of images
        is one of pixels from 0 to 1, or the probability of black and white or 8-bit pixels, as the
        likelihood has it.

        Args:
            X: `[n_samples, n_features]`.

        Returns:
            `[n_samples]`, float64.

        Raises:
            ValueError: `X` is not such a table or such images.
            NotFittedError: The estimator is not fitted.
        """
        check_is_fitted(self)
        images = self._images(self._validated(X, reset=False))
        return self._row_bounds(images, int(self.scoring_samples)).astype(np.float64)

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """The mean of `score_samples`: a lower bound on the mean log-likelihood, in nats a row.

        Args:
            X: `[n_samples, n_features]`.
            y: Not used.

        Raises:
            ValueError: `X` is not such a table or such images.
            NotFittedError: The estimator is not fitted.
        """
        return float(np.mean(self.score_samples(X)))

    def sample(
        self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None
    ) -> np.ndarray:
        """New rows: samples of a table from p(x), and images as the means of p(x|z).

        Args:
            n_samples: The number of rows.
            random_state: An integer gives the same rows in each call; a `RandomState` or None gives
                others.

        Returns:
            `[n_samples, n_features]`, float64: numbers in the columns' own units, or pixels from 0
            (black) to 1 (white).

        Raises:
            ValueError: `n_samples` is not a whole number of 1 or more.
            NotFittedError: The estimator is not fitted.
        """
        check_is_fitted(self)
        require(
            isinstance(n_samples, numbers.Integral) and 1 <= n_samples <= LARGEST_INTEGER,
            f"n_samples must be a whole number of 1 or more, got {n_samples}",
        )
        from kvae.inference import sampled_rows

        count, model = int(n_samples), self.model_
        seed = int(check_random_state(random_state).randint(LARGEST_INTEGER))
        if self.image_shape is not None:
            return self._rows(model.sample(count, seed).numpy())
        return sampled_rows(model, count, seed)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.model_.config.model.latent)

    def _options(self) -> dict[str, Any]:
        """The options for `kvae.configure`, by name. Numbers of NumPy, such as those of a grid that
        is searched, become Python's, which JSON can hold."""
        return {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in self.get_params(deep=False).items()
            if name not in NOT_OPTIONS
        }

    def _validated(self, X: Any, reset: bool) -> np.ndarray:  # noqa: N803
        if self.image_shape is None:
            types: Any = (np.float64, np.float32)
        else:
            types = "numeric"
        least = 2 if reset else 1
        found = validate_data(self, X, reset=reset, dtype=types, ensure_min_samples=least)
        if self.image_shape is not None:
            shape = self.image_shape
            require(
                len(shape) == 3 and min(shape) >= 1,
                f"image_shape is a height, a width and channels, got {shape}",
            )
            require(
                found.shape[1] == math.prod(shape),
                f"X has {found.shape[1]} features, but images of {' x '.join(map(str, shape))} "
                f"have {math.prod(shape)} numbers",
            )
        return found

    def _measure(self, X: np.ndarray) -> None:  # noqa: N803
        """Find out what numbers of `X` mean: the scale of each column, or which number is white."""
        self._columns: Columns | None = None
        if self.image_shape is not None:
            self.white_ = _white(X)
            self._kind = X.dtype.kind
            return
        names = tuple(map(str, getattr(self, "feature_names_in_", ())))
        self._columns = Columns.measured(X, names)
        self.mean_ = np.array(self._columns.means)
        self.scale_ = np.where(self._columns.varying, self._columns.stddevs, 1.0)

    def _images(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Rows as images of kvae: uint8 pixels, or float32 standardised columns."""
        if self._columns is not None:
            return self._columns.images(X)
        assert self.image_shape is not None
        require(
            X.dtype.kind == self._kind,
            f"X has pixels of {X.dtype}, but those in `fit` were of another kind",
        )
        require(
            X.min() >= 0 and X.max() <= self.white_,
            f"X has pixels from {X.min()} to {X.max()}, but in `fit` 0 was black and "
            f"{self.white_:g} white",
        )
        return to_levels(X.reshape(-1, *self.image_shape), self.white_)

    def _rows(self, images: np.ndarray) -> np.ndarray:
        """The rows of means or samples of p(x|z), `[n_samples, n_features]`, float64."""
        if self._columns is not None:
            return self._columns.rows(images)
        return images.reshape(len(images), -1).astype(np.float64)


def _white(X: np.ndarray) -> float:  # noqa: N803
    """The number that stands for white.

    Raises:
        ValueError: Such numbers are not pixels.
    """
    try:
        return white_level(X.min(), X.max(), X.dtype, "X")[0]
    except KvaeError as error:
        raise UsageError(str(error)) from error


def _dataset(images: np.ndarray, columns: Columns | None, seed: int) -> Dataset:
    """The rows in splits: a tenth is held out if there are enough, and no row if not.

    Args:
        images: The rows as images.
        columns: The columns of a table; None of pixels.
        seed: Decides which rows are held out.
    """
    train = held_out = Split(images, numbers=columns is not None)
    if len(images) >= ENOUGH_ROWS:
        order = np.random.RandomState(seed).permutation(len(images))
        count = len(images) // 10
        train, held_out = (train.take(np.sort(part)) for part in (order[count:], order[:count]))
    return Dataset("X", train, held_out, held_out, "rows of X", columns=columns)


def _in_chunks(function: Callable[[Any], Any], rows: np.ndarray) -> np.ndarray:
    """The results of a function of some rows at a time, which all have the same number."""
    from kvae.models.chunks import in_chunks

    found: np.ndarray = in_chunks(lambda _, some: function(rows[some]), len(rows), CHUNK)
    return found


class _RowBounds:
    """Computes the importance-weighted bound of each row by itself.

    The random numbers of a row depend on nothing but the row and the model's seed.

    Args:
        model: A model that bounds log p(x).
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._compiled: dict[int, Callable[..., Any]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """For `pickle`, which cannot hold compiled functions."""
        return _RowBounds, (self._model,)

    def __call__(self, images: np.ndarray, samples: int) -> np.ndarray:
        """The bound of each row, float32 `[count]`, in nats.

        Args:
            images: The rows as images.
            samples: The number of importance samples for each row.
        """
        import tensorflow as tf

        if samples not in self._compiled:
            self._compiled[samples] = self._function(samples)
        seed = self._model.config.training.seed
        seeds = [[zlib.crc32(row.tobytes()) % LARGEST_INTEGER, seed] for row in images]
        return self._compiled[samples](tf.constant(images), tf.constant(seeds, tf.int32)).numpy()

    def _function(self, samples: int) -> Callable[..., Any]:
        import tensorflow as tf

        from kvae.data.pixels import to_float

        model, config = self._model, self._model.config
        stored = tf.float32 if config.data.numbers else tf.uint8

        def bound(row: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            image, seed = row
            pixel_seed, latent_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
            seen = to_float(image[None], config.data.binarize, pixel_seed)
            log_weights = model.log_weights(seen)(samples, latent_seed)
            return tf.reduce_logsumexp(log_weights[:, 0]) - math.log(samples)

        signature = [
            tf.TensorSpec((None, *config.model.image_shape), stored),
            tf.TensorSpec((None, 2), tf.int32),
        ]

        @tf.function(input_signature=signature, autograph=False)
        def bounds(images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
            return tf.map_fn(bound, (images, seeds), fn_output_signature=tf.float32)

        # TensorFlow would warn of many functions in a search of many models.
        return bounds.get_concrete_function()
