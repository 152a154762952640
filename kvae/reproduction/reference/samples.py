"""Samples from the prior, of MNIST and of the Frey Faces."""

from dataclasses import replace

import numpy as np

from kvae.evaluation import fidelity
from kvae.reproduction.claim import Bench, Budget, Claim, Finding, Part, Spread, Table, Wanted
from kvae.reproduction.reference.images import Reader, grid, to_floats
from kvae.reproduction.reference.runs import (
    LATENT,
    all_mnist_runs,
    frey_names,
    frey_runs,
    in_all_trainings,
    mnist_names,
)


def _frey_best(budget: Budget) -> Wanted:
    return Wanted("frey-best", {"dataset": "frey", "recipe": "best", "seed": 0, **budget.frey_best})


def _samples(bench: Bench) -> Finding:
    found = in_all_trainings(_digit_samples, bench)
    faces = _frey_samples(bench)
    return replace(
        found,
        parts=[*found.parts, *faces.parts],
        tables=[*faces.tables, *found.tables],
        pictures={**found.pictures, **faces.pictures},
    )


def _digit_samples(bench: Bench, training: str) -> Finding:
    mnist, seeds = bench.datasets["mnist"], bench.budget.seeds
    real = to_floats(mnist.train.spread(bench.budget.measured))
    digits = [
        bench.model(name).sample(len(real), seed).numpy()
        for seed, name in zip(seeds, mnist_names(bench, LATENT, training), strict=True)
    ]
    read = Reader(mnist.train)
    rarest = Spread(
        [float(np.bincount(read(images), minlength=10).min() / len(images)) for images in digits]
    )
    covered = Spread([fidelity(real, images).coverage for images in digits])
    return Finding(
        [
            Part(
                "MNIST samples are varied",
                f"{rarest.mean:.1%} of the samples show the rarest digit, and the samples cover "
                f"{covered.mean:.1%} of as many training images",
                rarest.mean >= 0.02 and covered.mean >= 0.5,
                "some samples from N(0, I) lie between the digits",
            )
        ],
        len(seeds),
        pictures={"MNIST: samples from N(0, I)": grid(digits[0], "MNIST, z = 20: samples")},
    )


def _frey_samples(bench: Bench) -> Finding:
    faces = to_floats(bench.datasets["frey"].train)
    average = faces.mean(0)

    def of_faces(name: str) -> tuple[np.ndarray, float, float]:
        images = bench.model(name).sample(len(faces), 0).numpy()
        return images, fidelity(faces, images).coverage, _distance(images, average)

    plain = [of_faces(name) for name in frey_names(bench.budget, "sigmoid")]
    coverage, near = Spread([c for _, c, _ in plain]), Spread([d for _, _, d in plain])
    best, best_coverage, best_distance = of_faces("frey-best")
    own = _distance(faces, average)
    return Finding(
        [
            Part(
                "Frey samples are near the average face",
                f"their root mean square distance from it is {near.mean:.3f}, where white is 1; "
                f"that of the training frames is {own:.3f}",
                near.mean < 0.9 * own,
                "they are no nearer to it than the frames are, but they differ from the frames: "
                "samples from N(0, I) decode to distorted faces as well as to average ones",
            ),
            Part(
                "Frey samples miss rare modes",
                f"they cover {coverage.mean:.1%} of the training frames",
                coverage.mean < 0.5,
            ),
        ],
        len(bench.budget.seeds),
        [
            Table(
                ["Frey samples of", "coverage of training frames", "distance to the average face"],
                [
                    ["the reference recipe", coverage.format(3), near.format(3)],
                    ["the recipe `best`, whose prior is learned", f"{best_coverage:.3f}",
                     f"{best_distance:.3f}"],
                    ["the training frames themselves", "1.000", f"{own:.3f}"],
                ],
            )
        ],
        {
            "Frey Faces, reference recipe": grid(plain[0][0], "Frey Faces, reference: samples"),
            "Frey Faces, recipe best": grid(best, "Frey Faces, best: samples"),
        },
    )  # fmt: skip


def _distance(images: np.ndarray, average: np.ndarray) -> float:
    return float(np.sqrt(np.mean((images - average) ** 2, axis=(1, 2, 3))).mean())


SAMPLES = Claim(
    "samples",
    "Samples from the prior",
    "the report's Figures 4a and 4b",
    "MNIST samples are varied; Frey samples are near the average face and miss rare modes.",
    lambda budget: [
        *all_mnist_runs(budget, (LATENT,)),
        *frey_runs(budget, "sigmoid"),
        _frey_best(budget),
    ],
    _samples,
)
