"""The runs that the report's claims are measured on, and their names."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kvae.reproduction.claim import HOLDS, Bench, Budget, Finding, Table, Wanted

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
    return varied(f"mnist-z{latent}-seed{seed}", options)


def _main(budget: Budget) -> str:
    """The training of MNIST runs that decides the verdicts."""
    return next(iter(budget.mnist_trainings))


def all_mnist_runs(budget: Budget, latents: Sequence[int] | None = None) -> list[Wanted]:
    """MNIST runs of the recipe `reference`, with every seed and every training of the budget.

    Args:
        budget: How much is trained.
        latents: The latent sizes; by default those of the budget.
    """
    return mnist_runs(budget, latents, budget.mnist_trainings)


def mnist_names(bench: Bench, latent: int, training: str) -> list[str]:
    """The names of the MNIST runs with one training and all seeds.

    Args:
        bench: What the claim is measured on.
        latent: The latent size of the runs.
        training: A name in `budget.mnist_trainings`.
    """
    return [mnist_name(bench.budget, latent, seed, training) for seed in bench.budget.seeds]


def in_all_trainings(measure: Callable[[Bench, str], Finding], bench: Bench) -> Finding:
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
    return varied(f"frey-z{latent}{units}-{mean}-seed{seed}", more)


def varied(name: str, options: Mapping[str, Any]) -> str:
    """The name of a run that has further options.

    Args:
        name: The name of the run without them.
        options: The options.
    """
    return "-".join([name, *(f"{key.replace('_', '-')}{v}" for key, v in options.items())])


def frey_runs(budget: Budget, mean: str) -> list[Wanted]:
    """Frey Faces runs of the recipe `reference`, with every seed.

    Args:
        budget: How much is trained.
        mean: The activation of the decoder's mean, `sigmoid` or `linear`.
    """
    return [frey_run(budget, mean=mean, seed=seed) for seed in budget.seeds]


def frey_names(budget: Budget, mean: str) -> list[str]:
    """The names of the runs from `frey_runs`.

    Args:
        budget: How much is trained.
        mean: The activation of the decoder's mean.
    """
    return [run.name for run in frey_runs(budget, mean)]
