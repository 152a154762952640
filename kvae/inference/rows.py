"""Rows of a table that a model makes, in the units of the table's columns."""

from typing import Any

import numpy as np

from kvae.data.columns import Columns
from kvae.errors import UsageError
from kvae.models.base import Decodes, seed_pair


def sampled_rows(model: Any, count: int, seed: int = 0) -> np.ndarray:
    """Samples of p(x): of p(x|z) for samples of z from the prior.

    Args:
        model: A model of a table that decodes latents.
        count: The number of rows.
        seed: Decides all random numbers.

    Returns:
        float64 `[count, columns]`, in the columns' own units.

    Raises:
        UsageError: The model is not of a table, or does not decode latents.
    """
    columns = columns_of(model)
    if not isinstance(model, Decodes):
        raise UsageError("this model has no latent space that can be sampled")
    latents = model.prior.distribution().sample(count, seed=seed_pair(seed))
    # Other random numbers than those of the latents.
    return columns.rows(model.decode(latents).sample(seed=seed_pair([seed, 1])).numpy())


def columns_of(model: Any) -> Columns:
    """The columns of the table that a model is of.

    Args:
        model: What `kvae.load` or `kvae.build` returned.

    Raises:
        UsageError: The model is not of a table.
    """
    columns = model.config.data.columns
    if columns is None:
        raise UsageError("this model is not of a table of numbers")
    return columns
