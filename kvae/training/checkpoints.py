"""Checkpoints of a run: the weights, the optimizer's state, and the epoch."""

from pathlib import Path

import tensorflow as tf

from kvae.errors import KvaeError
from kvae.models.vae import VAE
from kvae.models.weights import restore, variables
from kvae.training.loop import State

KEEP = 2
BEST = "best"


class Checkpoints:
    """Saves a training to a folder.

    Args:
        folder: `runs/NAME/checkpoints`.
        state: Its weights, the best ones if they are kept, and the optimizer's variables.
    """

    def __init__(self, folder: Path, state: State) -> None:
        self._folder, self._model = folder, state.model
        self._epoch = tf.Variable(0, dtype=tf.int64)
        self._checkpoint = tf.train.Checkpoint(
            weights=variables(state.model),
            optimizer=[variable.value for variable in state.optimizer.variables],
            best=state.best,
            epoch=self._epoch,
        )
        self._manager = tf.train.CheckpointManager(self._checkpoint, str(folder), KEEP)

    def save(self, epoch: int) -> None:
        """Write the state after `epoch`."""
        self._epoch.assign(epoch)
        self._manager.save(checkpoint_number=epoch)

    def save_best(self) -> None:
        """Write the weights alone, which are not those of the newest epoch."""
        tf.train.Checkpoint(weights=variables(self._model)).write(str(self._folder / BEST))

    def restore(self) -> int:
        """Go back to the newest checkpoint; its epoch, or 0 if there is none.

        Raises:
            KvaeError: it is damaged, or of another training.
        """
        newest = self._manager.latest_checkpoint
        if newest is None:
            return 0
        try:
            self._checkpoint.restore(newest).assert_existing_objects_matched()
        except (tf.errors.OpError, ValueError, AssertionError) as error:
            first = str(error).strip().splitlines()[0]
            raise KvaeError(f"cannot go on from {newest}: {first}") from error
        return int(self._epoch)


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
