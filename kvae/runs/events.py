"""TensorBoard events of a run that is gone on with."""

from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event

from kvae.io.files import atomic_file

AFTERWARDS = "figures/"
"""Tags of what is written once, when the training is over."""
KEPT = "events.out.tfevents.0000000001.kvae"
"""Names have the time in them, and TensorBoard reads files in the order of their names."""


def rewind(folder: Path, epochs: int) -> None:
    """Keep the events of epochs 1 to `epochs`, each once, in one file; drop all others.

    Whatever a process that was killed left half-written is dropped, too.
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
    """The events in a file, up to the first that is damaged."""
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield Event.FromString(record)
    except tf.errors.DataLossError:
        pass
