"""Train the best recipe of the Frey Faces on random splits, and measure what new frames get."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import kvae

NAMES = ("train", "validation", "test")
IMPORTANCE_SAMPLES = 500


def split(dataset: kvae.data.Dataset, seed: int) -> kvae.data.Dataset:
    """The dataset with its images shared among the splits at random, as many to each as before.

    Args:
        dataset: The dataset.
        seed: Decides the splits.
    """
    images = np.concatenate([dataset.split(name).images for name in NAMES])
    order, start, splits = np.random.default_rng(seed).permutation(len(images)), 0, {}
    for name in NAMES:
        end = start + len(dataset.split(name))
        splits[name] = kvae.data.Split(images[order[start:end]])
        start = end
    return dataclasses.replace(dataset, **splits)


def measure(
    family: str, likelihood: str | None, splits: Sequence[int], data_dir: Path | None
) -> list[dict[str, Any]]:
    """Train the recipe `best` on each split, and measure it on the split's test images.

    Args:
        family: The family of the model.
        likelihood: The likelihood that takes the place of the recipe's; None keeps that.
        splits: The seeds of the splits, which are also those of the trainings.
        data_dir: Folder of the datasets that `kvae.data.load` prepares.

    Returns:
        For each split: the bound on log p(x) of test images with 500 importance samples, in nats,
        and bits per dimension, each with its standard error; and the coverage of all frames by as
        many samples.
    """
    from kvae.evaluation import fidelity, importance_weighted_bound, sections
    from kvae.evaluation.rows import mean_row
    from kvae.progress import silent

    dataset = kvae.data.load("frey", data_dir)
    frames = np.concatenate([dataset.split(name).images for name in NAMES]) / np.float32(255)
    chosen = {} if likelihood is None else {"likelihood": likelihood}
    rows = []
    for seed in tqdm(splits, f"{family}, splits", disable=None):
        divided = split(dataset, seed)
        config = kvae.configure(divided, family=family, recipe="best", seed=seed, **chosen)
        model = kvae.build(config, divided.train.images)
        kvae.train(model, divided)
        held_out = divided.test
        bound = importance_weighted_bound(model, held_out.images, IMPORTANCE_SAMPLES)
        bits = sections.bits(model, divided, held_out, bound, IMPORTANCE_SAMPLES, 0, silent)
        samples = np.asarray(model.sample(len(frames), 0))
        rows.append(
            {
                "split": seed,
                "log_likelihood": mean_row("log p(x)", bound).values,
                "bits": bits.values,
                "coverage": fidelity(frames, samples).coverage,
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows, their mean and their standard deviation as a Markdown table.

    Args:
        rows: What `measure` returned.
    """
    lines = [
        "| split | log p(x) of test images, nats | bits per dimension | coverage |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        "| {split} | {nats[value]:.1f} ± {nats[standard error]:.1f} "
        "| {bits[value]:.3f} ± {bits[standard error]:.3f} | {coverage:.3f} |".format(
            nats=row["log_likelihood"], **row
        )
        for row in rows
    ]
    for name, of in (("mean", np.mean), ("standard deviation", partial(np.std, ddof=1))):
        nats, bits = (of([row[key]["value"] for row in rows]) for key in ("log_likelihood", "bits"))
        coverage = of([row["coverage"] for row in rows])
        lines.append(f"| {name} | {nats:.1f} | {bits:.3f} | {coverage:.3f} |")
    return "\n".join(lines)
