"""Takes part in a distributed training as a worker that is not the first."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from kvae.config import Config
from kvae.data import Dataset
from kvae.metrics import Row
from kvae.runs.checkpoints import Checkpoints
from kvae.runs.folders import CHECKPOINTS, MODELS
from kvae.runs.run import new_state
from kvae.training import train


def assist(
    dataset: Dataset,
    config: Config,
    strategy: tf.distribute.Strategy,
    resumed: Path | None = None,
    models: Path = MODELS,
    on_epoch: Callable[[Row], None] | None = None,
) -> None:
    """Take part in a training as a worker that is not the first, and write nothing.

    Args:
        dataset: The dataset of the run, the same as on the first worker.
        config: The configuration of the run, the same as on the first worker.
        strategy: What `kvae.training.new_strategy` returned.
        resumed: Folder of the run that the first worker resumes; None if it starts a new run.
        models: Folder of saved models.
        on_epoch: Called with the row of every epoch.

    Raises:
        KvaeError: A loss is not finite, or another worker is gone.
    """
    state = new_state(dataset, config, models)
    if resumed:
        Checkpoints(resumed / CHECKPOINTS, state, dataset).restore()
    report = on_epoch or (lambda row: None)
    train(state.model, dataset, lambda row, _: report(row), state, strategy)
