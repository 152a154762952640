"""Work side by side: in joblib's own processes, or on a cluster."""

import contextlib
import logging
import math
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from kvae import registry
from kvae.errors import KvaeError

T = TypeVar("T")

BACKENDS = {
    "loky": "kvae.experiments.backends:loky",
    "ray": "kvae.experiments.backends:ray",
    "dask": "kvae.experiments.backends:dask",
}
"""Where the runs of a sweep are trained: contexts that tell `joblib.Parallel` where to send them.

They import joblib, Ray and Dask only when they are entered.
"""


def side_by_side(
    tasks: Sequence[Callable[[], T]],
    jobs: int = 1,
    prepare: Callable[[], None] = lambda: None,
    backend: str = "loky",
) -> list[T]:
    """What each task gives, with several of them at work at the same time.

    Args:
        tasks: Functions without arguments, which can be pickled.
        jobs: How many at a time.
        prepare: Called in every other process before TensorFlow is imported there.
        backend: A name in `BACKENDS`.

    Raises:
        KvaeError: the backend is not to be had.
    """
    import joblib

    if jobs == 1 and backend == "loky":
        # One at a time is this process itself, with all its cores.
        return [task() for task in tasks]
    threads = max(1, _cores() // min(jobs, max(1, len(tasks))))
    with registry.resolve(BACKENDS, backend)() as most, warnings.catch_warnings():
        # Loky starts a process anew once it holds on to much memory, as compiled programs do.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs")
        # Ray's backend has no results before all are there.
        parallel = joblib.Parallel(n_jobs=min(jobs, most), batch_size=1, pre_dispatch="all")
        return list(parallel(joblib.delayed(_elsewhere)(task, threads, prepare) for task in tasks))


def _elsewhere(task: Callable[[], T], threads: int, prepare: Callable[[], None]) -> T:
    """Do a task in a process that may be new, and that shares its cores with others."""
    if "tensorflow" not in sys.modules:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
        prepare()
    return task()


def _cores() -> int:
    return len(getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0))


@contextlib.contextmanager
def loky() -> Iterator[float]:
    """Processes of this machine.

    Yields:
        How many jobs there can be at a time; so do the others.
    """
    import joblib

    # A process that cleans up after others tells the terminal so, once those were interrupted.
    given = os.environ.get("PYTHONWARNINGS")
    quiet = "ignore::UserWarning:joblib.externals.loky.backend.resource_tracker"
    os.environ["PYTHONWARNINGS"] = f"{given},{quiet}" if given else quiet
    try:
        with joblib.parallel_config("loky"):
            yield math.inf
    finally:
        if given is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = given


@contextlib.contextmanager
def ray() -> Iterator[float]:
    """The Ray cluster that `RAY_ADDRESS` names, or that `ray start --head` started here.

    Raises:
        KvaeError: Ray is not installed, or there is no such cluster.
    """
    import joblib

    # One attempt takes 40 seconds to fail; Ray would make twenty.
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")
    try:
        import ray as cluster
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise KvaeError("--backend ray needs Ray: pip install 'kvae[ray]'") from error
    try:
        _check_answers(os.environ.get("RAY_ADDRESS", ""))
        cluster.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError) as error:
        raise KvaeError(
            "no Ray cluster answers: start one with ray start --head, or name one with RAY_ADDRESS"
        ) from error
    try:
        register_ray()
        with joblib.parallel_config("ray"):
            # Ray refuses more than it has processors for.
            yield max(1, int(cluster.cluster_resources().get("CPU", 1)))
    finally:
        cluster.shutdown()


def _check_answers(address: str) -> None:
    """Fail at once where nothing answers at HOST:PORT; Ray itself takes long to."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), port), timeout=10).close()


@contextlib.contextmanager
def dask() -> Iterator[float]:
    """The Dask cluster whose scheduler `DASK_SCHEDULER_ADDRESS` names.

    Raises:
        KvaeError: Dask is not installed, or there is no such cluster.
    """
    import joblib

    try:
        import dask as settings
        from distributed import Client
    except ImportError as error:
        raise KvaeError("--backend dask needs Dask: pip install 'kvae[dask]'") from error
    address = settings.config.get("scheduler-address", None)
    if not address:
        raise KvaeError(
            "there is no Dask cluster named: start one with dask scheduler and dask worker, and "
            "set DASK_SCHEDULER_ADDRESS, such as tcp://127.0.0.1:8786"
        )
    try:
        client = Client(address, timeout=10)
    except OSError as error:
        raise KvaeError(f"no Dask scheduler answers at {address}: {error}") from error
    with client, joblib.parallel_config("dask"):
        yield math.inf
