"""MNIST by latent size."""

from dataclasses import replace

import numpy as np

from kvae import figures
from kvae.evaluation import sharpness
from kvae.models.vae import METRICS
from kvae.reproduction.claim import Bench, Budget, Claim, Finding, Part, Spread, Table, Wanted
from kvae.reproduction.reference.images import SHOWN, in_rows, reconstruct, to_floats
from kvae.reproduction.reference.runs import (
    LATENT,
    all_mnist_runs,
    in_all_trainings,
    mnist_name,
    mnist_names,
    mnist_runs,
    varied,
)


def _mnist_latents(bench: Bench) -> Finding:
    return in_all_trainings(_latents, bench)


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
            sign * bench.over(mnist_names(bench, latent, training), quantity).mean
            for latent in latents
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
        f"z = {latent}": [bench.history(name) for name in mnist_names(bench, latent, training)]
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


def _mean_curves(bench: Bench, quantity: str, training: str) -> dict[int, np.ndarray]:
    """The mean over seeds of a validation quantity in each epoch, by latent size."""
    return {
        latent: np.mean(
            [
                bench.history(name)[f"validation_{quantity}"]
                for name in mnist_names(bench, latent, training)
            ],
            axis=0,
        )
        for latent in bench.budget.mnist_latents
    }


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
    return varied(mnist_name(budget, latent, budget.seeds[0]), budget.mnist_fast)


def _mnist_best_latent(bench: Bench) -> Finding:
    latents, trainings = bench.budget.mnist_latents, bench.budget.mnist_trainings
    found = in_all_trainings(_best_latent, bench)
    faster = {z: float(bench.results(_fast_name(bench.budget, z))["elbo"]) for z in latents}
    lines = {"learning rate 0.02, one seed": [(z, faster[z], 0.0) for z in latents]}
    for training in trainings:
        elbo = {z: bench.over(mnist_names(bench, z, training), "elbo") for z in latents}
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
        names = mnist_names(bench, latent, training)
        elbo[latent] = bench.over(names, "elbo")
        reconstructed = [reconstruct(bench.model(name), test) for name in names]
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
        pictures.append(reconstruct(bench.model(names[0]), shown)[1])
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
            "Reconstructions by latent size": in_rows(
                [to_floats(shown), *pictures],
                "MNIST: reconstructions by latent size",
                ("test images", *(f"z = {latent}" for latent in latents)),
            ),
        },
    )


MNIST_LATENTS = Claim(
    "mnist-latents",
    "Latent sizes in training",
    "the report's Figures 3a and 3b",
    f"On MNIST the reconstruction loss falls and the KL rises with the latent size, from 2 to "
    f"{LATENT} latents, all through training.",
    all_mnist_runs,
    _mnist_latents,
)
MNIST_BEST_LATENT = Claim(
    "mnist-best-latent",
    "The best latent size",
    "the report's comparison of latent sizes",
    f"The ELBO is best at z = {LATENT} and degrades at larger latent sizes, where reconstructions "
    "look blurrier.",
    lambda budget: [*all_mnist_runs(budget), *_fast_runs(budget)],
    _mnist_best_latent,
)
