"""Where the runs of a sweep are trained: joblib's own processes, or a cluster's."""

import contextlib
import logging
import os
from collections.abc import Iterator

from kvae.errors import KvaeError


@contextlib.contextmanager
def loky() -> Iterator[None]:
    """Processes of this machine."""
    import joblib

    with joblib.parallel_config("loky"):
        yield


@contextlib.contextmanager
def ray() -> Iterator[None]:
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
        cluster.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError) as error:
        raise KvaeError(
            "no Ray cluster answers: start one with ray start --head, or name one with RAY_ADDRESS"
        ) from error
    try:
        register_ray()
        with joblib.parallel_config("ray"):
            yield
    finally:
        cluster.shutdown()


@contextlib.contextmanager
def dask() -> Iterator[None]:
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
        yield
