"""The models that the claim `families` compares. Nothing heavy is imported here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Options = Mapping[str, Any]
BASELINE = "flat, standard prior"
"""The contestant that the others are compared with."""


@dataclass(frozen=True)
class Contestant:
    """A model that takes part, and how it is trained.

    Attributes:
        frey: Its options on the Frey Faces; None if it takes no part there.
        mnist: Its options on MNIST.
    """

    frey: Options | None
    mnist: Options


def _flat(frey_epochs: int, mnist_epochs: int, **options: Any) -> Contestant:
    """The recipe `best` with some options changed, and dense layers. The bound is the ELBO if
    nothing else is said, and the prior the recipe's."""
    common = {"recipe": "best", "bound": "elbo", **options}
    on_frey: Options = {"epochs": frey_epochs}
    on_mnist: Options = {"epochs": mnist_epochs}
    if options.get("network") != "conv":
        on_frey = {**on_frey, "network": "mlp", "hidden": (500,)}
        on_mnist = {**on_mnist, "network": "mlp", "hidden": (500, 500)}
    return Contestant({**common, **on_frey}, {**common, **on_mnist})


_IWAE = {"bound": "iwae", "importance_samples": 5, "doubly_reparameterized": True}
CONTESTANTS: Mapping[str, Contestant] = {
    "reference": Contestant(
        {"recipe": "reference", "epochs": 1800},
        {"recipe": "reference", "binarize": "dynamic", "epochs": 75},
    ),
    BASELINE: _flat(900, 110, prior="standard"),
    "flat, mixture prior": _flat(900, 50, prior="mixture", components=100),
    "flat, vamp prior": _flat(600, 40, prior="vamp", components=100),
    "flat, flow prior": _flat(600, 40, prior="flow"),
    "flat, iaf posterior": _flat(600, 40, prior="standard", posterior="iaf"),
    "flat, importance-weighted": _flat(300, 15, **_IWAE),
    "flat, convolutional": _flat(180, 8, network="conv"),
    "hierarchical": Contestant(
        {"family": "hierarchical", "recipe": "best", "epochs": 250},
        {"family": "hierarchical", "recipe": "best", "epochs": 40},
    ),
    "quantized": Contestant(
        {"family": "quantized", "epochs": 70}, {"family": "quantized", "epochs": 9}
    ),
    "pixel": Contestant({"family": "pixel", "epochs": 8}, {"family": "pixel", "epochs": 1}),
    "adversarial": Contestant(
        {"family": "adversarial", "epochs": 60}, {"family": "adversarial", "epochs": 6}
    ),
    "Boltzmann": Contestant(None, {"family": "boltzmann", "epochs": 60}),
}
"""The contestants by name. Their epochs take two to four minutes of one core on the Frey Faces, and
five to fifteen on MNIST."""
