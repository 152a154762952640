"""Which family of models captures images best for the same training time, and how it is measured.

The report that kvae re-implements ends with a question: hierarchical VAEs, normalizing flows, GANs
or discrete latents may better capture data with several modes, such as the Frey Faces.
"""

import base64
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kvae import data, figures
from kvae.figures.grids import to_uint8
from kvae.reproduction.claim import (
    CONFIG,
    Bench,
    Budget,
    Claim,
    Finding,
    Part,
    Places,
    Spread,
    Table,
    Wanted,
)
from kvae.reproduction.contestants import BASELINE, CONTESTANTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST = 5000
"""The largest number of training images that samples are compared with, as in `kvae evaluate`."""
TIMED = 1000
"""How many samples are timed."""
WIDE = 0.8
"""The share of the training images that samples which capture the data cover."""
SHOWN = 12
"""How many samples of each contestant a figure shows."""
LINEAR = "factor analysis"
ANSWERS = {
    "normalizing flows": ("flat, flow prior", "flat, iaf posterior"),
    "hierarchical VAEs": ("hierarchical",),
    "discrete latents": ("quantized",),
    "GANs": ("adversarial",),
}
"""The families that the report names, and the contestants that stand for each."""


def _runs(budget: Budget) -> list[Wanted]:
    return [
        Wanted(
            name := _name(dataset, contestant, seed),
            {"dataset": dataset, "seed": seed, **_options(budget, dataset, contestant)},
            measured_by=_measured_name(name),
        )
        for dataset, seeds in budget.families.items()
        for contestant in _taking_part(budget, dataset)
        for seed in seeds
    ]


def _options(budget: Budget, dataset: str, contestant: str) -> dict[str, Any]:
    options = getattr(CONTESTANTS[contestant], dataset)
    return {**options, "epochs": math.ceil(budget.families_share * options["epochs"])}


def _taking_part(budget: Budget, dataset: str) -> list[str]:
    return [
        name
        for name, contestant in CONTESTANTS.items()
        if getattr(contestant, dataset) is not None and name in budget.contestants
    ]


def _name(dataset: str, contestant: str, seed: int) -> str:
    words = contestant.lower().replace(",", "").replace(" ", "-")
    return f"families-{dataset}-{words}-seed{seed}"


def _measured_name(run: str) -> str:
    return f"{run}-measured"


def _tasks(budget: Budget, places: Places) -> dict[str, Callable[[], Any]]:
    tasks: dict[str, Callable[[], Any]] = {
        _measured_name(run.name): partial(
            measure_run,
            run.name,
            run.options["dataset"],
            run.options["seed"],
            places,
            budget.families_importance_samples,
        )
        for run in _runs(budget)
    }
    for dataset in budget.families:
        tasks[_measured_name(_name(dataset, LINEAR, 0))] = partial(
            measure_factor_analysis, dataset, places.data_dir
        )
    return tasks


def measure_run(
    name: str, dataset: str, seed: int, places: Places, importance_samples: int
) -> dict[str, Any]:
    """Measure a trained model with `kvae.evaluation.evaluate`, its samples, and their speed.

    Args:
        name: The name of the run and of its saved model.
        dataset: The name of its dataset.
        seed: Decides all random numbers.
        places: Where data, runs and saved models are.
        importance_samples: Samples of z for each test image.
    """
    from kvae.evaluation import evaluate
    from kvae.evaluation.compared import shown
    from kvae.runs import saved_models
    from kvae.runs.folders import read_results

    images = data.load(dataset, places.data_dir)
    model = saved_models.load(places.models / name)
    report = evaluate(model, images, importance_samples=importance_samples, seed=seed)
    groups = report.to_json()["groups"]
    likelihood: dict[str, Any] = groups.get("Likelihood", {})
    found: dict[str, Any] = {
        CONFIG: model.config.to_json(),
        "bounds": {
            kind: {key: row[key] for key in ("value", "standard error")} | {"how": row_name}
            for kind, words in BOUNDS.items()
            for row_name, row in likelihood.items()
            if row_name.startswith(words) and "standard error" in row
        },
        "bits": likelihood.get("bits per dimension", {}).get("value"),
        "samples": _sample_figures(groups),
        "parameters": int(sum(np.prod(weight.shape) for weight in model.trainable_variables)),
        "seconds": (read_results(places.runs / name) or {})["training_seconds"],
    }
    gain = likelihood.get("its gain on those images")
    if gain is not None:
        found["gain"] = {key: gain[key] for key in ("value", "standard error")}
    model.sample(TIMED, seed).numpy()
    start = time.perf_counter()
    made = model.sample(TIMED, seed + 1).numpy()
    found["samples"]["a second"] = TIMED / (time.perf_counter() - start)
    real = shown(model, images.train.spread(TIMED))
    return found | {"sharpness": _relative_sharpness(made, real), "shown": packed(made[:SHOWN])}


BOUNDS: Mapping[str, tuple[str, ...]] = {
    "elbo": ("ELBO", "log-likelihood", "log p(x)"),
    "weighted": ("importance-weighted",),
    "annealed": ("annealed importance sampling",),
}
"""How the rows of a report begin that have a bound on log p(x), by the kind of bound."""


def _sample_figures(groups: Mapping[str, Any]) -> dict[str, float]:
    """The figures of samples from the prior, against training images, by name."""
    against = groups["Samples against data"]["prior samples, training images"]
    found: dict[str, float] = {
        key: against[key] for key in ("precision", "recall", "density", "coverage")
    }
    share, clusters = groups["Rare modes"].values()
    found |= {"rare": share["samples"], "rare held-out": share["held-out"]}
    found["clusters"] = clusters["samples"]
    nearest, held_out = (row["median"] for row in groups["Memorising"].values())
    return found | {"nearest": nearest, "nearest of held-out": held_out}


def _relative_sharpness(made: np.ndarray, real: np.ndarray) -> float:
    from kvae.evaluation import sharpness

    return float(sharpness(made).mean() / sharpness(real).mean())


def measure_factor_analysis(dataset: str, data_dir: Path | None = None) -> dict[str, Any]:
    """Measure factor analysis with as many latents as the recipe `best` has.

    Its samples are the means of p(x|z), as those of the other models.

    Args:
        dataset: The name of the dataset.
        data_dir: Folder of the datasets that `kvae.data.load` prepares.
    """
    from sklearn.decomposition import FactorAnalysis

    from kvae.config import configure
    from kvae.evaluation import factor_analysis, fidelity, nearest, rare_modes
    from kvae.evaluation.statistics import standard_error

    images = data.load(dataset, data_dir)
    latent = configure(images, "best").model.latent
    train, some, test = (
        split.images / np.float32(255)
        for split in (images.train, images.train.spread(MOST), images.test)
    )
    flat = train.reshape(len(train), -1)
    random = np.random.RandomState(0)
    start = time.perf_counter()
    model = FactorAnalysis(latent, random_state=0).fit(flat)
    seconds = time.perf_counter() - start

    def sample(count: int) -> np.ndarray:
        made = random.standard_normal((count, latent)) @ model.components_ + model.mean_
        return made.clip(0, 1).reshape(count, *images.image_shape).astype(np.float32)

    made = sample(len(some))
    start = time.perf_counter()
    sample(TIMED)
    speed = TIMED / (time.perf_counter() - start)
    samples: dict[str, float] = {**fidelity(some, made)._asdict(), "a second": speed}
    rare = rare_modes(some, test, made)
    if rare is not None:
        samples |= {"rare": rare.of_samples, "rare held-out": rare.of_held_out}
        samples["clusters"] = rare.reached
    samples["nearest"] = float(np.median(nearest(made, some)[0]))
    samples["nearest of held-out"] = float(np.median(nearest(test[:MOST], some)[0]))
    found: dict[str, Any] = {
        "bounds": {},
        "bits": None,
        "samples": samples,
        "parameters": model.components_.size + 2 * model.mean_.size,
        "seconds": seconds,
        "sharpness": _relative_sharpness(made, some),
        "shown": packed(made[:SHOWN]),
    }
    # MNIST's grey levels are probabilities of black and white pixels, which have no density.
    if dataset == "frey":
        exact = factor_analysis(train, test, latent)
        error = standard_error(exact)
        how = "exact"
        found["bounds"]["elbo"] = {"value": exact.mean(), "standard error": error, "how": how}
        # A grey level has the width 1/256; noise within it makes a density of the levels.
        noisy, tested = (
            (each * 255 + random.random_sample(each.shape)) / 256 for each in (train, test)
        )
        of_levels = factor_analysis(noisy, tested, latent) / math.prod(images.image_shape)
        found["bits"] = 8 - float(of_levels.mean()) / math.log(2)
    return found


def _measure(bench: Bench) -> Finding:
    budget = bench.budget
    found = {
        dataset: {
            name: [
                bench.task_result(_measured_name(_name(dataset, name, seed)))
                for seed in (seeds if name != LINEAR else (0,))
            ]
            for name in [*_taking_part(budget, dataset), LINEAR]
        }
        for dataset, seeds in budget.families.items()
    }
    parts = [
        part
        for family, names in ANSWERS.items()
        if (part := _answer(family, [n for n in names if n in budget.contestants], found["frey"]))
    ]
    tables, pictures = [], {}
    for dataset, each in found.items():
        title = {"frey": "Frey Faces", "mnist": "MNIST"}[dataset]
        tables += [_likelihoods(title, each), _samples(title, each), _costs(title, each)]
        real = bench.datasets[dataset].train.spread(SHOWN).images
        pictures[f"{title}: samples of each contestant, and training images above"] = _shown(
            real, {name: runs[0]["shown"] for name, runs in each.items()}, title
        )
        pictures[f"{title}: coverage of training images against training time"] = figures.points(
            {
                name: (_over(runs, "seconds").mean, _of_samples(runs, "coverage").mean)
                for name, runs in each.items()
                if name != LINEAR
            },
            ("training, seconds", "coverage of training images"),
            f"{title}: coverage",
        )
    seeds = len(budget.families["frey"])
    return Finding([*parts, _ordered(found)], seeds, tables, pictures, summary=_in_words(found))


def _over(runs: Sequence[Mapping[str, Any]], key: str) -> Spread:
    return Spread([float(run[key]) for run in runs])


def _of_samples(runs: Sequence[Mapping[str, Any]], key: str) -> Spread:
    return _over([run["samples"] for run in runs], key)


def _answer(
    family: str, names: Sequence[str], found: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Part | None:
    """Whether a family shows the rare modes of the Frey Faces better than the flat model does."""
    if not names or BASELINE not in found:
        # Only a quick reproduction leaves contestants out.
        return None
    plain = {key: _of_samples(found[BASELINE], key) for key in ("rare", "coverage")}
    wanted = _of_samples(found[BASELINE], "rare held-out").mean
    best = max(names, key=lambda name: _of_samples(found[name], "coverage").mean)
    own = {key: _of_samples(found[best], key) for key in plain}
    better = all(
        own[key].mean - plain[key].mean > 2 * math.hypot(own[key].error, plain[key].error)
        for key in plain
    )
    cost = _over(found[best], "seconds").mean / _over(found[BASELINE], "seconds").mean
    return Part(
        f"{family} capture the Frey Faces better than the flat model with N(0, I)",
        f"{best}: {own['rare'].mean:.1%} of the samples show one of the rarest modes, as "
        f"{wanted:.1%} of held-out frames do, and samples cover {own['coverage'].mean:.1%} of the "
        f"training frames; {BASELINE}: {plain['rare'].mean:.1%} and {plain['coverage'].mean:.1%}; "
        f"in {cost:.1f} times its training time",
        better,
        "the difference is not larger than twice its standard error in both, rare modes and "
        "coverage",
    )


def _in_words(found: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> str:
    """Which contestants show the rare modes of the Frey Faces, and at what cost."""
    frey = {name: runs for name, runs in found["frey"].items() if "rare" in runs[0]["samples"]}
    if not frey:
        # The few samples of a quick reproduction have no rare modes.
        return ""
    wanted = _of_samples(next(iter(frey.values())), "rare held-out").mean
    rare = {name: _of_samples(runs, "rare").mean for name, runs in frey.items()}
    covered = {name: _of_samples(runs, "coverage").mean for name, runs in frey.items()}
    order = sorted(frey, key=lambda name: -rare[name])
    wide = [name for name in order if covered[name] >= WIDE]
    listed = "; ".join(
        f"{name} {rare[name]:.1%}, in {_over(frey[name], 'seconds').mean:,.0f} s" for name in wide
    )
    others = "; ".join(f"{name} {covered[name]:.0%}" for name in order if name not in wide)
    trained = [run for each in found.values() for runs in each.values() for run in runs]
    hours = sum(run["seconds"] for run in trained) / 3600
    return (
        f"Of the held-out Frey Faces {wanted:.1%} show a rare mode. The samples of these "
        f"contestants cover at least {WIDE:.0%} of the training frames, and so many of their "
        f"samples show a rare mode: {listed or 'none'}. The samples of the others cover less: "
        f"{others or 'none'}. Training the {len(trained)} runs on all datasets took {hours:.1f} "
        "hours in total. What each family reaches with as much training as it takes is in "
        "docs/choose.md."
    )


def _ordered(found: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> Part:
    """Whether ELBO, importance-weighted bound and annealing are in their order for all models."""
    right, checked = 0, 0
    for of_dataset in found.values():
        for runs in of_dataset.values():
            for run in runs:
                bounds = run["bounds"]
                if "weighted" not in bounds:
                    continue
                checked += 1
                slack = 2 * bounds["elbo"]["standard error"]
                ordered = bounds["elbo"]["value"] <= bounds["weighted"]["value"] + slack
                gain = run.get("gain")
                if gain is not None:
                    ordered &= gain["value"] >= -max(0.5, 2 * gain["standard error"])
                right += ordered
    return Part(
        "ELBO, importance-weighted bound and annealed importance sampling are in this order",
        f"within twice their standard errors, or half a nat, in {right} of {checked} runs that "
        "have them",
        right == checked,
        "annealing has too few steps for some models",
    )


def _likelihoods(title: str, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    rows = []
    for name, runs in found.items():
        cells = []
        for kind in "elbo", "weighted":
            values = [run["bounds"][kind]["value"] for run in runs if kind in run["bounds"]]
            cells.append(Spread(values).format(1) if values else "")
        # Annealing is of some images only, so it is compared with the bound of the same images.
        gains = [run["gain"]["value"] for run in runs if run.get("gain")]
        bits = [run["bits"] for run in runs if run["bits"] is not None]
        bounds = runs[0]["bounds"]
        best = bounds.get("weighted") or bounds.get("elbo")
        how = best["how"] if best else ""
        if not best and "annealed" in bounds:
            values = [run["bounds"]["annealed"]["value"] for run in runs]
            how = f"with noise added: {Spread(values).format(1)}, {bounds['annealed']['how']}"
        cells.append(Spread(gains).format(1) if gains else "")
        rows.append([name, *cells, Spread(bits).format(3) if bits else "", how])
    head = [f"{title}, nats", "ELBO or log p(x)", "importance-weighted", "annealing adds"]
    return Table([*head, "bits a pixel", "the bound is"], rows)


def _samples(title: str, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    keys = "precision", "recall", "density", "coverage", "rare", "clusters", "nearest"
    rows = []
    for name, runs in found.items():
        cells = [
            _of_samples(runs, key).format(1 if key == "clusters" else 3)
            if key in runs[0]["samples"]
            else ""
            for key in keys
        ]
        rows.append([name, *cells, _over(runs, "sharpness").format(2)])
    some = next(iter(found.values()))[0]["samples"]
    rare, nearest = some.get("rare held-out"), some["nearest of held-out"]
    held_out = ["", "", "", "", "" if rare is None else f"{rare:.3f}", "", f"{nearest:.3f}", ""]
    rows.append(["held-out images", *held_out])
    head = [f"{title}, samples", "precision", "recall", "density", "coverage"]
    more = ["rare modes", "clusters of 50", "distance to training images", "sharpness, share"]
    return Table([*head, *more], rows)


def _costs(title: str, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    rows = [
        [
            name,
            f"{mean(run['parameters'] for run in runs):,.0f}",
            _over(runs, "seconds").format(0),
            f"{_of_samples(runs, 'a second').mean:,.0f}",
        ]
        for name, runs in found.items()
    ]
    return Table([title, "parameters", "training, seconds", "samples a second"], rows)


def packed(images: np.ndarray) -> str:
    """Grey images as text that is short enough for a JSON file: a PNG file of them in a column.

    Args:
        images: Floats in [0, 1], `[count, height, width, 1]`.
    """
    file = io.BytesIO()
    Image.fromarray(to_uint8(images).reshape(-1, images.shape[2])).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def unpacked(text: str, height: int) -> np.ndarray:
    """The images that `packed` made a text of, uint8 `[count, height, width, 1]`.

    Args:
        text: What `packed` returned.
        height: The height of an image.
    """
    with Image.open(io.BytesIO(base64.b64decode(text))) as column:
        return np.asarray(column).reshape(-1, height, column.width, 1)


def _shown(real: np.ndarray, made: Mapping[str, str], title: str) -> "Figure":
    rows = [real, *(unpacked(text, real.shape[1]) for text in made.values())]
    grid = figures.tile(np.concatenate(rows) / np.float32(255), SHOWN)
    return figures.picture(grid, f"{title}: samples", left=("training images", *made))


FAMILIES = Claim(
    "families",
    "Which family?",
    "the report's outlook",
    "Hierarchical VAEs, normalizing flows, GANs or discrete latents may better capture data with "
    "several modes, such as the Frey Faces.",
    _runs,
    _measure,
    _tasks,
)
