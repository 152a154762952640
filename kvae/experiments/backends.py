"""Run several tasks at the same time: in processes of this machine, or on a cluster."""

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
from kvae.io.machine import cores

T = TypeVar("T")

BACKENDS = {
    "loky": "kvae.experiments.backends:loky",
    "ray": "kvae.experiments.backends:ray",
    "dask": "kvae.experiments.backends:dask",
}
"""Where the runs of a sweep can be trained: context managers that configure `joblib.Parallel`.

Each yields how many tasks it can run at the same time. joblib, Ray and Dask are imported only when
a context manager is entered.
"""


def side_by_side(
    tasks: Sequence[Callable[[], T]],
    jobs: int = 1,
    prepare: Callable[[], None] = lambda: None,
    backend: str = "loky",
) -> list[T]:
    """Run tasks, several of them at the same time, and collect their results.

    Args:
        tasks: Functions without arguments. They are pickled to be sent to other processes.
        jobs: How many tasks run at the same time.
        prepare: Called in every new process before TensorFlow is imported there.
        backend: Where the tasks run; a name in `BACKENDS`.

    Returns:
        What each task returned, in the order of the tasks.

    Raises:
        KvaeError: the backend is not installed, or its cluster does not answer.
    """
    import joblib

    if jobs == 1 and backend == "loky":
        # A single task at a time runs in this process and uses all its cores.
        return [task() for task in tasks]
    threads = max(1, cores() // min(jobs, max(1, len(tasks))))
    with registry.resolve(BACKENDS, backend)() as most, warnings.catch_warnings():
        # joblib restarts processes that use much memory, as those with compiled programs do.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs")
        # All tasks are sent at once: Ray returns no result before it has all of them.
        parallel = joblib.Parallel(n_jobs=min(jobs, most), batch_size=1, pre_dispatch="all")
        return list(parallel(joblib.delayed(_elsewhere)(task, threads, prepare) for task in tasks))


def _elsewhere(task: Callable[[], T], threads: int, prepare: Callable[[], None]) -> T:
    """Run a task in a process that shares its cores with others and may have just started."""
    if "tensorflow" not in sys.modules:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
        prepare()
    return task()


@contextlib.contextmanager
def loky() -> Iterator[float]:
    """Run tasks in processes of this machine.

    Yields:
        How many tasks can run at the same time: any number.
    """
    import joblib

    # After an interruption, joblib's clean-up process would print warnings to the terminal.
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
    """Run tasks on the Ray cluster at `RAY_ADDRESS`, or else on one that runs on this machine.

    Yields:
        How many tasks can run at the same time: as many as the cluster has processors.

    Raises:
        KvaeError: Ray is not installed, or no cluster answers.
    """
    import joblib

    # A failed attempt to connect takes 40 seconds, and Ray would make twenty of them.
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")
    try:
        import ray as cluster
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise KvaeError("`backend=ray` needs Ray: pip install 'kvae[ray]'") from error
    try:
        _check_answers(os.environ.get("RAY_ADDRESS", ""))
        cluster.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError) as error:
        raise KvaeError(
            "no Ray cluster answers: start one with Ray's command ray start, or set RAY_ADDRESS to "
            "the address of a running one"
        ) from error
    try:
        register_ray()
        with joblib.parallel_config("ray"):
            # Ray accepts no more tasks at the same time than it has processors.
            yield max(1, int(cluster.cluster_resources().get("CPU", 1)))
    finally:
        cluster.shutdown()


def _check_answers(address: str) -> None:
    """Fail at once if nothing answers at an address `HOST:PORT`, which Ray takes long to notice."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), port), timeout=10).close()


@contextlib.contextmanager
def dask() -> Iterator[float]:
    """Run tasks on the Dask cluster whose scheduler is at `DASK_SCHEDULER_ADDRESS`.

    Yields:
        How many tasks can run at the same time: any number, since Dask queues them.

    Raises:
        KvaeError: Dask is not installed, or no scheduler answers.
    """
    import joblib

    try:
        import dask as settings
        from distributed import Client
    except ImportError as error:
        raise KvaeError("`backend=dask` needs Dask: pip install 'kvae[dask]'") from error
    address = settings.config.get("scheduler-address", None)
    if not address:
        raise KvaeError(
            "no Dask cluster is given: start one with dask scheduler and dask worker, and set "
            "DASK_SCHEDULER_ADDRESS to its address, such as tcp://127.0.0.1:8786"
        )
    try:
        client = Client(address, timeout=10)
    except OSError as error:
        raise KvaeError(f"no Dask scheduler answers at {address}: {error}") from error
    with client, joblib.parallel_config("dask"):
        yield math.inf
