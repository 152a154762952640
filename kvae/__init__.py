"""kvae: variational autoencoders with Keras 3 and TensorFlow Probability.

    >>> import kvae
    >>> dataset = kvae.data.load("digits")
    >>> model = kvae.build(kvae.configure(dataset, epochs=20))
    >>> history = kvae.train(model, dataset)
    >>> images = model.sample(64, seed=0)

Nothing here imports TensorFlow until it is used.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Config": "kvae.config",
    "KvaeError": "kvae.errors",
    "UsageError": "kvae.errors",
    "VAE": "kvae.models.vae.model",
    "build": "kvae.models.build",
    "configure": "kvae.config",
    "encode": "kvae.inference",
    "interpolate": "kvae.inference",
    "load": "kvae.runs.saved_models",
    "nearest": "kvae.inference",
    "reconstruct": "kvae.inference",
    "save": "kvae.runs.saved_models",
    "score": "kvae.inference",
    "train": "kvae.training",
}
_MODULES = (
    "config",
    "data",
    "evaluation",
    "figures",
    "gallery",
    "inference",
    "models",
    "runs",
    "sklearn",
    "training",
)

__all__ = ["__version__", *_PUBLIC, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"kvae.{name}")
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'kvae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
