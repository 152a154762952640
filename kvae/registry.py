"""The parts a run is put together from, by the names that users type.

Adding a part is a new file and one line here. The values are `module:attribute` strings, so that
names can be listed, and typos answered, without importing TensorFlow.
"""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from kvae.errors import UsageError

DATASETS = {
    "digits": "kvae.data.digits:load",
    "mnist": "kvae.data.tfds:load_built_in",
    "frey": "kvae.data.tfds:load_built_in",
    "frey/blocks": "kvae.data.tfds:load_built_in",
}
"""Built-in datasets; each loader takes a `kvae.data.Request`."""

LIKELIHOODS = {
    "bernoulli": "kvae.models.likelihoods:Bernoulli",
    "normal": "kvae.models.likelihoods:Normal",
    "normal-shared": "kvae.models.likelihoods:NormalShared",
    "discretized-logistic": "kvae.models.likelihoods:Logistic",
    "continuous-bernoulli": "kvae.models.likelihoods:ContinuousBernoulli",
}
"""p(x|z): Keras layers from the decoder's last hidden layer to a distribution over images."""

POSTERIORS = {
    "diagonal": "kvae.models.vae.posteriors:DiagonalNormal",
    "full": "kvae.models.vae.posteriors:FullNormal",
    "iaf": "kvae.models.vae.posteriors:InverseAutoregressive",
}
"""q(z|x): Keras layers from the encoder's last hidden layer to a distribution over latents."""

PRIORS = {
    "standard": "kvae.models.priors:StandardNormal",
    "mixture": "kvae.models.priors:Mixture",
    "vamp": "kvae.models.priors:Vamp",
    "flow": "kvae.models.priors:Flow",
}
"""p(z): Keras layers with a `distribution()` over latents."""

PRIOR_FITS = {
    "mixture": "kvae.training.prior_fit:mixture",
    "flow": "kvae.training.prior_fit:flow",
}
"""Functions that fit a prior of that name to a trained model's aggregated posterior."""

BOUNDS = {
    "elbo": "kvae.models.vae.bounds:elbo",
    "iwae": "kvae.models.vae.bounds:iwae",
}
"""Functions of posterior, decoder, prior, images, seed and weighting to `Terms`."""

ESTIMATORS = {
    "aevb": "kvae.models.vae.estimators:aevb",
    "wake-sleep": "kvae.models.vae.estimators:wake_sleep",
}
"""What training follows the gradient of; functions of model, images, seed and weighting."""

STRATEGIES = {
    "mirrored": "kvae.training.distributed:mirrored",
    "multiworker": "kvae.training.distributed:multiworker",
}
"""Devices and machines that share a training; functions to a `tf.distribute.Strategy`."""

SCHEDULES = {
    "constant": "kvae.training.schedules:constant",
    "cosine": "kvae.training.schedules:cosine",
    "exponential": "kvae.training.schedules:exponential",
}
"""Learning rates in the course of a training, from the first one and the number of steps."""

OPTIMIZERS = {
    "adagrad": "keras.optimizers:Adagrad",
    "adam": "keras.optimizers:Adam",
    "adamax": "keras.optimizers:Adamax",
    "nadam": "keras.optimizers:Nadam",
    "rmsprop": "keras.optimizers:RMSprop",
    "sgd": "keras.optimizers:SGD",
}
"""Keras optimizers, each with Keras's own defaults but for the learning rate."""

SHOWN = 80
"""Letters of a name in an error, at most."""


def resolve(table: Mapping[str, str], name: str) -> Any:
    """The object that `name` stands for in one of the tables above.

    Raises:
        UsageError: `name` is not in the table; the message has the nearest name.
    """
    if name not in table:
        raise unknown("name", name, table)
    module, attribute = table[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def unknown(what: str, name: str, known: Iterable[str], also: str = "") -> UsageError:
    """The error for a name that is not among the `known` ones, with the nearest of them."""
    known = sorted(known)
    near = difflib.get_close_matches(name[:SHOWN].lower(), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}{also}"
    shown = name if len(name) <= SHOWN else f"{name[:SHOWN]}..."
    return UsageError(f"unknown {what} {shown!r}: {hint}")
