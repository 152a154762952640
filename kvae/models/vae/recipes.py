"""The recipes of variational autoencoders: options for a dataset, by name."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from kvae.config import Facts
from kvae.models import averages

SHARED_STEP = 0.05
"""With it, the standard deviations of `normal-shared` and `normal-pixelwise` follow those of the
last batches: 20 of them, about."""

NETWORKS: Mapping[str, dict[str, Any]] = {
    "conv": {"network": "conv", "hidden": ()},
    "mlp": {"network": "mlp", "hidden": (256, 256)},
}
"""The networks of the recipe `own`. A dense layer beside the latents would make the convolutional
network learn the training images by heart."""
MOST_LATENTS = 64
"""The largest number of latents that `own` chooses. Those that a model does not need, it leaves at
their prior."""
SMALLEST_MAPS = 8
"""The shortest side of images for which `own` chooses convolutions."""
MOST_SHIFT_COST = 1.8
"""Images are shifted in training as far as PCA's error on shifted images is at most so many times
as large."""
MOST_UNEXPLAINED = 0.05
"""Models start as PCA if it leaves at most this share of the variance of images, with as many
components as the model has latents."""
AVERAGED_STEPS = 100
"""The weights are averaged over about so many steps, or over a fiftieth of the training if that is
shorter. At first, averages over more steps would be far behind the weights, and much worse."""
LEAST_SEEN = 2000
"""All images that a training sees, epoch after epoch, are 3,200 times the root of the number of
training images, or of this number if there are fewer."""
MOST_EPOCHS = 800
FEW_IMAGES = 1_000
"""With fewer training images than this, a network without weight decay learns some by heart."""
BATCH_SIZES = {FEW_IMAGES: 8, 4_000: 16, 16_000: 32, 64_000: 64}
"""The batch size of trainings with fewer images than each of these; with more it is 128. So most
trainings have 6,000 to 18,000 steps. After 2,000, networks of some images are far from done."""
ENOUGH_IMAGES = 10_000
"""With so many training images, shifting them is of no use."""
FITTED_COMPONENTS = 100
"""The largest number of components of the fitted prior."""
WORTH_COMPILING = 3000
"""A training of a table with fewer steps than this is over before XLA has compiled it."""


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
        "hidden": (128, 128),
        "likelihood": "normal-pixelwise",
        "batch_size": 32,
        "epochs": 100,
        "optimizer": "adam",
        "learning_rate": 5e-3,
        "schedule": "cosine",
        # With this patience no training stops early, but the best epoch's weights are kept.
        "patience": 100,
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


def _best_mnist(train_images: int) -> dict[str, Any]:
    return _best_binary(train_images) | {
        "network": "conv",
        "channels": (32, 64),
        "blocks": 1,
        "hidden": (256,),
        "flow_layers": 8,
        "flow_units": 256,
        "epochs": 100,
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


def _best_frey(train_images: int) -> dict[str, Any]:
    return _best_grey(train_images) | {
        "latent": 20,
        "network": "conv",
        "channels": (32, 64),
        "hidden": (256,),
        "components": 50,
        "bound": "elbo",
        "importance_samples": 1,
        "doubly_reparameterized": False,
        "epochs": 400,
        "patience": 400,
    }


def _best_digits(train_images: int) -> dict[str, Any]:
    return _best_grey(train_images) | {
        "components": 20,
        "input_noise": 0.1,
        "epochs": 300,
        "patience": 300,
    }


def shift(facts: Facts) -> int:
    """By how many pixels the recipe `own` shifts training images; 0 if it does not shift them.

    Args:
        facts: What is known about the images.
    """
    if min(facts.image_shape[:2]) < SMALLEST_MAPS or facts.train_images >= ENOUGH_IMAGES:
        return 0
    costs = facts.linearity().shift_costs
    return max((pixels for pixels, cost in costs.items() if cost <= MOST_SHIFT_COST), default=0)


def unexplained(facts: Facts, components: int) -> float:
    """The share of the variance of images that PCA leaves; infinity if that is not known.

    Args:
        facts: What is known about the images.
        components: The number of components. What more than are known leave, counts as what these
            leave.
    """
    shares = facts.linearity().unexplained
    return shares[min(components, len(shares) - 1)]


def starts_as_pca(facts: Facts, latent: int) -> bool:
    """Whether a model with the recipe `own` starts as PCA, if its other options allow it.

    Of images that are nearly linear in a few numbers, a network learns some of these numbers only
    after very many steps.

    Args:
        facts: What is known about the images.
        latent: The number of the model's latents.
    """
    return not facts.two_levels() and unexplained(facts, latent) <= MOST_UNEXPLAINED


def beginning(facts: Facts, linear: bool) -> dict[str, Any]:
    """The options of the recipe `own` that depend on how a model starts, by name.

    Args:
        facts: What is known about the images.
        linear: Whether it starts as PCA.
    """
    decays = facts.train_images < FEW_IMAGES and not linear
    return {
        "linear": linear,
        "mean_activation": "linear" if linear else "sigmoid",
        "weight_decay": 0.2 if decays else 0.0,
        # Steps as long as those from a random start would destroy in an epoch what PCA found.
        "learning_rate": 0.0005 if linear else 0.002,
    }


def weight_average(facts: Facts, epochs: int, batch_size: int) -> float:
    """The decay of the moving average of weights in the recipe `own`.

    Args:
        facts: What is known about the images.
        epochs: The number of epochs of the training.
        batch_size: The number of images in a step.
    """
    steps = epochs * -(-facts.train_images // batch_size)
    return averages.decay(steps, AVERAGED_STEPS)


def _own(facts: Facts) -> dict[str, Any]:
    height, width, channels = facts.image_shape
    images = facts.train_images
    seen = 3200 * math.sqrt(max(images, LEAST_SEEN))
    epochs = max(10, min(MOST_EPOCHS, round(seen / images)))
    latent = min(MOST_LATENTS, max(2, height * width * channels // 16))
    batch_size = next((size for most, size in BATCH_SIZES.items() if images < most), 128)
    options = NETWORKS["conv" if min(height, width) >= SMALLEST_MAPS else "mlp"]
    options = options | beginning(facts, starts_as_pca(facts, latent))
    return options | {
        "activation": "silu",
        "latent": latent,
        "likelihood": "bernoulli" if facts.two_levels() else "normal-pixelwise",
        # Samples from N(0, I) rarely look like images that no recipe was tuned for.
        "prior": "fitted",
        "components": FITTED_COMPONENTS,
        "optimizer": "adam",
        "schedule": "cosine",
        "batch_size": batch_size,
        "epochs": epochs,
        # Some images have gradients that are far too large for the others: without a limit, models
        # of letters on white paper ignored most of their latents. Adam's steps do not depend on the
        # norm, so that with so small a one all steps count alike.
        "clip_norm": 1.0,
        "patience": max(10, epochs // 8),
        # While the learning rate is high, the validation ELBO of the weights themselves goes up and
        # down by some percent.
        "weight_average": weight_average(facts, epochs, batch_size),
        "shift": shift(facts),
    }


def _table(columns: int, rows: int) -> dict[str, Any]:
    batch_size = 64 if rows < ENOUGH_IMAGES else 128
    epochs = max(10, min(300, 1_500_000 // rows))
    return {
        "latent": max(1, min(5, columns // 2)),
        "hidden": (64,),
        "activation": "silu",
        "likelihood": "normal",
        "optimizer": "adam",
        "learning_rate": 0.005,
        "schedule": "cosine",
        "weight_decay": 0.5,
        "batch_size": batch_size,
        "epochs": epochs,
        "patience": max(10, epochs // 10),
        "jit": epochs * -(-rows // batch_size) >= WORTH_COMPILING,
    }


_BEST: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "mnist": _best_mnist,
    "tfds:mnist": _best_mnist,
    "digits": _best_digits,
    "frey": _best_frey,
    "frey/blocks": _best_frey,
}
"""Options that were chosen by bounds on validation images; docs/recipes/best.md says how."""

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
            of Kingma & Welling (2014), Section 5, `best` has those that did best on validation
            images, and `own` is for images that no recipe knows: it chooses by the facts.
        facts: What is known about the images.
    """
    images = facts.train_images
    if name == "own":
        of_numbers = facts.kind == "numbers"
        options = _table(math.prod(facts.image_shape), images) if of_numbers else _own(facts)
    elif name == "best":
        by_kind = _best_binary if facts.kind == "binary" else _best_grey
        options = _BEST.get(facts.name, by_kind)(images)
    else:
        by_kind = _mnist_like if facts.kind == "binary" else _frey_like
        options = _REFERENCE.get(facts.name, by_kind)(images)
    if name == "paper":
        options |= {"optimizer": "adagrad", "hidden": options["hidden"][:1]}
        options |= _paper(images)
    if facts.kind == "numbers":
        options |= {"mean_activation": "linear"}
    return {"shared_step": SHARED_STEP} | options


def default(facts: Facts) -> str:
    """The name of the recipe that a dataset is trained with if a person names none.

    Args:
        facts: What is known about the images.
    """
    return "reference" if is_known(facts.name) else "own"


def is_known(dataset: str) -> bool:
    """Whether the recipes have options for a dataset itself, and not only for its kind of pixels.

    Args:
        dataset: The dataset's name.
    """
    return dataset in _REFERENCE
