"""Reconstructions of MNIST."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from kvae.evaluation.labels import NEIGHBOURS
from kvae.reproduction.claim import Bench, Claim, Finding, Part, Spread
from kvae.reproduction.reference.images import (
    READ,
    SHOWN,
    Reader,
    in_rows,
    listed,
    reconstruct,
    to_floats,
)
from kvae.reproduction.reference.runs import LATENT, all_mnist_runs, in_all_trainings, mnist_names


def _mnist_reconstructions(bench: Bench) -> Finding:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LinearRegression
    from sklearn.random_projection import GaussianRandomProjection

    mnist = bench.datasets["mnist"]
    test, train = mnist.test.spread(bench.budget.measured), mnist.train.spread(READ)
    originals, known = (to_floats(split).reshape(len(split), -1) for split in (test, train))

    def decoded(numbers: Any) -> np.ndarray:
        """The test images, predicted from a few numbers of each by least squares."""
        decoder = LinearRegression().fit(numbers.transform(known), known)
        return np.asarray(decoder.predict(numbers.transform(originals)))

    read = Reader(mnist.train)
    recognised = {
        name: Spread([float(np.mean(read(images) == test.labels)) for images in each])
        for name, each in {
            f"a random projection to {LATENT} numbers": [
                decoded(GaussianRandomProjection(LATENT, random_state=seed).fit(known))
                for seed in bench.budget.seeds
            ],
            f"{LATENT} principal components": [decoded(PCA(LATENT, random_state=0).fit(known))],
            "the pixels": [originals],
        }.items()
    }
    return in_all_trainings(partial(_reconstructions, read=read, baselines=recognised), bench)


def _reconstructions(
    bench: Bench, training: str, read: Reader, baselines: Mapping[str, Spread]
) -> Finding:
    mnist, seeds = bench.datasets["mnist"], bench.budget.seeds
    test, shown = mnist.test.spread(bench.budget.measured), mnist.test.spread(SHOWN)
    names = mnist_names(bench, LATENT, training)
    faithful = Spread(
        [
            float(np.mean(read(reconstruct(bench.model(name), test)[1]) == test.labels))
            for name in names
        ]
    )
    reconstruction = bench.over(names, "reconstruction")
    rows = [reconstruct(bench.model(name), shown)[1] for name in names]
    picture = in_rows(
        [to_floats(shown), *rows],
        "MNIST test images, and their reconstructions",
        ("test images", *(f"seed {seed}" for seed in seeds)),
    )
    share = abs(reconstruction.stddev / reconstruction.mean)
    random = next(iter(baselines.values()))
    return Finding(
        [
            Part(
                "reconstructions show the digit of the original",
                f"a {NEIGHBOURS}-nearest-neighbour classifier that has training images recognises "
                f"{faithful.mean:.1%} of the test images in their reconstructions, and in "
                f"reconstructions from {listed(baselines)}; by chance about 10 %",
                faithful.mean > random.mean,
                "the reconstructions are no better than those from a random projection",
            ),
            Part(
                "they are stable over seeds",
                f"the reconstruction term on test images is {reconstruction} nats"
                + (f", a spread of {share:.2%}" if len(seeds) > 1 else ", with one seed"),
                share <= 0.01 if len(seeds) > 1 else None,
            ),
        ],
        len(seeds),
        pictures={"Test images, and below them their reconstructions with each seed": picture},
    )


MNIST_RECONSTRUCTIONS = Claim(
    "mnist-reconstructions",
    "MNIST reconstructions",
    "the report's Figure 1",
    "MNIST reconstructions are digit-faithful, and stable over seeds.",
    lambda budget: all_mnist_runs(budget, (LATENT,)),
    _mnist_reconstructions,
)
