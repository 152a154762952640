"""Named figures of a training: what they are, and the rows that hold them."""

from dataclasses import dataclass
from typing import TypeAlias

Row: TypeAlias = dict[str, float | int | str]
"""An epoch by column, as `history.csv` has it.

`epoch` counts from 1, and `seconds` is the wall time of the epoch's training alone. `train_NAME` is
the mean of a metric over the images of the epoch, `validation_NAME` its mean over the validation
images after the epoch. Other numbers are of the validation images; texts say how was trained.
"""


@dataclass(frozen=True)
class Metric:
    """A figure that training or evaluation reports.

    Attributes:
        name: Its name in columns, JSON files and TensorBoard, such as `kl`.
        label: Its name in plots and tables, such as `KL`.
        unit: Its unit, such as `nats`; empty where there is none.
        higher_is_better: Whether a larger value is the better one; None where neither is.
    """

    name: str
    label: str
    unit: str = "nats"
    higher_is_better: bool | None = None


def best_row(history: list[Row], metric: Metric) -> Row:
    """The row with the best validation value of a metric, the first of equal ones.

    Args:
        history: One row an epoch, at least one.
        metric: Must have a better direction.
    """
    choose = max if metric.higher_is_better else min
    return choose(history, key=lambda row: row[f"validation_{metric.name}"])
