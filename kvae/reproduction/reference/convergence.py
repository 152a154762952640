"""How fast MNIST and the Frey Faces converge, and to which bound."""

from collections.abc import Sequence

import numpy as np

from kvae.reproduction.claim import Bench, Claim, Finding, Part, Spread, Table
from kvae.reproduction.reference.runs import (
    LATENT,
    all_mnist_runs,
    frey_names,
    frey_runs,
    in_all_trainings,
    mnist_names,
)


def _mnist_converges_faster(bench: Bench) -> Finding:
    return in_all_trainings(_converges_faster, bench)


def _converges_faster(bench: Bench, training: str) -> Finding:
    rows, epochs, bounds = [], {}, {}
    for name, runs in (
        ("mnist", mnist_names(bench, LATENT, training)),
        ("frey", frey_names(bench.budget, "sigmoid")),
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


MNIST_CONVERGES_FASTER = Claim(
    "mnist-converges-faster",
    "Speed of convergence",
    "the report's training curves",
    "MNIST converges faster, and to a lower bound per image and per pixel, than the Frey Faces.",
    lambda budget: [*all_mnist_runs(budget, (LATENT,)), *frey_runs(budget, "sigmoid")],
    _mnist_converges_faster,
)
