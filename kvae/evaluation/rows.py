"""The rows of a report."""

from dataclasses import dataclass

import numpy as np

from kvae.evaluation.statistics import standard_error


@dataclass(frozen=True)
class Row:
    """One figure, or a few figures of the same kind.

    Attributes:
        name: What was measured.
        unit: The unit, such as `nats`; empty where there is none.
        values: The figures by column.
        verdict: What the figures mean, in plain words.
    """

    name: str
    unit: str
    values: dict[str, float]
    verdict: str = ""


def mean_row(name: str, each: np.ndarray, unit: str = "nats", verdict: str = "") -> Row:
    """A row with the mean of values of images and its standard error.

    Args:
        name: What was measured.
        each: One value for each image, `[count]`.
        unit: The unit of the values.
        verdict: What the mean tells, in plain words.
    """
    values = {"value": float(np.mean(each)), "standard error": standard_error(each)}
    return Row(name, unit, values, verdict)
