"""The columns of a table of numbers: how they are standardised for a model, and back."""

import math
from dataclasses import dataclass

import numpy as np

from kvae.errors import UsageError


@dataclass(frozen=True)
class Columns:
    """The columns of a table, and the units in which a model sees them.

    A model sees standardised columns, as images `[rows, columns, 1, 1]`. A column that is constant
    in training has no density, so it is left out.

    Attributes:
        names: The name of each column; empty if they have none.
        means: The mean of each column over the training rows, or the value of a constant column.
        stddevs: The standard deviation of each column over the training rows, and 0 of a constant
            column.
    """

    names: tuple[str, ...]
    means: tuple[float, ...]
    stddevs: tuple[float, ...]

    @classmethod
    def measured(cls, rows: np.ndarray, names: tuple[str, ...] = ()) -> "Columns":
        """The columns of training rows.

        Args:
            rows: float32 or float64 `[rows, columns]`.
            names: The name of each column; empty if they have none.

        Raises:
            UsageError: There are numbers whose squares are too large.
        """
        exact = rows.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            means, stddevs = exact.mean(axis=0), exact.std(axis=0)
        if not np.isfinite(stddevs).all():
            raise UsageError("X has numbers whose squares are too large")
        # What rounding makes of equal numbers is constant, too.
        most = np.abs(exact).max(axis=0)
        constant = np.ptp(exact, axis=0) <= 10 * np.finfo(rows.dtype).eps * most
        means[constant], stddevs[constant] = exact[0, constant], 0.0
        return cls(names, tuple(means.tolist()), tuple(stddevs.tolist()))

    def __len__(self) -> int:
        return len(self.means)

    @property
    def varying(self) -> np.ndarray:
        """Which columns are modelled, because they are not constant: booleans `[columns]`."""
        return np.array(self.stddevs) > 0

    def named(self, index: int) -> str:
        """A column as messages name it.

        Args:
            index: Its number, from 0.
        """
        return f"column {self.names[index]!r}" if self.names else f"column {index}, from 0,"

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Standardise rows.

        Args:
            rows: Floats `[rows, columns]`.

        Returns:
            float32 `[rows, varying columns, 1, 1]`.
        """
        varying = self.varying
        exact = rows.astype(np.float64)[:, varying]
        standard = (exact - np.array(self.means)[varying]) / np.array(self.stddevs)[varying]
        return standard.astype(np.float32)[:, :, None, None]

    def rows(self, images: np.ndarray) -> np.ndarray:
        """Undo `images`; constant columns get their value.

        Args:
            images: Standardised rows, floats `[rows, varying columns, 1, 1]`.

        Returns:
            float64 `[rows, columns]`, in the columns' own units.
        """
        varying = self.varying
        rows = np.tile(np.array(self.means), (len(images), 1))
        flat = images.reshape(len(images), -1).astype(np.float64)
        rows[:, varying] += flat * np.array(self.stddevs)[varying]
        return rows

    @property
    def log_scale(self) -> float:
        """The log of the product of the standard deviations of columns that are modelled.

        The density of a row in the columns' own units is that of the standardised row, divided by
        this product.
        """
        return sum(math.log(stddev) for stddev in self.stddevs if stddev)
