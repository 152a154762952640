"""Checkpoints of a run: the weights, the optimizer's state, and the epoch."""

from pathlib import Path

import keras
import tensorflow as tf

from kvae.errors import KvaeError
from kvae.models.vae import VAE
from kvae.models.weights import restore, variables

KEEP = 2
BEST = "best"


class Checkpoints:
    """Saves a training to a folder.

    Args:
        folder: `runs/NAME/checkpoints`.
        model: Its weights.
        optimizer: Its state; must be built.
    """

    def __init__(self, folder: Path, model: VAE, optimizer: keras.Optimizer) -> None:
        self._model, self._optimizer = model, optimizer
        self._epoch = tf.Variable(0, dtype=tf.int64)
        self._folder = folder
        self._manager: tf.train.CheckpointManager | None = None

    def save(self, epoch: int) -> None:
        """Write the state after `epoch`."""
        if self._manager is None:
            # Not before the first save: until then the optimizer has no variables.
            checkpoint = tf.train.Checkpoint(
                weights=variables(self._model),
                optimizer=[variable.value for variable in self._optimizer.variables],
                epoch=self._epoch,
            )
            self._manager = tf.train.CheckpointManager(checkpoint, str(self._folder), KEEP)
        self._epoch.assign(epoch)
        self._manager.save(checkpoint_number=epoch)

    def save_best(self) -> None:
        """Write the weights alone, which are not those of the newest epoch."""
        tf.train.Checkpoint(weights=variables(self._model)).write(str(self._folder / BEST))


def load_weights(folder: Path, model: VAE) -> None:
    """Give `model` the best weights in `folder`, or where none were kept the newest.

    Raises:
        KvaeError: there is none, or it is damaged.
    """
    if (folder / f"{BEST}.index").is_file():
        restore(model, folder / BEST)
        return
    newest = tf.train.latest_checkpoint(str(folder))
    if newest is None:
        raise KvaeError(f"there is no checkpoint in {folder} yet")
    restore(model, Path(newest))
