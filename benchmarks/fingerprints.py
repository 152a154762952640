"""Hashes of short trainings, which must not change when code is only moved or rewritten.

Each row is a training of three epochs on the digits, or of one epoch on MNIST or on the Frey Faces.
If the rows of two commits are equal, both train the same weights, bit for bit, and write the same
`history.csv`.
"""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SMALL: dict[str, Any] = {"hidden": (16,), "latent": 3, "epochs": 3, "batch_size": 100}
IWAE: dict[str, Any] = {"bound": "iwae", "importance_samples": 5}
FLOW: dict[str, Any] = {"flow_layers": 2, "flow_units": 16}

TRAININGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no XLA": {"jit": False},
    "bernoulli": {"likelihood": "bernoulli"},
    "normal": {"likelihood": "normal"},
    "normal, linear mean": {"likelihood": "normal", "mean_activation": "linear"},
    "discretized-logistic": {"likelihood": "discretized-logistic"},
    "continuous-bernoulli": {"likelihood": "continuous-bernoulli"},
    "threshold": {"binarize": "threshold"},
    "dynamic": {"binarize": "dynamic"},
    "dynamic, no XLA": {"binarize": "dynamic", "jit": False},
    "mixture": {"prior": "mixture", "components": 5},
    "vamp": {"prior": "vamp", "components": 5},
    "flow": {"prior": "flow", **FLOW},
    "full": {"posterior": "full"},
    "full, mixture": {"posterior": "full", "prior": "mixture", "components": 5},
    "iaf": {"posterior": "iaf", **FLOW},
    "iwae": IWAE,
    "iwae, doubly reparameterized": {**IWAE, "doubly_reparameterized": True},
    "iwae, full": {**IWAE, "doubly_reparameterized": True, "posterior": "full"},
    "iwae, iaf, vamp": {**IWAE, "posterior": "iaf", "prior": "vamp", "components": 5, **FLOW},
    "beta, warm-up": {"beta": 2.0, "kl_warmup": 2},
    "free bits": {"free_bits": 0.5},
    "free bits, flow": {"free_bits": 0.5, "prior": "flow", **FLOW},
    "wake-sleep": {"estimator": "wake-sleep"},
    "regularised": {"dropout": 0.2, "input_noise": 0.1, "weight_decay": 0.01},
    "cosine, patience": {"schedule": "cosine", "patience": 2, "optimizer": "rmsprop"},
    "paper": {"recipe": "paper"},
    "mnist": {"dataset": "mnist", "epochs": 1},
    "mnist, best": {"dataset": "mnist", "recipe": "best", "epochs": 1, **FLOW},
    "frey": {"dataset": "frey", "epochs": 1},
    "frey, best": {"dataset": "frey", "recipe": "best", "epochs": 1, "components": 5},
}
"""The options of each training, by its name; other options are those of `SMALL`."""


def fingerprints(data_dir: Path | None) -> Iterator[tuple[str, str, str]]:
    """Train every configuration of `TRAININGS` and hash the results.

    Datasets that cannot be loaded are left out.

    Args:
        data_dir: Folder of the datasets that `kvae.data.load` prepares.

    Yields:
        The name of each training, a hash of its weights, and a hash of its history.
    """
    import kvae

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    datasets: dict[str, kvae.data.Dataset | None] = {}
    for name, chosen in TRAININGS.items():
        options = {"recipe": "reference", "dataset": "digits", **SMALL, **chosen}
        source = options.pop("dataset")
        if source not in datasets:
            try:
                datasets[source] = kvae.data.load(source, data_dir)
            except kvae.KvaeError:
                datasets[source] = None
        dataset = datasets[source]
        if dataset is None:
            continue
        config = kvae.configure(dataset, **options)
        model = kvae.build(config, dataset.train.images)
        history = kvae.train(model, dataset)
        weights, rows = hashlib.sha256(), hashlib.sha256()
        for weight in model.get_weights():
            weights.update(weight.tobytes())
        for epoch in history:
            row = {key: value for key, value in epoch.items() if key != "seconds"}
            rows.update(repr(row).encode())
        yield name, weights.hexdigest()[:16], rows.hexdigest()[:16]
