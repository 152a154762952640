"""Rows on how like reconstructions are to their originals."""

import math
from typing import Any

import numpy as np

from kvae.data import Dataset
from kvae.data.dataset import Split
from kvae.evaluation import classical, reconstruction
from kvae.evaluation.classical import fewer
from kvae.evaluation.compared import Compared, reconstructed, shown
from kvae.evaluation.rows import Row


def reconstructions(
    model: Any, dataset: Dataset, compared: Compared, dimensions: int | None
) -> list[Row]:
    """How close reconstructions of held-out images are to their originals, and how sharp.

    Args:
        model: The model that reconstructed them.
        dataset: The dataset; principal components are those of its training images.
        compared: The images that are compared.
        dimensions: The number of principal components that reconstruct the same images; None for
            no comparison.
    """
    assert compared.reconstructions is not None
    found = reconstruction.compare_images(compared.held_out, compared.reconstructions)
    linear = []
    if dimensions is not None:
        train = shown(model, dataset.train)
        components = fewer(dimensions, train)
        pca = classical.pca_reconstructions(train, compared.held_out, components)
        error = float(np.mean(np.square(compared.held_out - pca)))
        note = f"the model's is {found.mean_squared_error / error:.2f} times as large"
        linear = [Row(f"that of PCA, {components} components", "", {"value": error}, note)]
    share = found.sharpness / found.data_sharpness if found.data_sharpness else 1.0
    sharp = "as sharp as the data" if share > 0.8 else "softer" if share > 0.4 else "blurred"
    return [
        Row("mean squared error a pixel", "", {"value": found.mean_squared_error}),
        *linear,
        Row("PSNR", "dB", {"value": found.psnr}),
        Row("SSIM", "", {"value": found.ssim}, "1 is the same image"),
        Row("sharpness", "", {"value": found.sharpness}, f"{share:.0%} of the data's: {sharp}"),
        Row("sharpness of the data", "", {"value": found.data_sharpness}),
    ]


def restored_rows(
    model: Any, dataset: Dataset, held_out: Split, dimensions: int | None
) -> list[Row]:
    """How close reconstructions of held-out rows of numbers are to their originals.

    Args:
        model: A model that reconstructs.
        dataset: The dataset; principal components are those of its training rows.
        held_out: The rows.
        dimensions: The number of principal components that reconstruct the same rows; None for no
            comparison.
    """
    train, test = dataset.train.images, held_out.images
    error = float(np.mean(np.square(test - reconstructed(model, dataset, held_out))))
    note = "of standardised columns: that of their means is about 1" if dataset.columns else ""
    rows = [Row("mean squared error a number", "", {"value": error}, note)]
    if dimensions is not None and math.prod(train.shape[1:]) > 1:
        components = fewer(dimensions, train)
        pca = classical.pca_reconstructions(train, test, components)
        other = float(np.mean(np.square(test - pca)))
        note = f"the model's is {error / other:.2f} times as large"
        rows.append(Row(f"that of PCA, {components} components", "", {"value": other}, note))
    return rows
