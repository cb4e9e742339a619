"""Parallel maps with bounded memory and progress: results in the tasks' order, or as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from fer_au.compute.base import Workers
from fer_au.compute.progress import Progress
from fer_au.compute.workers import DIED, open_workers
from fer_au.errors import FerAuError

Task = TypeVar("Task")
Result = TypeVar("Result")


def batched(items: Sequence[Task], size: int) -> list[Sequence[Task]]:
    """Cut a sequence into consecutive pieces of at most ``size``."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def map_ordered(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    label: str,
    weights: Sequence[int] | None = None,
    workers: int | None = None,
    threads: bool = False,
) -> Iterator[Result]:
    """Apply a picklable function to tasks in parallel; results come in the tasks' order.

    At most a few tasks per worker are in flight, so memory stays bounded however many tasks there are. With one worker
    or one task everything runs inline.

    Args:
        function: Module-level function or picklable object; it runs in another process.
        tasks: Arguments of the function, one per call.
        label: Name in the progress line.
        weights: Items per task, for the progress count; default 1 each.
        workers: Number of local workers, instead of ``worker_count()`` or a cluster.
        threads: Whether local workers are threads, see ``open_workers``.

    Raises:
        FerAuError: A worker died (killed, out of memory), or ``function`` raised a FerAuError.
    """
    sizes = weights or [1] * len(tasks)
    with (
        Progress(label, sum(sizes)) as progress,
        open_workers(len(tasks), workers, runs=function, threads=threads) as pool,
    ):
        for size, result in zip(sizes, in_order(pool.executor, function, tasks, pool.in_flight), strict=True):
            progress.advance(size)
            yield result


def map_unordered(workers: Workers, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """Apply a picklable function to tasks in parallel; results come as they are ready.

    Tasks are drawn as workers get free, so that only a few exist at a time.

    Raises:
        FerAuError: A worker died (killed, out of memory), or ``function`` raised a FerAuError.
    """
    pending: set[Future[Result]] = set()
    for task in tasks:
        pending.add(workers.executor.submit(function, task))
        if len(pending) >= workers.in_flight:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from map(_result, done)
    while pending:
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        yield from map(_result, done)


def in_order(
    executor: Executor, function: Callable[[Task], Result], tasks: Iterable[Task], in_flight: int
) -> Iterator[Result]:
    """Apply a function to tasks in parallel, at most ``in_flight`` at a time; results come in the tasks' order.

    Raises:
        FerAuError: A worker died (killed, out of memory), or ``function`` raised a FerAuError.
    """
    waiting: deque[Future[Result]] = deque()
    for task in tasks:
        waiting.append(executor.submit(function, task))
        if len(waiting) >= in_flight:
            yield _result(waiting.popleft())
    while waiting:
        yield _result(waiting.popleft())


def _result(future: Future[Result]) -> Result:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise FerAuError(DIED) from error
    except Exception as error:
        from fer_au.compute.dask_cluster import explain_lost

        if (lost := explain_lost(error)) is not None:
            raise lost from error
        raise
