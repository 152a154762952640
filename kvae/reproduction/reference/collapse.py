"""Posterior collapse on the Frey Faces."""

from collections.abc import Mapping
from typing import Any

from kvae.reproduction.claim import Bench, Budget, Claim, Finding, Part, Table, Wanted
from kvae.reproduction.reference.runs import frey_run

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


FREY_COLLAPSE = Claim(
    "frey-collapse",
    "Posterior collapse",
    "the report's discussion of the Frey Faces",
    "The posterior collapses on the Frey Faces, depending on capacity, latent size and the "
    "missing sigmoid, and can be cured.",
    lambda budget: [*_collapse_grid(budget), *_collapse_cures(budget)],
    _frey_collapse,
)
