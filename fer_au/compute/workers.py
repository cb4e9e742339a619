"""The workers that the environment names: this process, local processes, or the lab's Dask cluster.

Both settings are environment, never parameters, since they must not change a result or invalidate a stage:
``FER_AU_WORKERS`` is the number of local processes (default: the processors this process may use), and
``FER_AU_SCHEDULER`` the address of a Dask scheduler, such as ``tcp://host:8786``.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import ParamSpec, TypeVar

from fer_au.compute import main_module, preload
from fer_au.compute.base import InlineExecutor, Workers, use_one_thread
from fer_au.ending import uninterrupted
from fer_au.errors import ConfigError, FerAuError

P = ParamSpec("P")
Result = TypeVar("Result")

DIED = "a worker process died (killed, or out of memory); finished work is kept"

_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # Large pages where the kernel lends them: a landmark predictor jumps about in 100 MB of trees, and a quarter of its
    # time and more went into finding the pages. Other C libraries ignore the variable.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""Environment of local workers. A user's own value of the last variable is kept."""


def worker_count() -> int:
    """Count the local workers to use: ``FER_AU_WORKERS``, else the processors this process may run on.

    Raises:
        ConfigError: The variable is not a positive integer.
    """
    text = os.environ.get("FER_AU_WORKERS", "").strip()
    if not text:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"FER_AU_WORKERS must be a positive integer, not {text!r}")
    return int(text)


@contextmanager
def open_workers(
    tasks: int, workers: int | None = None, *, runs: object = None, threads: bool = False
) -> Iterator[Workers]:
    """Start the workers that the environment names; when the block ends, running tasks are finished, others dropped.

    Args:
        tasks: Number of tasks to come; no more local workers than that are started, and one task runs in this process.
        workers: Number of local processes, instead of ``worker_count()`` or a cluster.
        runs: Function that the workers will run, see ``warm_workers``.
        threads: Whether local workers are threads: for tasks that read and hash, and so let others run.

    Raises:
        ConfigError: A bad setting, or a scheduler that can't be reached.
        MissingDependencyError: Dask is asked for and not installed.
    """
    address = _scheduler()
    count = min(workers or worker_count(), tasks)
    if address and tasks and workers is None:
        from fer_au.compute.dask_cluster import open_cluster

        with open_cluster(address) as cluster:
            yield cluster
    elif count <= 1:
        yield Workers(InlineExecutor(), 1)
    else:
        pool = ThreadPoolExecutor(count) if threads else _open_processes(count, runs)
        with pool as executor:
            try:
                yield Workers(executor, count)
            finally:
                executor.shutdown(wait=True, cancel_futures=True)


def warm_workers(tasks: int, runs: object) -> None:
    """Begin to load the needs of local workers in the background, if ``open_workers`` will start some for ``tasks``.

    The module of ``runs`` is imported and its method ``load``, if it has one, called in the process that all workers
    of this one are forked from: once, and they share the memory. Later calls of other modules change nothing.
    """
    if not _scheduler() and min(worker_count(), tasks) > 1 and _METHOD == "forkserver":
        with _worker_environment(runs), _told():
            _fork_context(runs)


def _scheduler() -> str:
    return os.environ.get("FER_AU_SCHEDULER", "").strip()


# fork is unsafe once threads run (torch, OpenCV); spawn would import everything anew per worker.
_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


@contextmanager
def _open_processes(workers: int, runs: object) -> Iterator[Executor]:
    importable = main_module.can_be_imported()
    if not importable:
        main_module.check_not_needed(runs)
    with _worker_environment(runs):
        with _told():
            processes = _Processes(workers, importable, _fork_context(runs))
        with processes as pool:
            yield pool


@contextmanager
def _told() -> Iterator[None]:
    """Say in one line that processes can't be started, or have ended where nothing asked them to.

    Raises:
        FerAuError: That is so.
    """
    try:
        yield
    except BrokenProcessPool as error:
        raise FerAuError(DIED) from error
    except (OSError, EOFError, ImportError, NotImplementedError) as error:  # the last two: no semaphores here
        why = getattr(error, "strerror", None) or str(error) or "they end at once"
        raise FerAuError(
            f"worker processes can't be started: {why}; is there memory for them, and may this account have so many? "
            "FER_AU_WORKERS=1 does without"
        ) from error


class _Processes(ProcessPoolExecutor):
    """Local processes, each started when a task first needs one more.

    Args:
        workers: Number of processes at most.
        importable: Whether they import the user's script.
        context: How they are started.
    """

    def __init__(self, workers: int, importable: bool, context: BaseContext) -> None:
        super().__init__(workers, mp_context=context, initializer=_start_worker)
        self._importable = importable

    def submit(self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> Future[Result]:
        """Hand over a task; Ctrl-C in the midst would leave a process behind that nobody knows."""
        with uninterrupted(), _told(), nullcontext() if self._importable else main_module.left_out():
            return super().submit(fn, *args, **kwargs)


def _fork_context(runs: object) -> BaseContext:
    context = multiprocessing.get_context(_METHOD)
    if _METHOD == "forkserver":
        if _module(runs) != "__main__":
            context.set_forkserver_preload([preload.__name__])
        _start_fork_server()
    return context


def _start_fork_server() -> None:
    """Start the process that workers are forked from, deaf to Ctrl-C from its first moment on: that is ours to handle.

    A signal that is blocked stays so in processes that are started meanwhile, and in theirs.
    """
    with _environment({"PYTHONWARNINGS": "ignore:resource_tracker"}):  # it would count what a killed run leaves
        resource_tracker.ensure_running()  # it blocks signals itself, and lets them through afterwards
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _module(runs: object) -> str:
    return getattr(runs, "__module__", "__main__")


@contextmanager
def _worker_environment(runs: object) -> Iterator[None]:
    """Set the environment in which workers, and the process that they are forked from, start."""
    wanted = {**_ENVIRONMENT, **_import_environment()}
    if (own := os.environ.get("GLIBC_TUNABLES")) is not None:
        wanted["GLIBC_TUNABLES"] = own
    if _module(runs) != "__main__":
        wanted |= preload.preload_request(_module(runs), getattr(runs, "load", None))
    with _environment(wanted):
        yield


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment for a block."""
    saved = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _import_environment() -> dict[str, str]:
    """Make the environment in which a new process imports the very package that this one runs, wherever it starts.

    Python would look into the working directory first, and then for what the environment has installed.
    """
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_one_thread()


def _end_with_parent() -> None:
    """End this worker when its parent process was killed: nobody would ever take its results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
