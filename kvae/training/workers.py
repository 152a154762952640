"""Strategies of `tf.distribute`, and the processes that share a training as workers."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator

import tensorflow as tf

from kvae import registry
from kvae.errors import KvaeError, UsageError

JOIN_SECONDS = 300.0
"""How long workers wait for each other to be started."""


def new_strategy(name: str) -> tf.distribute.Strategy:
    """The devices or machines that share a training.

    It must be made before anything else is done with TensorFlow.

    Args:
        name: A name in `kvae.registry.STRATEGIES`.

    Raises:
        UsageError: There is no such name, or TF_CONFIG is missing or wrong.
        KvaeError: Another worker has not been started in time.
    """
    return registry.resolve(registry.STRATEGIES, name)()


def mirrored() -> tf.distribute.Strategy:
    """All GPUs of this machine, or its CPU if it has none."""
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    return tf.distribute.MirroredStrategy(devices)


def multiworker() -> tf.distribute.Strategy:
    """The workers that TF_CONFIG names; waits until all of them have been started."""
    addresses, index = _read_tf_config(os.environ.get("TF_CONFIG", ""))
    _meet(addresses, index, JOIN_SECONDS)
    with lost_workers():
        return tf.distribute.MultiWorkerMirroredStrategy()


def worker_index(strategy: tf.distribute.Strategy | None) -> int:
    """The number of the worker that this process is.

    Args:
        strategy: What `new_strategy` returned; None is a single process, which has number 0.

    Returns:
        0 for the chief, who writes the run and the saved model.
    """
    resolver = strategy.cluster_resolver if strategy else None
    return resolver.task_id or 0 if resolver else 0


def _read_tf_config(text: str) -> tuple[list[str], int]:
    """The addresses of all workers, and the number of this process among them.

    Raises:
        UsageError: The text is missing or wrong.
    """
    example = (
        '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    if not text:
        raise UsageError(
            f"`strategy=multiworker` needs the environment variable TF_CONFIG, such as {example}, "
            "with another index for each worker"
        )
    try:
        value = json.loads(text)
        addresses, task = list(value["cluster"]["worker"]), value["task"]
        kind, index = task["type"], int(task["index"])
        for address in addresses:
            host, port = address.rsplit(":", 1)
            if not host or not 0 < int(port) < 65536:
                raise ValueError(f"{address!r} is not HOST:PORT")
        if set(value["cluster"]) != {"worker"} or kind != "worker":
            raise ValueError("all tasks must be workers, of which the first is the chief")
        if not 0 <= index < len(addresses):
            raise ValueError(f"there is no worker {index} among {len(addresses)}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise UsageError(f"TF_CONFIG is wrong ({what}); it should be such as {example}") from error
    return addresses, index


def _meet(addresses: list[str], index: int, seconds: float) -> None:
    """Wait until all workers have been started. TensorFlow itself would wait without a limit.

    The other workers send their index to the chief, at the address that TensorFlow will use. The
    chief answers when it has heard from all of them.

    Raises:
        KvaeError: A worker has not been started in time, or the chief's address is taken.
    """
    deadline = time.monotonic() + seconds
    host, port = addresses[0].rsplit(":", 1)
    missing = set(range(1, len(addresses)))
    if index == 0:
        with contextlib.ExitStack() as stack:
            try:
                server = stack.enter_context(socket.create_server(("", int(port))))
            except OSError as error:
                raise KvaeError(f"cannot listen at {addresses[0]}: {error.strerror}") from error
            callers = []
            while missing:
                server.settimeout(max(0.01, deadline - time.monotonic()))
                try:
                    caller = stack.enter_context(server.accept()[0])
                    caller.settimeout(5)
                    missing.discard(caller.recv(1)[0])
                    callers.append(caller)
                except (OSError, IndexError):  # It is too late, or another program has connected.
                    if time.monotonic() > deadline:
                        raise _not_there(addresses, min(missing), seconds) from None
            for caller in callers:
                with contextlib.suppress(OSError):
                    caller.sendall(b"+")
        return
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host, int(port)), timeout=5) as chief:
                chief.sendall(bytes([index]))
                chief.settimeout(max(0.01, deadline - time.monotonic()))
                if chief.recv(1) == b"+":
                    return
        except OSError:
            pass
        time.sleep(0.2)
    raise _not_there(addresses, 0, seconds)


def _not_there(addresses: list[str], index: int, seconds: float) -> KvaeError:
    return KvaeError(
        f"worker {index} at {addresses[index]} has not been started within {seconds:g} s: start "
        "all workers, each with its own index in TF_CONFIG"
    )


@contextlib.contextmanager
def lost_workers() -> Iterator[None]:
    """Turn the errors that TensorFlow raises when another worker is gone into one line."""
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    ) as error:
        raise KvaeError(
            "another worker is gone, and training cannot continue without it: start all workers "
            "again with `resume`"
        ) from error
