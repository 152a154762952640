"""Prepares the TensorBoard events of a run that is resumed."""

from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event

from kvae.io.files import atomic_file

AFTERWARDS = "figures/"
"""The tags of events that are written once, at the end of the training, begin with this."""
KEPT = "events.out.tfevents.0000000001.kvae"
"""The file of the events that are kept. TensorBoard reads files in the order of their names, which
contain the time. This name comes before those of all later events."""


def rewind(folder: Path, epochs: int) -> None:
    """Keep the events of the epochs that are done, each once, in one file; remove all others.

    Events that a killed process did not write completely are removed, too.

    Args:
        folder: The folder of the events.
        epochs: The number of epochs that are done.
    """
    paths = sorted(folder.glob("events.out.tfevents.*"))
    kept: dict[tuple[int, tuple[str, ...]], bytes] = {}
    for path in paths:
        for event in _events(path):
            tags = tuple(value.tag for value in event.summary.value)
            if 1 <= event.step <= epochs and not any(t.startswith(AFTERWARDS) for t in tags):
                kept.setdefault((event.step, tags), event.SerializeToString())
    if kept:
        with atomic_file(folder / KEPT) as scratch, tf.io.TFRecordWriter(str(scratch)) as writer:
            writer.write(Event(file_version="brain.Event:2").SerializeToString())
            for event_bytes in kept.values():
                writer.write(event_bytes)
    for path in paths:
        if path.name != KEPT or not kept:
            path.unlink()


def _events(path: Path) -> Iterator[Event]:
    """The events in a file that come before the first damaged one."""
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield Event.FromString(record)
    except tf.errors.DataLossError:
        pass
