"""Time the operations of a training step with TensorFlow's profiler."""

import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.contestants import kvae
from benchmarks.problems import PROBLEMS

# Events whose names have these words contain operations and are not operations themselves.
_OUTER = ("Execut", "Eager", "TFE_", "inference", "BlockUntilReady", "epoch", "Kernel", "run")


def profile(problem: str, rows: int) -> list[tuple[str, float]]:
    """Find the operations that take longest in an epoch.

    Operations that do not depend on each other may run at the same time, so their times overlap.

    Args:
        problem: The name of the problem, in `benchmarks.problems.PROBLEMS`.
        rows: How many operations are returned.

    Returns:
        The name that XLA gives each operation, and its microseconds in a step.
    """
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    settings = PROBLEMS[problem]
    epoch = kvae(settings)
    epoch()
    steps = -(-len(settings.load().train) // settings.batch_size)
    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=3, python_tracer_level=0)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, options=options)
        epoch()
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    microseconds: Counter[str] = Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if not any(word in name for word in _OUTER):
                    microseconds[name] += event.duration_ps / 1e6 / steps
    return microseconds.most_common(rows)
