"""Clusters of digits in the latents of MNIST."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from kvae import figures
from kvae.evaluation import label_scores
from kvae.evaluation.labels import NEIGHBOURS
from kvae.reproduction.claim import Bench, Claim, Finding, Part, Spread
from kvae.reproduction.reference.images import listed, to_floats
from kvae.reproduction.reference.runs import LATENT, all_mnist_runs, in_all_trainings, mnist_names

if TYPE_CHECKING:
    from kvae.data import Split


def _mnist_tsne(bench: Bench) -> Finding:
    from sklearn.decomposition import PCA
    from sklearn.random_projection import GaussianRandomProjection
    from threadpoolctl import threadpool_limits

    some = bench.datasets["mnist"].test.spread(bench.budget.measured)
    pixels = to_floats(some).reshape(len(some), -1)
    # Products of matrices are rounded differently by another number of threads, and t-SNE then
    # makes other planes.
    with threadpool_limits(1):
        baselines: dict[str, list[np.ndarray]] = {
            f"a random projection to {LATENT} numbers": [
                GaussianRandomProjection(LATENT, random_state=seed).fit_transform(pixels)
                for seed in bench.budget.seeds
            ],
            f"{LATENT} principal components": [PCA(LATENT, random_state=0).fit_transform(pixels)],
            "the pixels": [pixels],
        }
    planes = {
        name: Spread(
            [_read_plane(figures.tsne(points, seed), some) for seed, points in enumerate(each)]
        )
        for name, each in baselines.items()
    }
    return in_all_trainings(partial(_clusters, baselines=planes), bench)


def _read_plane(points: np.ndarray, split: "Split") -> float:
    """The share of every second image whose digit is that of most of the nearest others."""
    labels = np.asarray(split.labels)
    halves = np.arange(len(labels)) % 2 == 0
    return label_scores(points[halves], labels[halves], points[~halves], labels[~halves]).knn


def _clusters(bench: Bench, training: str, baselines: Mapping[str, Spread]) -> Finding:
    mnist, seeds = bench.datasets["mnist"], bench.budget.seeds
    some = mnist.test.spread(bench.budget.measured)
    planes = []
    for seed, name in zip(seeds, mnist_names(bench, LATENT, training), strict=True):
        model = bench.model(name)
        planes.append(figures.tsne(model.embed(model.inputs(some.images)).numpy(), seed))
    score = Spread([_read_plane(plane, some) for plane in planes])
    picture = figures.scatter(
        planes[0],
        "MNIST: t-SNE of the latent means of test images",
        ("", ""),
        labels=some.labels,
        label_names=mnist.label_names,
    )
    random = next(iter(baselines.values()))
    return Finding(
        [
            Part(
                "t-SNE of the latent means shows separate digit clusters",
                f"a {NEIGHBOURS}-nearest-neighbour classifier recognises {score.mean:.1%} of the "
                f"images in the plane, and in planes that t-SNE makes of {listed(baselines)}; by "
                "chance about 10 %",
                score.mean > random.mean,
                "the clusters are no better than those of a random projection",
            )
        ],
        len(seeds),
        pictures={"Colours show the digits, which the model was not told": picture},
    )


MNIST_TSNE = Claim(
    "mnist-tsne",
    "Clusters of digits",
    "the report's Figure 3c",
    "t-SNE of the MNIST latent means shows separate digit clusters.",
    lambda budget: all_mnist_runs(budget, (LATENT,)),
    _mnist_tsne,
)
