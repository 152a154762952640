"""The claims of Kingma & Welling (2014), Section 5 and Appendix A, and how they are measured."""

import dataclasses
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from kvae import figures
from kvae.evaluation import fidelity
from kvae.gallery.latents import MANIFOLD_SIDE
from kvae.reproduction.claim import Bench, Budget, Claim, Finding, Part, Places, Table, Wanted
from kvae.reproduction.marginal import marginal_likelihoods
from kvae.reproduction.reference import runs

if TYPE_CHECKING:
    from kvae.models.vae.model import VAE

ESTIMATORS = {"aevb": "AEVB", "wake-sleep": "wake-sleep"}
TRAINED_ON = {"mnist": 50_000, "frey": 1_565}


def _latents(budget: Budget, dataset: str) -> tuple[int, ...]:
    return {"mnist": budget.paper_mnist_latents, "frey": budget.paper_frey_latents}[dataset]


def _name(dataset: str, latent: int, estimator: str) -> str:
    return f"paper-{dataset}-z{latent}-{estimator}"


def _bound_runs(budget: Budget) -> list[Wanted]:
    return [
        Wanted(
            _name(dataset, latent, estimator),
            {
                "dataset": dataset,
                "recipe": "paper",
                "latent": latent,
                "estimator": estimator,
                "hidden": (units,),
                "epochs": math.ceil(budget.paper_images / TRAINED_ON[dataset]),
                "seed": 0,
            },
        )
        for dataset, units in zip(TRAINED_ON, budget.paper_hidden, strict=True)
        for latent in _latents(budget, dataset)
        for estimator in ESTIMATORS
    ]


def _bounds(bench: Bench) -> Finding:
    rows, panels = [], {}
    better, sooner, compared, worse = [], [], [], []
    for dataset, images in TRAINED_ON.items():
        final = {}
        for latent in _latents(bench.budget, dataset):
            lines, curves = [], {}
            for color, (estimator, label) in enumerate(ESTIMATORS.items()):
                history = bench.history(_name(dataset, latent, estimator))
                seen = np.asarray(history["epoch"]) * images
                curves[estimator] = np.asarray(history["validation_elbo"])
                for split, dashed in ("train", True), ("validation", False):
                    values = np.asarray(history[f"{split}_elbo"])
                    lines.append(figures.Line(f"{label}, {split}", seen, values, color, dashed))
            panels[f"{dataset}, z = {latent}"] = lines
            aevb, sleep = (curves[estimator] for estimator in ESTIMATORS)
            final[latent] = float(aevb[-1])
            better.append(aevb[-1] > sleep[-1])
            when = np.argmax(aevb >= sleep[-1]) + 1 if better[-1] else None
            sooner.append(when is not None and when < len(sleep))
            compared.append(f"{dataset} z = {latent}")
            rows.append(
                [
                    dataset,
                    str(latent),
                    f"{aevb[-1]:.2f}",
                    f"{sleep[-1]:.2f}",
                    f"{when / len(sleep):.0%}" if when else "never",
                ]
            )
        largest, best = max(final), max(final, key=lambda latent: final[latent])
        worse.append((dataset, largest, best, final[best] - final[largest], abs(final[best])))
    without = [name for name, is_better in zip(compared, better, strict=True) if not is_better]
    return Finding(
        [
            Part(
                "AEVB reaches a better bound than wake-sleep, with every latent size",
                f"in {sum(better)} of {len(better)} settings"
                + (f"; the exceptions are {', '.join(without)}" if without else ""),
                all(better),
                "after few images wake-sleep may be ahead, since its decoder learns as fast; only "
                "its encoder learns more slowly",
            ),
            Part(
                "AEVB converges faster",
                f"in {sum(sooner)} of {len(sooner)} settings it reaches the final validation ELBO "
                "of wake-sleep after fewer images",
                all(sooner),
            ),
            Part(
                "superfluous latents do not cause overfitting",
                "; ".join(
                    f"{dataset}: z = {largest} ends {loss:.2f} nats below the best size, z = {best}"
                    for dataset, largest, best, loss, _ in worse
                ),
                all(loss <= 0.02 * scale for *_, loss, scale in worse),
                "models with so many latents learn slowly at first, and the training is short",
            ),
        ],
        1,
        [
            Table(
                [
                    "",
                    "z",
                    "AEVB",
                    "wake-sleep",
                    "images until AEVB is as good, share of wake-sleep's",
                ],
                rows,
            )
        ],
        {
            "The bound on training and validation images against training images seen": (
                figures.lines(
                    panels,
                    "AEVB and wake-sleep",
                    "training images seen",
                    "ELBO, nats an image",
                    columns=max(len(_latents(bench.budget, name)) for name in TRAINED_ON),
                )
            )
        },
    )


def _likelihood_tasks(budget: Budget, places: Places) -> dict[str, Any]:
    return {
        f"likelihood-{size}-{estimator}": partial(
            marginal_likelihoods,
            estimator,
            size,
            math.ceil(budget.likelihood_images / size),
            budget.annealed,
            places.data_dir,
            jit=budget.jit,
        )
        for size in budget.likelihood_sets
        for estimator in (*ESTIMATORS, "mcem")
    }


def _likelihoods(bench: Bench) -> Finding:
    sets = bench.budget.likelihood_sets
    labels = {**ESTIMATORS, "mcem": "Monte Carlo EM"}
    found = {
        (size, estimator): bench.task_result(f"likelihood-{size}-{estimator}")
        for size in sets
        for estimator in labels
    }
    rows, panels = [], {}
    for size in sets:
        panels[f"{size:,} training images"] = [
            figures.Line(
                f"{label}, {split}",
                np.asarray(found[size, estimator]["seen"]),
                np.asarray(found[size, estimator][split]),
                color,
                split == "train",
            )
            for color, (estimator, label) in enumerate(labels.items())
            for split in ("train", "test")
        ]
        for estimator, label in labels.items():
            last = found[size, estimator]
            seconds = last["seconds"][-1] / found[size, "aevb"]["seconds"][-1]
            rows.append(
                [
                    f"{size:,}",
                    label,
                    f"{last['train'][-1]:.2f}",
                    f"{last['test'][-1]:.2f}",
                    f"{seconds:.1f}",
                ]
            )

    def final(size: int, estimator: str) -> float:
        return float(found[size, estimator]["test"][-1])

    small, large = sets

    def against(size: int, other: str) -> str:
        return f"{final(size, 'aevb'):.1f} against {final(size, other):.1f} nats"

    slow, quick = found[large, "mcem"], found[large, "aevb"]
    ratio = slow["seconds"][-1] / quick["seconds"][-1]
    in_time = np.searchsorted(slow["seconds"], quick["seconds"][-1], side="right") - 1
    reached = slow["test"][in_time] if in_time >= 0 else None
    by_then = (
        f"it has not seen the first {slow['seen'][0]:,.0f} images"
        if reached is None
        else f"it reaches {reached:.1f} nats"
    )
    return Finding(
        [
            Part(
                "AEVB ends with a better marginal likelihood than wake-sleep on test images",
                f"{against(small, 'wake-sleep')} with {small:,} training images, "
                f"{against(large, 'wake-sleep')} with {large:,}",
                all(final(size, "aevb") > final(size, "wake-sleep") for size in sets),
                "with three latents the decoder of wake-sleep is as good; its encoder is worse, "
                "but this estimate does not use it",
            ),
            Part(
                f"Monte Carlo EM does well on {small:,} images",
                f"AEVB has {against(small, 'mcem')} for Monte Carlo EM",
                final(small, "mcem") > final(small, "wake-sleep"),
                "its Markov chains have not reached the posterior of every image yet",
            ),
            Part(
                f"Monte Carlo EM is too slow for {large:,} images",
                f"it takes {ratio:.1f} times as long as AEVB for an image; in the time of AEVB's "
                f"whole training {by_then}, and at the end AEVB has {against(large, 'mcem')} for "
                "Monte Carlo EM",
                final(large, "mcem") < final(large, "aevb"),
                "compiled as one function it is slow but usable, and its five updates with each "
                "sample take it further with as many images; in as much time AEVB is ahead",
            ),
        ],
        1,
        [
            Table(
                ["images", "", "log p(x), training images", "test images", "time, × AEVB"],
                rows,
            )
        ],
        {
            "Marginal likelihood against training images seen": figures.lines(
                panels, "MNIST, three latents", "training images seen", "log p(x), nats an image"
            )
        },
    )


def _manifold(model: "VAE") -> np.ndarray:
    return np.asarray(model.mean_images(figures.manifold_latents(MANIFOLD_SIDE)))


def _smoothness(images: np.ndarray) -> float:
    """The mean distance of neighbouring images, divided by that of images chosen at random."""
    grid = images.reshape(MANIFOLD_SIDE, MANIFOLD_SIDE, -1)
    neighbours = [np.linalg.norm(np.diff(grid, axis=axis), axis=-1).mean() for axis in range(2)]
    flat = grid.reshape(MANIFOLD_SIDE**2, -1)
    other = np.random.default_rng(0).permutation(len(flat))
    return float(np.mean(neighbours) / np.linalg.norm(flat - flat[other], axis=-1).mean())


def _manifold_runs(budget: Budget) -> list[Wanted]:
    seed = budget.seeds[:1]
    of_mnist = dataclasses.replace(budget, seeds=seed)
    faces = runs.frey_run(budget, 2, seed=seed[0])
    return [*runs.mnist_runs(of_mnist), faces]


def _manifolds(bench: Bench) -> Finding:
    budget, mnist = bench.budget, bench.datasets["mnist"]
    latents, seed = budget.mnist_latents, budget.seeds[0]
    names = {latent: runs.mnist_name(bench.budget, latent, seed) for latent in latents}
    planes = {
        "MNIST": _manifold(bench.model(names[2])),
        "Frey Faces": _manifold(bench.model(runs.frey_name(2, seed=seed))),
    }
    smooth = {name: _smoothness(images) for name, images in planes.items()}
    real = mnist.train.spread(budget.measured).images / np.float32(255)
    samples = {
        latent: bench.model(name).sample(len(real), 0).numpy() for latent, name in names.items()
    }
    covered = {latent: fidelity(real, images) for latent, images in samples.items()}
    rows = [
        [str(latent), f"{found.coverage:.3f}", f"{found.precision:.3f}"]
        for latent, found in covered.items()
    ]
    pictures = {
        f"{name}: the decoded plane of two latents": figures.picture(
            figures.tile(images, MANIFOLD_SIDE), f"{name}: the learned manifold"
        )
        for name, images in planes.items()
    }
    pictures["MNIST: samples by latent size"] = figures.picture(
        figures.tile(np.concatenate([images[:12] for images in samples.values()]), 12),
        "MNIST: samples from the prior",
        left=tuple(f"z = {latent}" for latent in samples),
    )
    return Finding(
        [
            Part(
                "the plane of two latents decodes to a manifold that changes smoothly",
                "; ".join(
                    f"{name}: the distance of neighbours is {share:.0%} of that of any two images"
                    for name, share in smooth.items()
                ),
                max(smooth.values()) < 0.5,
            ),
            Part(
                "samples look like digits with every latent size",
                "share of the samples that lie among the training images (precision): "
                + ", ".join(
                    f"{found.precision:.0%} (z = {latent})" for latent, found in covered.items()
                ),
                min(found.precision for found in covered.values()) >= 0.5,
                "with more latents N(0, I) has more space between the digits, and samples lie "
                "there",
            ),
        ],
        1,
        [Table(["z", "coverage of training images", "precision"], rows)],
        pictures,
    )


PAPER_FIGURE_2 = Claim(
    "paper-figure-2",
    "The bound of AEVB and of wake-sleep",
    "Kingma & Welling (2014), Figure 2",
    "With the same networks AEVB converges faster than wake-sleep and reaches a better bound, "
    "on MNIST and on the Frey Faces; superfluous latents do not cause overfitting.",
    _bound_runs,
    _bounds,
)
PAPER_FIGURE_3 = Claim(
    "paper-figure-3",
    "The marginal likelihood of AEVB, wake-sleep and Monte Carlo EM",
    "Kingma & Welling (2014), Figure 3",
    "With few and with many training images AEVB reaches a better marginal likelihood than "
    "wake-sleep; Monte Carlo EM can keep up with 1,000 images, but is too slow for 50,000.",
    lambda budget: [],
    _likelihoods,
    _likelihood_tasks,
)
PAPER_FIGURES_4_5 = Claim(
    "paper-figures-4-5",
    "Manifolds, and samples by latent size",
    "Kingma & Welling (2014), Figures 4 and 5",
    "Two latents decode to a smooth manifold of digits and of faces; samples look like digits "
    "with every latent size.",
    _manifold_runs,
    _manifolds,
)
