"""The standard error of a mean over images."""

import numpy as np


def standard_error(values: np.ndarray) -> float:
    """The standard error of a mean over independent images.

    Args:
        values: One value for each image, `[count]`.
    """
    return float(np.std(values) / np.sqrt(len(values)))
