"""What happened in an epoch."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """A row of `history.csv`: nats an image, and higher ELBO is better.

    Attributes:
        epoch: Counted from 1.
        seconds: Wall time of this epoch's training alone.
        train_elbo: Mean over the epoch's images, each at the step that saw it.
        train_reconstruction: Likewise.
        train_kl: Likewise.
        validation_elbo: Mean over the validation images after the epoch.
        validation_reconstruction: Likewise.
        validation_kl: Likewise.
        active_units: Latent dimensions in use on the validation images (Burda et al., 2016).
        objective: Name of what was maximised, which is no bound where it has a `beta` or
            `free_bits`.
        train_objective: Its mean over the epoch's images.
    """

    epoch: int
    seconds: float
    train_elbo: float
    train_reconstruction: float
    train_kl: float
    validation_elbo: float
    validation_reconstruction: float
    validation_kl: float
    active_units: int
    objective: str
    train_objective: float

    @classmethod
    def from_columns(cls, row: Mapping[str, Any]) -> "Epoch":
        """The epoch of a row as `read_history` reads it: all numbers are floats."""
        return cls(**{**row, "epoch": int(row["epoch"]), "active_units": int(row["active_units"])})

    def to_csv(self) -> str:
        """A line of `history.csv`; floats in full, so that they read back equal."""
        return ",".join(map(str, astuple(self)))


COLUMNS = tuple(field.name for field in fields(Epoch))
