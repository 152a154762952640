"""The recipes of variational autoencoders: options for a dataset, by name."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from kvae.config import Facts

SHARED_STEP = 0.05
"""With it, the standard deviations of `normal-shared` and `normal-pixelwise` follow those of the
last batches: 20 of them, about."""


def _mnist_like(train_images: int) -> dict[str, Any]:
    return {
        "latent": 20,
        "hidden": (500, 500),
        "likelihood": "bernoulli",
        "batch_size": 128,
        "epochs": 50 if train_images >= 10_000 else 500,
    }


def _frey_like(train_images: int) -> dict[str, Any]:
    return {
        "latent": 5,
        "hidden": (200, 200),
        "likelihood": "normal",
        "batch_size": 64,
        "epochs": 50 if train_images >= 10_000 else 500,
    }


def _digits(train_images: int) -> dict[str, Any]:
    # This trains in seconds, and with two latents the whole latent space is one picture. Samples
    # would be blurred with a Bernoulli of the grey levels. A Gaussian whose standard deviations are
    # the same for all images makes the model put more information into the latents; with one for
    # each pixel it is also better than factor analysis, which has these, too.
    return {
        "latent": 2,
        "hidden": (256, 256),
        "likelihood": "normal-pixelwise",
        "batch_size": 64,
        "epochs": 300,
        "optimizer": "adam",
        # With this patience no training stops early, but the best epoch's weights are kept.
        "patience": 300,
    }


def _paper(train_images: int) -> dict[str, Any]:
    return {
        "batch_size": 100,
        # The paper chose among 0.01, 0.02 and 0.1 by the first few steps of training.
        "learning_rate": 0.02,
        # The paper says N(0, 0.01); in the authors' own code 0.01 is the standard deviation.
        "initial_stddev": 0.01,
        "weight_prior": 1.0,
        # Ten million training images, the middle of the logarithmic axis of their Figure 2.
        "epochs": math.ceil(10_000_000 / train_images),
    }


def _best_binary(train_images: int) -> dict[str, Any]:
    return {
        "latent": 40,
        "hidden": (500, 500),
        "activation": "silu",
        "likelihood": "bernoulli",
        "binarize": "dynamic",
        "prior": "flow",
        "optimizer": "adam",
        "schedule": "cosine",
        "batch_size": 128,
        "epochs": 150 if train_images >= 10_000 else 500,
    }


def _best_grey(train_images: int) -> dict[str, Any]:
    epochs = 2000 if train_images < 10_000 else 100
    return {
        "latent": 10,
        "hidden": (500,),
        "activation": "silu",
        "likelihood": "normal",
        "prior": "mixture",
        "components": 100,
        "bound": "iwae",
        "importance_samples": 5,
        "doubly_reparameterized": True,
        "input_noise": 0.07,
        "optimizer": "adam",
        "schedule": "cosine",
        "batch_size": 64,
        "epochs": epochs,
        # With this patience no training stops early, but the best epoch's weights are kept.
        "patience": epochs,
    }


def _best_digits(train_images: int) -> dict[str, Any]:
    return _best_grey(train_images) | {
        "components": 20,
        "input_noise": 0.1,
        "epochs": 300,
        "patience": 300,
    }


_BEST: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "mnist": _best_binary,
    "tfds:mnist": _best_binary,
    "digits": _best_digits,
    "frey": _best_grey,
    "frey/blocks": _best_grey,
}
"""Options that were chosen by bounds on validation images; docs/recipes.md says how."""

_REFERENCE: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "digits": _digits,
    "mnist": _mnist_like,
    "tfds:mnist": _mnist_like,
    "frey": _frey_like,
    "frey/blocks": _frey_like,
}


def recipe(name: str, facts: Facts) -> dict[str, Any]:
    """The options of a recipe for a dataset, by name.

    A dataset that the recipes do not know gets the options for its kind of pixels.

    Args:
        name: `reference` has the options of the report that kvae re-implements, `paper` has those
            of Kingma & Welling (2014), Section 5, and `best` has those that did best on validation
            images.
        facts: What is known about the images.
    """
    images = facts.train_images
    if name == "best":
        by_kind = _best_binary if facts.kind == "binary" else _best_grey
        options = _BEST.get(facts.name, by_kind)(images)
    else:
        by_kind = _mnist_like if facts.kind == "binary" else _frey_like
        options = _REFERENCE.get(facts.name, by_kind)(images)
    if name == "paper":
        options |= {"optimizer": "adagrad", "hidden": options["hidden"][:1]}
        options |= _paper(images)
    return {"shared_step": SHARED_STEP} | options


def is_known(dataset: str) -> bool:
    """Whether the recipes have options for a dataset itself, and not only for its kind of pixels.

    Args:
        dataset: The dataset's name.
    """
    return dataset in _REFERENCE
