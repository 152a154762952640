"""Training on several devices or machines, by `tf.distribute`.

Every replica has the same weights, takes its rows of each batch, and gets the sum of all replicas'
gradients. A worker is a process; each has all the images, and finds their order by seed and epoch.
"""

import contextlib
import json
import os
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from kvae import registry
from kvae.config import TrainingConfig
from kvae.data import random_numbers
from kvae.data.dataset import Dataset, checksum
from kvae.errors import KvaeError, UsageError
from kvae.models.build import build
from kvae.models.plan import Computed, Plan, Sums, Update
from kvae.models.weights import variables
from kvae.training.epochs import CompiledEpoch
from kvae.training.optimizers import new_optimizer

JOIN_SECONDS = 300.0
"""So long workers wait for each other to be started."""


def new_strategy(name: str) -> tf.distribute.Strategy:
    """Where to train; to be made before anything else is done with TensorFlow.

    Args:
        name: A name in `kvae.registry.STRATEGIES`.

    Raises:
        UsageError: there is no such name, or TF_CONFIG is missing or wrong.
        KvaeError: another worker has not been started in time.
    """
    return registry.resolve(registry.STRATEGIES, name)()


def mirrored() -> tf.distribute.Strategy:
    """All GPUs of this machine; without any, its CPU."""
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    return tf.distribute.MirroredStrategy(devices)


def multiworker() -> tf.distribute.Strategy:
    """The workers that TF_CONFIG names, once all have been started."""
    addresses, index = _read_tf_config(os.environ.get("TF_CONFIG", ""))
    _meet(addresses, index, JOIN_SECONDS)
    with lost_workers():
        return tf.distribute.MultiWorkerMirroredStrategy()


def worker_index(strategy: tf.distribute.Strategy | None) -> int:
    """Which worker this process is; 0 is the chief, who keeps what comes of the training."""
    resolver = strategy.cluster_resolver if strategy else None
    return resolver.task_id or 0 if resolver else 0


def _read_tf_config(text: str) -> tuple[list[str], int]:
    """The workers' addresses, and which of them this process is.

    Raises:
        UsageError: they are not to be had.
    """
    example = (
        '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    if not text:
        raise UsageError(
            f"strategy multiworker needs the environment variable TF_CONFIG, such as {example}, "
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
    """Wait until all workers are there: TensorFlow itself would wait for ever, whatever happens.

    The others tell the chief their index at the address that TensorFlow will use, and it answers
    when it has heard from all.

    Raises:
        KvaeError: one has not come in time, or the chief's address is taken.
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
                except (OSError, IndexError):  # Too late, or someone else's connection.
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
    """Turn what TensorFlow says when another worker is gone into one line."""
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    ) as error:
        raise KvaeError(
            "another worker is gone, and training cannot go on without it: start all workers "
            "again, with --resume and the run's name"
        ) from error


class DistributedEpoch(CompiledEpoch):
    """An epoch whose batches are shared by the replicas of a strategy.

    The images, their order and the random numbers are those of `CompiledEpoch`: the weights come
    out the same but for rounding. XLA compiles what a replica computes from its images, but not the
    exchange of gradients, so that a step is several calls.

    The replicas train a copy of the model, whose weights are copied back after every epoch:
    whatever else is done with the model needs no strategy.

    Args:
        model: The model in training.
        plan: The model's plan, made of updates.
        dataset: Its training images are shared; every worker has all of them.
        config: Batch size, seed and whether to compile with XLA.
        strategy: Names the replicas.
        epochs: How many epochs are done already.

    Raises:
        UsageError: The replicas cannot share a batch equally, or the plan cannot be shared.
        KvaeError: Another worker is gone, or was given something else to train.
    """

    WHOLE = False

    def __init__(
        self,
        model: Any,
        plan: Plan,
        dataset: Dataset,
        config: TrainingConfig,
        strategy: tf.distribute.Strategy,
        epochs: int = 0,
    ) -> None:
        images = dataset.train.images
        replicas, batch_size = strategy.num_replicas_in_sync, min(config.batch_size, len(images))
        if batch_size % replicas:
            raise UsageError(
                f"batches of {batch_size} images cannot be shared equally by {replicas} devices: "
                f"choose a `batch_size` that is a multiple of {replicas}"
            )
        if not plan.updates:
            raise UsageError("such a training cannot be shared by several devices")
        self._strategy, self._jit = strategy, config.jit
        with lost_workers():
            self._check_agreement(model, images, epochs)
            with strategy.scope():
                copy = build(model.config, images)
                copied = copy.plan(dataset, partial(new_optimizer, config, len(images)))
                copied.enter(epochs + 1)
            self._locals = [self._local(update) for update in copied.updates]
            single = [*variables(model), *plan.state]
            shared = [*variables(copy), *copied.state]
            self._pull, self._push = _copier(shared, single), _copier(single, shared)
            super().__init__(copied, images, config, model.config.data.binarize)
            self._pace = self._feed.steps

    def _local(self, update: Update) -> Callable[..., tuple[Computed, Sums]]:
        """What a replica computes from its rows of a batch, compiled."""

        @tf.function(jit_compile=self._jit, autograph=False)
        def compute(*batch: Any) -> tuple[Computed, Sums]:
            return update.compute(self._batch(*batch))

        return compute

    def _compile(self) -> None:
        """Compile everything by a step, which is then undone."""
        self._take(0, 1, *self._nothing())
        self._total(tf.constant(self.no_totals))
        self._pull()
        self._push()

    def parts(
        self, number: int, begin: int = 0, totals: np.ndarray | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Run the epoch in one part: what the workers do between parts, all would have to do."""
        with lost_workers():
            *_, (end, of_worker) = super().parts(number, begin)
            sums = self._total(tf.constant(of_worker)).numpy()
            self._push()
        yield end, sums if totals is None else sums + totals

    def _set_pace(self, steps: int, seconds: float) -> None:
        """Take all steps at a time: workers that cut epochs by their own clocks never meet.

        TensorFlow tells the exchanges of a loop apart by their number since it was entered.
        """

    @tf.function(autograph=False)
    def _total(self, of_worker: tf.Tensor) -> tf.Tensor:
        """The sum over workers of what each has."""
        local = len(self._strategy.extended.worker_devices)
        shares = self._strategy.run(lambda: of_worker / local)
        return self._strategy.reduce("SUM", shares, axis=None)

    def _step(
        self,
        pixels: tf.Tensor,
        weight: tf.Tensor,
        index: tf.Tensor,
        step: tf.Tensor,
        seed: tf.Tensor,
        settings: dict[str, tf.Tensor],
    ) -> Sums:
        def on_replica() -> Sums:
            own = [random_numbers.own_rows(each) for each in (pixels, weight, index)]
            rows = own[0], own[1], tf.reduce_sum(weight), own[2], step, seed, settings
            sums: Sums = {}
            for update, compute in zip(self._plan.updates, self._locals, strict=True):
                computed, found = compute(*rows)
                update.apply(computed)
                sums |= found
            return sums

        each = self._strategy.run(on_replica)
        return {
            name: tf.add_n(self._strategy.experimental_local_results(value))
            for name, value in each.items()
        }

    def _check_agreement(self, model: Any, images: np.ndarray, epochs: int) -> None:
        """Make sure that all workers train the same: nothing else would tell."""
        digest = zlib.crc32(json.dumps(model.config.to_json()).encode())
        for array in [np.array([checksum(images), epochs]), *model.get_weights()]:
            digest = zlib.crc32(np.ascontiguousarray(array).data, digest)

        @tf.function(autograph=False)
        def digests() -> tf.Tensor:
            each = self._strategy.run(lambda: tf.constant([digest], tf.int64))
            return self._strategy.gather(each, axis=0)

        if len(set(digests().numpy().tolist())) > 1:
            raise KvaeError(
                "the workers were given different things to train: start all with the same "
                "options, the same images, and the same folder of runs to go on from"
            )


def _copier(targets: list[tf.Variable], sources: list[tf.Variable]) -> Callable[[], None]:
    """A function that gives variables the values of others."""

    def copy() -> None:
        for target, source in zip(targets, sources, strict=True):
            target.assign(source)

    return tf.function(copy, autograph=False)
