"""Work on a Dask cluster (extra ``[cluster]``): the same tasks, functions and results as with local processes.

Workers need the same code of the package, the same numerical libraries and the pictures under the same paths; results
come back to the process that runs the stage, which alone writes the cache and the stores. A worker that dies is no
fault: Dask gives its task to another one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from fer_au.code.software import running_software
from fer_au.compute.base import Workers, use_one_thread
from fer_au.compute.progress import log
from fer_au.errors import ConfigError, FerAuError, MissingDependencyError

if TYPE_CHECKING:
    from distributed import Client

P = ParamSpec("P")
Result = TypeVar("Result")

_CONNECT_SECONDS = 20
_WORKER_SECONDS = 600
_RETRIES = 3
_ONE_TASK = threading.Lock()


@contextmanager
def open_cluster(address: str) -> Iterator[Workers]:
    """Connect to a scheduler and wait for its first worker.

    Raises:
        MissingDependencyError: Dask is not installed.
        ConfigError: Nobody answers at the address, no worker comes, or workers run other code or libraries.
    """
    client = _connect(address)
    try:
        _wait_for_workers(client, address)
        _check_versions(client)
        executor = _ClusterExecutor(client.get_executor(pure=False, retries=_RETRIES))
        yield Workers(executor, max(sum(client.ncores().values()), 1), local=False)
    finally:
        client.close()


def _connect(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError(
            "FER_AU_SCHEDULER is set, and Dask is not installed; run `pip install 'fer-au[cluster]'`"
        ) from error
    try:
        _check_address(address)
        return Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"FER_AU_SCHEDULER={address}: no Dask scheduler answers: {error}") from error


def _check_address(address: str) -> None:
    """Refuse an address of a form that Dask can't connect to: its client would hang in its own destructor.

    Raises:
        ValueError: The address, or the configuration for it, is bad.
    """
    from distributed.comm.addressing import get_address_host_port, parse_address
    from distributed.comm.registry import get_backend
    from distributed.security import Security

    scheme, _ = parse_address(address)
    get_backend(scheme)
    get_address_host_port(address)
    if scheme == "tls" and Security().get_connection_args("client").get("ssl_context") is None:
        raise ValueError("Dask's configuration names no certificates for TLS")


def _wait_for_workers(client: Client, address: str) -> None:
    if client.ncores():
        return
    log(f"{address}: waiting for the first worker")
    try:
        client.wait_for_workers(1, timeout=_WORKER_SECONDS)
    except TimeoutError as error:
        raise ConfigError(f"FER_AU_SCHEDULER={address}: no worker came in {_WORKER_SECONDS} s") from error


def _check_versions(client: Client) -> None:
    here = running_software()
    for worker, there in client.run(running_software, on_error="return").items():
        if not isinstance(there, dict):
            raise ConfigError(f"Dask worker {worker} has no fer_au, or an older one ({there}); install the same")
        for name, release in here.items():
            if (found := there.get(name)) != release:
                raise ConfigError(f"Dask worker {worker} has {name} {found}, this process {release}; install the same")


def _run_alone(function: Callable[..., Result], args: Sequence[object], kwargs: Mapping[str, object]) -> Result:
    """Run one call at a time in a worker process, however many threads it has: dlib and OpenCV need that."""
    with _ONE_TASK:
        use_one_thread()
        return function(*args, **kwargs)


class _ClusterExecutor(Executor):
    """A Dask executor whose tasks run like those of a local worker."""

    def __init__(self, inner: Executor) -> None:
        self._inner = inner

    def submit(self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> Future[Result]:
        return self._inner.submit(_run_alone, fn, args, kwargs)


def explain_lost(error: BaseException) -> FerAuError | None:
    """Explain in one line that Dask gave up a task; None for any other error."""
    if type(error).__name__ in ("KilledWorker", "CancelledError", "CommClosedError"):
        return FerAuError(f"the cluster lost a task ({error}); finished work is kept, run again to go on")
    return None
