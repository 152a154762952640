"""Training on several devices or machines, by `tf.distribute`.

Every replica has the same weights, takes its rows of each batch, and gets the sum of all replicas'
gradients. A worker is a process. Each has all the images, and derives their order from seed and
epoch.
"""

import json
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from kvae.config import TrainingConfig
from kvae.data import Dataset, random_numbers
from kvae.data.dataset import checksum
from kvae.errors import KvaeError, UsageError
from kvae.models.base import labels_of
from kvae.models.build import build
from kvae.models.plan import Computed, Plan, Sums, Update
from kvae.models.weights import variables
from kvae.training.epochs import CompiledEpoch
from kvae.training.optimizers import new_optimizer
from kvae.training.workers import lost_workers


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
            labels = labels_of(model, dataset, dataset.train)
            self._check_agreement(model, [images] if labels is None else [images, labels], epochs)
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
        """Run the epoch in one part, so that no worker stops where another goes on.

        Args:
            number: Number of the epoch, from 1.
            begin: How many of its steps are done already.
            totals: The sums over these steps; None at the beginning.

        Yields:
            How many steps are done, and the sums over all workers, float32 `[metrics]`.
        """
        with lost_workers():
            *_, (end, of_worker) = super().parts(number, begin)
            sums = self._total(tf.constant(of_worker)).numpy()
            self._push()
        yield end, sums if totals is None else sums + totals

    def _set_pace(self, steps: int, seconds: float) -> None:
        """Take all steps at a time, whatever they take.

        TensorFlow matches the exchanges of a loop by their number since it was entered: workers
        that entered it at different steps would wait for each other for ever.
        """

    @tf.function(autograph=False)
    def _total(self, of_worker: tf.Tensor) -> tf.Tensor:
        """The sum of the workers' values."""
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

    def _check_agreement(self, model: Any, data: list[np.ndarray], epochs: int) -> None:
        """Refuse workers that train other models, on other images, or from other epochs."""
        digest = zlib.crc32(json.dumps(model.config.to_json()).encode())
        for array in [np.array([*map(checksum, data), epochs]), *model.get_weights()]:
            digest = zlib.crc32(np.ascontiguousarray(array).data, digest)

        @tf.function(autograph=False)
        def digests() -> tf.Tensor:
            each = self._strategy.run(lambda: tf.constant([digest], tf.int64))
            return self._strategy.gather(each, axis=0)

        if len(set(digests().numpy().tolist())) > 1:
            raise KvaeError(
                "the workers were given different things to train: start all with the same "
                "options, the same images, and the same folder of runs to resume from"
            )


def _copier(targets: list[tf.Variable], sources: list[tf.Variable]) -> Callable[[], None]:
    """A function that gives variables the values of others."""

    def copy() -> None:
        for target, source in zip(targets, sources, strict=True):
            target.assign(source)

    return tf.function(copy, autograph=False)
