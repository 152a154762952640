"""How sure a mean over images is."""

import numpy as np


def standard_error(values: np.ndarray) -> float:
    """Standard error of the mean of values of independent images, `[count]`."""
    return float(np.std(values) / np.sqrt(len(values)))
