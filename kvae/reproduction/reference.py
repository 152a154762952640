"""The claims of the report that kvae re-implements ("the report"), and how they are measured."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from kvae import figures
from kvae.evaluation import compare_images, fidelity, label_scores, sharpness
from kvae.evaluation.labels import NEIGHBOURS
from kvae.models.vae import METRICS
from kvae.reproduction.claim import (
    HOLDS,
    Bench,
    Budget,
    Claim,
    Finding,
    Part,
    Spread,
    Table,
    Wanted,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kvae.data import Split
    from kvae.models.vae.model import VAE

READ = 10_000
"""How many training images the classifier that reads digits has."""
SHOWN = 10
"""How many test images a figure of reconstructions shows."""
LATENT = 20
"""The latent size with the best ELBO in the report."""
FREY_LATENT = 5
FREY_HIDDEN = (200, 200)


def mnist_runs(
    budget: Budget, latents: Sequence[int] | None = None, trainings: Iterable[str] = ()
) -> list[Wanted]:
    """MNIST runs of the recipe `reference`, with every seed.

    Args:
        budget: How much is trained.
        latents: The latent sizes; by default those of the budget.
        trainings: Names in `budget.mnist_trainings`; by default the first alone.
    """
    return [
        Wanted(
            mnist_name(budget, latent, seed, training),
            {
                "dataset": "mnist",
                "latent": latent,
                "seed": seed,
                **budget.mnist,
                **budget.mnist_trainings[training],
            },
        )
        for training in trainings or [_main(budget)]
        for latent in latents or budget.mnist_latents
        for seed in budget.seeds
    ]


def mnist_name(budget: Budget, latent: int, seed: int, training: str | None = None) -> str:
    """The name of a run from `mnist_runs`.

    Args:
        budget: How much is trained.
        latent: The latent size of the run.
        seed: The seed of the run.
        training: A name in `budget.mnist_trainings`; by default the first.
    """
    options = budget.mnist_trainings[training or _main(budget)]
    return _varied(f"mnist-z{latent}-seed{seed}", options)


def _main(budget: Budget) -> str:
    """The training of MNIST runs that decides the verdicts."""
    return next(iter(budget.mnist_trainings))


def _all_mnist_runs(budget: Budget, latents: Sequence[int] | None = None) -> list[Wanted]:
    return mnist_runs(budget, latents, budget.mnist_trainings)


def _names(bench: Bench, latent: int, training: str) -> list[str]:
    return [mnist_name(bench.budget, latent, seed, training) for seed in bench.budget.seeds]


def _in_all_trainings(measure: Callable[[Bench, str], Finding], bench: Bench) -> Finding:
    """What is measured with the main training, and a table of the same with the others.

    Args:
        measure: Measures a claim, from the bench and a name in `budget.mnist_trainings`.
        bench: What the claim is measured on.
    """
    found = {name: measure(bench, name) for name in bench.budget.mnist_trainings}
    main, *others = found
    rows = [
        [part.claimed, other, part.measured, HOLDS[part.holds]]
        for parts in zip(*(found[other].parts for other in others), strict=True)
        for other, part in zip(others, parts, strict=True)
    ]
    table = Table(["claimed", "with another training", "measured", "holds"], rows)
    return replace(found[main], tables=[*found[main].tables, table])


def _fast_runs(budget: Budget) -> list[Wanted]:
    return [
        Wanted(
            _fast_name(budget, run.options["latent"]),
            {**run.options, **budget.mnist_fast},
        )
        for run in mnist_runs(budget)
        if run.options["seed"] == budget.seeds[0]
    ]


def _fast_name(budget: Budget, latent: int) -> str:
    return _varied(mnist_name(budget, latent, budget.seeds[0]), budget.mnist_fast)


def frey_run(
    budget: Budget,
    latent: int = FREY_LATENT,
    mean: str = "sigmoid",
    hidden: tuple[int, ...] = FREY_HIDDEN,
    seed: int = 0,
    **more: Any,
) -> Wanted:
    """A Frey Faces run of the recipe `reference` with some options changed.

    Args:
        budget: How much is trained.
        latent: The latent size.
        mean: The activation of the decoder's mean, `sigmoid` or `linear`.
        hidden: The units of each hidden layer.
        seed: The seed.
        **more: Further options of `kvae.configure`.
    """
    options = {"latent": latent, "mean_activation": mean, "hidden": hidden, "seed": seed}
    return Wanted(
        frey_name(latent, mean, hidden, seed, **more),
        {"dataset": "frey", **options, **budget.frey, **more},
    )


def frey_name(
    latent: int = FREY_LATENT,
    mean: str = "sigmoid",
    hidden: tuple[int, ...] = FREY_HIDDEN,
    seed: int = 0,
    **more: Any,
) -> str:
    """The name of a run from `frey_run`.

    Args:
        latent: The latent size.
        mean: The activation of the decoder's mean.
        hidden: The units of each hidden layer.
        seed: The seed.
        **more: Further options of the run.
    """
    units = "" if hidden == FREY_HIDDEN else f"-h{'-'.join(map(str, hidden))}"
    return _varied(f"frey-z{latent}{units}-{mean}-seed{seed}", more)


def _varied(name: str, options: Mapping[str, Any]) -> str:
    return "-".join([name, *(f"{key.replace('_', '-')}{v}" for key, v in options.items())])


def _frey_runs(budget: Budget, mean: str) -> list[Wanted]:
    return [frey_run(budget, mean=mean, seed=seed) for seed in budget.seeds]


def _frey_names(budget: Budget, mean: str) -> list[str]:
    return [run.name for run in _frey_runs(budget, mean)]


def _pixels(split: "Split") -> np.ndarray:
    return split.images / np.float32(255)


def _reconstructed(model: "VAE", split: "Split") -> tuple[np.ndarray, np.ndarray]:
    """The images in the form in which the model sees them, and their reconstructions."""
    images = model.inputs(split.images).numpy()
    return images, model.reconstruct(images).numpy()


def _rows(rows: Sequence[np.ndarray], title: str, left: tuple[str, ...] = ()) -> "Figure":
    grid = figures.tile(np.concatenate(rows), len(rows[0]))
    return figures.picture(grid, title, left=left)


class _Reader:
    """Recognises the digits in images by the nearest training images."""

    def __init__(self, train: "Split") -> None:
        from sklearn.neighbors import KNeighborsClassifier

        some = train.spread(READ)
        flat = _pixels(some).reshape(len(some), -1)
        self._classifier = KNeighborsClassifier(NEIGHBOURS).fit(flat, some.labels)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(self._classifier.predict(images.reshape(len(images), -1)))


def _mnist_reconstructions(bench: Bench) -> Finding:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LinearRegression
    from sklearn.random_projection import GaussianRandomProjection

    mnist = bench.datasets["mnist"]
    test, train = mnist.test.spread(bench.budget.measured), mnist.train.spread(READ)
    originals, known = (_pixels(split).reshape(len(split), -1) for split in (test, train))

    def decoded(numbers: Any) -> np.ndarray:
        """The test images, predicted from a few numbers of each by least squares."""
        decoder = LinearRegression().fit(numbers.transform(known), known)
        return np.asarray(decoder.predict(numbers.transform(originals)))

    read = _Reader(mnist.train)
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
    return _in_all_trainings(partial(_reconstructions, read=read, baselines=recognised), bench)


def _reconstructions(
    bench: Bench, training: str, read: _Reader, baselines: Mapping[str, Spread]
) -> Finding:
    mnist, seeds = bench.datasets["mnist"], bench.budget.seeds
    test, shown = mnist.test.spread(bench.budget.measured), mnist.test.spread(SHOWN)
    names = _names(bench, LATENT, training)
    faithful = Spread(
        [
            float(np.mean(read(_reconstructed(bench.model(name), test)[1]) == test.labels))
            for name in names
        ]
    )
    reconstruction = bench.over(names, "reconstruction")
    rows = [_reconstructed(bench.model(name), shown)[1] for name in names]
    picture = _rows(
        [_pixels(shown), *rows],
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
                f"reconstructions from {_listed(baselines)}; by chance about 10 %",
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


def _frey_sigmoid(bench: Bench) -> Finding:
    frey, seeds = bench.datasets["frey"], bench.budget.seeds
    shown, test = frey.test.spread(SHOWN), frey.test
    spread: dict[str, dict[str, Spread]] = {}
    pictures = []
    for mean in "linear", "sigmoid":
        names = _frey_names(bench.budget, mean)
        found: dict[str, list[float]] = {"MSE": [], "sharpness": [], "variance": []}
        for name in names:
            images, reconstructions = _reconstructed(bench.model(name), test)
            comparison = compare_images(images, reconstructions)
            found["MSE"].append(comparison.mean_squared_error)
            found["sharpness"].append(comparison.sharpness / comparison.data_sharpness)
            found["variance"].append(float(reconstructions.var(0).sum() / images.var(0).sum()))
        spread[mean] = {key: Spread(values) for key, values in found.items()}
        spread[mean]["ELBO"] = bench.over(names, "elbo")
        pictures.append(_reconstructed(bench.model(names[0]), shown)[1])
    linear, sigmoid = spread["linear"], spread["sigmoid"]
    rows = [
        [
            mean,
            of["ELBO"].format(1),
            of["MSE"].format(5),
            of["sharpness"].format(3),
            of["variance"].format(3),
        ]
        for mean, of in spread.items()
    ]
    return Finding(
        [
            Part(
                "without the sigmoid, reconstructions are blurred",
                f"their sharpness is {linear['sharpness'].mean:.1%} of that of the images; with "
                f"the sigmoid it is {sigmoid['sharpness'].mean:.1%}",
                linear["sharpness"].mean < 0.9 * sigmoid["sharpness"].mean,
                "with this initialisation, and with variances that are learned, the unconstrained "
                "mean learns nearly the same images",
            ),
            Part(
                "without the sigmoid, they tend to the average face",
                f"their variance is {linear['variance'].mean:.1%} of that of the images; with the "
                f"sigmoid it is {sigmoid['variance'].mean:.1%}",
                linear["variance"].mean < 0.9 * sigmoid["variance"].mean,
                "once the model uses its latents, neither mean is near the average face",
            ),
            Part(
                "the sigmoid makes the model better",
                f"with the sigmoid the test ELBO is {sigmoid['ELBO'].format(1)} nats and the "
                f"squared error {sigmoid['MSE'].format(5)}; without it they are "
                f"{linear['ELBO'].format(1)} nats and {linear['MSE'].format(5)}",
                sigmoid["ELBO"].mean > linear["ELBO"].mean
                and sigmoid["MSE"].mean < linear["MSE"].mean,
            ),
        ],
        len(seeds),
        [
            Table(
                ["mean", "ELBO, nats", "MSE", "sharpness, share", "variance, share"],
                rows,
            )
        ],
        {
            "Test images, and reconstructions without and with the sigmoid": _rows(
                [_pixels(shown), *pictures],
                "Frey Faces: reconstructions",
                ("test images", "linear", "sigmoid"),
            )
        },
    )


def _mean_curves(bench: Bench, quantity: str, training: str) -> dict[int, np.ndarray]:
    """The mean over seeds of a validation quantity in each epoch, by latent size."""
    return {
        latent: np.mean(
            [
                bench.history(name)[f"validation_{quantity}"]
                for name in _names(bench, latent, training)
            ],
            axis=0,
        )
        for latent in bench.budget.mnist_latents
    }


def _mnist_latents(bench: Bench) -> Finding:
    return _in_all_trainings(_latents, bench)


def _latents(bench: Bench, training: str) -> Finding:
    latents = bench.budget.mnist_latents
    named, beyond = (
        [latent for latent in latents if (latent <= LATENT) is within] for within in (True, False)
    )
    parts, final = [], {}
    for quantity, name, verb in (
        ("reconstruction", "reconstruction loss", "falls"),
        ("kl", "KL", "rises"),
    ):
        curves = _mean_curves(bench, quantity, training)
        # The loss is minus the reconstruction term, so both terms should rise with the latents.
        steps = np.diff([curves[latent] for latent in named], axis=0)
        sign = -1 if quantity == "reconstruction" else 1
        final[name] = [
            sign * bench.over(_names(bench, latent, training), quantity).mean for latent in latents
        ]
        of_named = final[name][: len(named)]
        listed = ", ".join(
            f"{value:.1f} (z = {latent})" for value, latent in zip(of_named, named, strict=True)
        )
        parts += [
            Part(
                f"the {name} {verb} with the latent size",
                f"on test images, in nats: {listed}",
                bool(np.all(sign * np.diff(of_named) > 0)),
                "larger models learn more slowly, and after as many epochs they are further from "
                "their optimum",
            ),
            Part(
                f"the {name} {verb} with the latent size all through training",
                f"in {np.mean(steps > 0):.0%} of the comparisons of neighbouring sizes in an epoch",
                bool(np.mean(steps > 0) >= 0.95),
                "the order of the sizes changes during training, so what is compared is how fast "
                "they learn and not how good they become",
            ),
        ]
    rows = [
        [str(latent), *(f"{values[index]:.1f}" for values in final.values())]
        for index, latent in enumerate(latents)
        if latent in beyond
    ]
    histories = {
        f"z = {latent}": [bench.history(name) for name in _names(bench, latent, training)]
        for latent in latents
    }
    return Finding(
        parts,
        len(bench.budget.seeds),
        [Table([f"z above the report's {LATENT}", *(f"{name}, nats" for name in final)], rows)],
        pictures={
            "Validation images; lines are means over seeds, bands reach from lowest to highest": (
                figures.histories(histories, METRICS[:3], "MNIST by latent size")
            )
        },
    )


def _mnist_best_latent(bench: Bench) -> Finding:
    latents, trainings = bench.budget.mnist_latents, bench.budget.mnist_trainings
    found = _in_all_trainings(_best_latent, bench)
    faster = {z: float(bench.results(_fast_name(bench.budget, z))["elbo"]) for z in latents}
    lines = {"learning rate 0.02, one seed": [(z, faster[z], 0.0) for z in latents]}
    for training in trainings:
        elbo = {z: bench.over(_names(bench, z, training), "elbo") for z in latents}
        lines[training] = [(z, elbo[z].mean, elbo[z].stddev) for z in latents]
    table = Table(
        ["z", "ELBO at a learning rate of 0.02, one seed"],
        [[str(latent), f"{value:.2f}"] for latent, value in faster.items()],
    )
    picture = figures.by_latent(lines, METRICS[0], "MNIST")
    return replace(
        found,
        tables=[*found.tables, table],
        pictures={"Final test ELBO against latent size": picture, **found.pictures},
    )


def _best_latent(bench: Bench, training: str) -> Finding:
    mnist, latents, seeds = bench.datasets["mnist"], bench.budget.mnist_latents, bench.budget.seeds
    test, shown = mnist.test.spread(bench.budget.measured), mnist.test.spread(SHOWN)
    elbo, blur, rows, pictures = {}, {}, [], []
    for latent in latents:
        names = _names(bench, latent, training)
        elbo[latent] = bench.over(names, "elbo")
        reconstructed = [_reconstructed(bench.model(name), test) for name in names]
        blur[latent] = Spread(
            [float(sharpness(r).mean() / sharpness(i).mean()) for i, r in reconstructed]
        )
        mse = Spread([float(np.mean((i - r) ** 2)) for i, r in reconstructed])
        rows.append(
            [
                str(latent),
                str(elbo[latent]),
                str(bench.over(names, "reconstruction")),
                str(bench.over(names, "kl")),
                bench.over(names, "active_units").format(1),
                mse.format(4),
                blur[latent].format(3),
            ]
        )
        pictures.append(_reconstructed(bench.model(names[0]), shown)[1])
    best = max(latents, key=lambda latent: elbo[latent].mean)
    beyond = [latent for latent in latents if latent > LATENT]
    error = 2 * max(spread.stddev for spread in elbo.values()) / len(seeds) ** 0.5
    noise = f"; twice the standard error is {error:.2f}" if len(seeds) > 1 else ""
    losses = [elbo[LATENT].mean - elbo[latent].mean for latent in beyond]
    return Finding(
        [
            Part(
                f"the ELBO is best at z = {LATENT}",
                f"the best is {elbo[best]} nats at z = {best}; at z = {LATENT} it is {elbo[LATENT]}"
                + noise,
                elbo[LATENT].mean >= elbo[best].mean - error,
                "the best size depends on the number of epochs and on the learning rate",
            ),
            Part(
                "the ELBO degrades at larger sizes",
                ", ".join(
                    f"z = {latent}: {loss:.2f} nats lower"
                    for latent, loss in zip(beyond, losses, strict=True)
                )
                + noise,
                min(losses) > error,
                "latents that are not needed cost almost nothing: the KL keeps them at the prior",
            ),
            Part(
                "reconstructions at larger sizes look blurrier",
                f"their sharpness as a share of that of the images is {blur[beyond[-1]].mean:.3f} "
                f"at z = {beyond[-1]} and {blur[LATENT].mean:.3f} at z = {LATENT}",
                blur[beyond[-1]].mean < 0.99 * blur[LATENT].mean,
                "they are as sharp, so the latent size does not cause the blur in the report",
            ),
        ],
        len(seeds),
        [
            Table(
                ["z", "ELBO", "reconstruction", "KL", "active units", "MSE", "sharpness, share"],
                rows,
            )
        ],
        {
            "Reconstructions by latent size": _rows(
                [_pixels(shown), *pictures],
                "MNIST: reconstructions by latent size",
                ("test images", *(f"z = {latent}" for latent in latents)),
            ),
        },
    )


def _mnist_tsne(bench: Bench) -> Finding:
    from sklearn.decomposition import PCA
    from sklearn.random_projection import GaussianRandomProjection

    some = bench.datasets["mnist"].test.spread(bench.budget.measured)
    pixels = _pixels(some).reshape(len(some), -1)
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
    return _in_all_trainings(partial(_clusters, baselines=planes), bench)


def _listed(baselines: Mapping[str, Spread]) -> str:
    *most, last = (f"{name} {of.mean:.1%}" for name, of in baselines.items())
    return f"{', '.join(most)} and {last}"


def _read_plane(points: np.ndarray, split: "Split") -> float:
    """The share of every second image whose digit is that of most of the nearest others."""
    labels = np.asarray(split.labels)
    halves = np.arange(len(labels)) % 2 == 0
    return label_scores(points[halves], labels[halves], points[~halves], labels[~halves]).knn


def _clusters(bench: Bench, training: str, baselines: Mapping[str, Spread]) -> Finding:
    mnist, seeds = bench.datasets["mnist"], bench.budget.seeds
    some = mnist.test.spread(bench.budget.measured)
    planes = []
    for seed, name in zip(seeds, _names(bench, LATENT, training), strict=True):
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
                f"images in the plane, and in planes that t-SNE makes of {_listed(baselines)}; by "
                "chance about 10 %",
                score.mean > random.mean,
                "the clusters are no better than those of a random projection",
            )
        ],
        len(seeds),
        pictures={"Colours show the digits, which the model was not told": picture},
    )


def _frey_best(budget: Budget) -> Wanted:
    return Wanted("frey-best", {"dataset": "frey", "recipe": "best", "seed": 0, **budget.frey_best})


def _samples(bench: Bench) -> Finding:
    found = _in_all_trainings(_digit_samples, bench)
    faces = _frey_samples(bench)
    return replace(
        found,
        parts=[*found.parts, *faces.parts],
        tables=[*faces.tables, *found.tables],
        pictures={**found.pictures, **faces.pictures},
    )


def _digit_samples(bench: Bench, training: str) -> Finding:
    mnist, seeds = bench.datasets["mnist"], bench.budget.seeds
    real = _pixels(mnist.train.spread(bench.budget.measured))
    digits = [
        bench.model(name).sample(len(real), seed).numpy()
        for seed, name in zip(seeds, _names(bench, LATENT, training), strict=True)
    ]
    read = _Reader(mnist.train)
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
        pictures={"MNIST: samples from N(0, I)": _grid(digits[0], "MNIST, z = 20: samples")},
    )


def _frey_samples(bench: Bench) -> Finding:
    faces = _pixels(bench.datasets["frey"].train)
    average = faces.mean(0)

    def of_faces(name: str) -> tuple[np.ndarray, float, float]:
        images = bench.model(name).sample(len(faces), 0).numpy()
        return images, fidelity(faces, images).coverage, _distance(images, average)

    plain = [of_faces(name) for name in _frey_names(bench.budget, "sigmoid")]
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
            "Frey Faces, reference recipe": _grid(plain[0][0], "Frey Faces, reference: samples"),
            "Frey Faces, recipe best": _grid(best, "Frey Faces, best: samples"),
        },
    )  # fmt: skip


def _distance(images: np.ndarray, average: np.ndarray) -> float:
    return float(np.sqrt(np.mean((images - average) ** 2, axis=(1, 2, 3))).mean())


def _grid(images: np.ndarray, title: str) -> "Figure":
    return figures.picture(figures.tile(images[:40], 10), title)


CURES: Mapping[str, Mapping[str, Any]] = {
    "Adam": {"optimizer": "adam"},
    "Adagrad at 0.02": {"learning_rate": 0.02},
}


def _collapse_grid(budget: Budget) -> list[Wanted]:
    hidden, latents = budget.collapse
    return [
        frey_run(budget, latent, mean, units)
        for units in hidden
        for latent in latents
        for mean in ("sigmoid", "linear")
    ]


def _collapse_cures(budget: Budget) -> list[Wanted]:
    hidden, latents = budget.collapse
    return [frey_run(budget, latents[-1], "linear", hidden[-1], **cure) for cure in CURES.values()]


def _collapsed(results: Mapping[str, Any]) -> bool:
    """Whether at most one in ten latent dimensions is in use."""
    return bool(results["active_units"] <= 0.1 * len(results["kl_per_dimension"]))


def _frey_collapse(bench: Bench) -> Finding:
    grid, cures = _collapse_grid(bench.budget), _collapse_cures(bench.budget)
    wanted = [*grid, *cures]
    results = {run.name: bench.results(run.name) for run in wanted}
    rows = [
        [
            "-".join(map(str, run.options["hidden"])),
            str(run.options["latent"]),
            run.options["mean_activation"],
            f"{run.options.get('optimizer', 'adagrad')}, {run.options.get('learning_rate', 0.001)}",
            f"{results[run.name]['kl']:.2f}",
            f"{results[run.name]['active_units']}",
            f"{results[run.name]['elbo']:.1f}",
            "collapsed" if _collapsed(results[run.name]) else "",
        ]
        for run in wanted
    ]
    collapsed = [run for run in wanted if _collapsed(results[run.name])]
    in_grid = {
        mean: [run for run in grid if run.options["mean_activation"] == mean]
        for mean in ("sigmoid", "linear")
    }
    count = {mean: sum(run in collapsed for run in runs) for mean, runs in in_grid.items()}
    # All of these have the same network.
    largest = {"the reference recipe": grid[-1], **dict(zip(CURES, cures, strict=True))}
    used = {
        name: results[run.name]["active_units"] / run.options["latent"]
        for name, run in largest.items()
    }
    return Finding(
        [
            Part(
                "the posterior collapses on the Frey Faces",
                f"in {len(collapsed)} of {len(wanted)} settings at most one in ten dimensions is "
                f"in use; {sum(count.values())} of these have the optimizer of the recipe",
                bool(collapsed),
                "since this likelihood learns its variances, using the latents gains more than "
                "their KL costs",
            ),
            Part(
                "the missing sigmoid causes the collapse",
                f"with the optimizer of the recipe {count['linear']} of {len(in_grid['linear'])} "
                f"settings collapse without a sigmoid, and {count['sigmoid']} of "
                f"{len(in_grid['sigmoid'])} with it",
                count["linear"] > count["sigmoid"],
                "the optimisation causes it: a learning rate that is too high for the network "
                "drives the posterior to the prior before the decoder has learned to use the "
                "latents"
                if collapsed
                else "no setting collapses, with or without a sigmoid",
            ),
            Part(
                "another optimizer or learning rate prevents the collapse",
                "dimensions in use in the largest network without a sigmoid: "
                + ", ".join(f"{share:.0%} ({name})" for name, share in used.items()),
                min(used.values()) <= 0.1 < 0.5 < max(used.values())
                if min(used.values()) <= 0.1
                else None,
                "this needs more than another learning rate, such as a learned prior or free bits",
            ),
        ],
        1,
        [
            Table(
                ["hidden", "z", "mean", "optimizer", "KL", "active units", "ELBO", ""],
                rows,
            )
        ],
    )


def _mnist_converges_faster(bench: Bench) -> Finding:
    return _in_all_trainings(_converges_faster, bench)


def _converges_faster(bench: Bench, training: str) -> Finding:
    rows, epochs, bounds = [], {}, {}
    for name, runs in (
        ("mnist", _names(bench, LATENT, training)),
        ("frey", _frey_names(bench.budget, "sigmoid")),
    ):
        dataset = bench.datasets[name]
        pixels = int(np.prod(dataset.image_shape))
        when = Spread([_converged(bench.history(run)["validation_elbo"]) for run in runs])
        elbo = bench.over(runs, "elbo")
        epochs[name], bounds[name] = when.mean, (elbo.mean, elbo.mean / pixels)
        seen = when.mean * len(dataset.train)
        rows.append([name, when.format(1), f"{seen:,.0f}", str(elbo), f"{elbo.mean / pixels:.4f}"])
    return Finding(
        [
            Part(
                "MNIST converges faster",
                f"the validation ELBO has made nine tenths of its way from the first epoch's value "
                f"to the best after {epochs['mnist']:.0f} epochs on MNIST, and after "
                f"{epochs['frey']:.0f} on the Frey Faces",
                epochs["mnist"] < epochs["frey"],
            ),
            Part(
                "the bound of MNIST is lower, per image and per pixel",
                f"{bounds['mnist'][0]:.1f} against {bounds['frey'][0]:.1f} nats per image, "
                f"{bounds['mnist'][1]:.3f} against {bounds['frey'][1]:.3f} per pixel. For MNIST it "
                "bounds the logarithm of a probability, which is never above 0; for the Frey Faces "
                "that of a density, which can be. No model of MNIST could change the order",
                bounds["mnist"][0] < bounds["frey"][0] and bounds["mnist"][1] < bounds["frey"][1],
            ),
        ],
        len(bench.budget.seeds),
        # An epoch of MNIST has thirty times as many images as one of the Frey Faces.
        [
            Table(
                ["", "epochs", "images seen", "test ELBO, nats an image", "nats a pixel"],
                rows,
            )
        ],
    )


def _converged(elbo: Sequence[float]) -> int:
    """The first epoch whose ELBO is at least nine tenths of the way from the first to the best."""
    values = np.asarray(elbo)
    goal = values[0] + 0.9 * (values.max() - values[0])
    return int(np.argmax(values >= goal)) + 1


MNIST_RECONSTRUCTIONS = Claim(
    "mnist-reconstructions",
    "MNIST reconstructions",
    "the report's Figure 1",
    "MNIST reconstructions are digit-faithful, and stable over seeds.",
    lambda budget: _all_mnist_runs(budget, (LATENT,)),
    _mnist_reconstructions,
)
FREY_SIGMOID = Claim(
    "frey-sigmoid",
    "Frey Faces with and without a sigmoid",
    "the report's Figure 2",
    "Without a sigmoid on the decoder's mean, reconstructions are blurred and tend to the average "
    "face; the sigmoid cures both.",
    lambda budget: [*_frey_runs(budget, "linear"), *_frey_runs(budget, "sigmoid")],
    _frey_sigmoid,
)
MNIST_LATENTS = Claim(
    "mnist-latents",
    "Latent sizes in training",
    "the report's Figures 3a and 3b",
    f"On MNIST the reconstruction loss falls and the KL rises with the latent size, from 2 to "
    f"{LATENT} latents, all through training.",
    _all_mnist_runs,
    _mnist_latents,
)
MNIST_BEST_LATENT = Claim(
    "mnist-best-latent",
    "The best latent size",
    "the report's comparison of latent sizes",
    f"The ELBO is best at z = {LATENT} and degrades at larger latent sizes, where reconstructions "
    "look blurrier.",
    lambda budget: [*_all_mnist_runs(budget), *_fast_runs(budget)],
    _mnist_best_latent,
)
MNIST_TSNE = Claim(
    "mnist-tsne",
    "Clusters of digits",
    "the report's Figure 3c",
    "t-SNE of the MNIST latent means shows separate digit clusters.",
    lambda budget: _all_mnist_runs(budget, (LATENT,)),
    _mnist_tsne,
)
SAMPLES = Claim(
    "samples",
    "Samples from the prior",
    "the report's Figures 4a and 4b",
    "MNIST samples are varied; Frey samples are near the average face and miss rare modes.",
    lambda budget: [
        *_all_mnist_runs(budget, (LATENT,)),
        *_frey_runs(budget, "sigmoid"),
        _frey_best(budget),
    ],
    _samples,
)
FREY_COLLAPSE = Claim(
    "frey-collapse",
    "Posterior collapse",
    "the report's discussion of the Frey Faces",
    "The posterior collapses on the Frey Faces, depending on capacity, latent size and the "
    "missing sigmoid, and can be cured.",
    lambda budget: [*_collapse_grid(budget), *_collapse_cures(budget)],
    _frey_collapse,
)
MNIST_CONVERGES_FASTER = Claim(
    "mnist-converges-faster",
    "Speed of convergence",
    "the report's training curves",
    "MNIST converges faster, and to a lower bound per image and per pixel, than the Frey Faces.",
    lambda budget: [*_all_mnist_runs(budget, (LATENT,)), *_frey_runs(budget, "sigmoid")],
    _mnist_converges_faster,
)
