"""The parts that a run can have, by the names that users give them.

A new part is a new file and one line here. The values of the tables are `module:attribute` strings,
so that the names can be listed and checked without importing TensorFlow.
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
"""Built-in datasets: functions that load them from a `kvae.data.Request`."""

MODELS = {
    "vae": "kvae.models.vae:FAMILY",
    "hierarchical": "kvae.models.hierarchical:FAMILY",
    "pixel": "kvae.models.pixel:FAMILY",
    "quantized": "kvae.models.quantized:FAMILY",
    "boltzmann": "kvae.models.boltzmann:FAMILY",
    "adversarial": "kvae.models.adversarial:FAMILY",
}
"""Families of models; each is a `kvae.config.Family`."""

NETWORKS = {
    "mlp": "kvae.models.networks.mlp:NETWORK",
    "conv": "kvae.models.networks.conv:NETWORK",
}
"""Networks of encoders and decoders; each is a `kvae.models.networks.Network`."""

LIKELIHOODS = {
    "bernoulli": "kvae.models.likelihoods:Bernoulli",
    "normal": "kvae.models.likelihoods:Normal",
    "normal-shared": "kvae.models.likelihoods:NormalShared",
    "normal-pixelwise": "kvae.models.likelihoods:NormalPixelwise",
    "discretized-logistic": "kvae.models.likelihoods:Logistic",
    "continuous-bernoulli": "kvae.models.likelihoods:ContinuousBernoulli",
}
"""p(x|z): Keras layers that map the decoder's features to a distribution over images."""

POSTERIORS = {
    "diagonal": "kvae.models.vae.posteriors:DiagonalNormal",
    "full": "kvae.models.vae.posteriors:FullNormal",
    "iaf": "kvae.models.vae.posteriors:InverseAutoregressive",
}
"""q(z|x): Keras layers that map the encoder's last hidden layer to a distribution over latents."""

PRIORS = {
    "standard": "kvae.models.priors:StandardNormal",
    "mixture": "kvae.models.priors:Mixture",
    "vamp": "kvae.models.priors:Vamp",
    "flow": "kvae.models.priors:Flow",
    "fitted": "kvae.models.priors:Fitted",
}
"""p(z): Keras layers whose `distribution()` is a distribution over latents."""

PRIOR_FITS = {
    "mixture": "kvae.training.prior_fit:mixture",
    "flow": "kvae.training.prior_fit:flow",
}
"""Functions that fit a prior of that name to the aggregated posterior of a trained model."""

BOUNDS = {
    "elbo": "kvae.models.vae.bounds:elbo",
    "iwae": "kvae.models.vae.bounds:iwae",
}
"""Functions of posterior, decoder, prior, images, seed and weighting that return `Terms`."""

ESTIMATORS = {
    "aevb": "kvae.models.vae.estimators:aevb",
    "wake-sleep": "kvae.models.vae.estimators:wake_sleep",
}
"""Functions of model, images, seed and weighting that return what training maximises."""

STRATEGIES = {
    "mirrored": "kvae.training.workers:mirrored",
    "multiworker": "kvae.training.workers:multiworker",
}
"""Ways to share a training among devices: functions that return a `tf.distribute.Strategy`."""

SCHEDULES = {
    "constant": "kvae.training.optimizers:constant",
    "cosine": "kvae.training.optimizers:cosine",
    "exponential": "kvae.training.optimizers:exponential",
}
"""Learning rates during training: functions of the first one and of the number of steps."""

OPTIMIZERS = {
    "adagrad": "keras.optimizers:Adagrad",
    "adam": "keras.optimizers:Adam",
    "adam-no-momentum": "kvae.training.optimizers:AdamWithoutMomentum",
    "adamax": "keras.optimizers:Adamax",
    "nadam": "keras.optimizers:Nadam",
    "rmsprop": "keras.optimizers:RMSprop",
    "sgd": "keras.optimizers:SGD",
}
"""Keras optimizers. Their settings are the defaults of Keras, except for the learning rate, and for
`beta_1=0, beta_2=0.99` of Adam without momentum."""

SHOWN = 80
"""How many characters of a name an error message shows."""


def resolve(table: Mapping[str, str], name: str) -> Any:
    """Import the object that a name stands for.

    Args:
        table: One of the tables above, or any other table of the same form.
        name: A key of the table.

    Raises:
        UsageError: `name` is not in the table. The message has the most similar name.
    """
    if name not in table:
        raise unknown("name", name, table)
    module, attribute = table[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def unknown(what: str, name: str, known: Iterable[str], also: str = "") -> UsageError:
    """The error for an unknown name, with the most similar name that is known.

    Args:
        what: What the name is for, such as `dataset`.
        name: The unknown name.
        known: All names that are known.
        also: Text that follows the list of known names.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name[:SHOWN].lower(), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}{also}"
    shown = name if len(name) <= SHOWN else f"{name[:SHOWN]}..."
    return UsageError(f"unknown {what} {shown!r}: {hint}")
