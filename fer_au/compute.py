"""One ordered parallel map for every stage: local processes, one thread each, progress on a terminal or in log lines.

The number of workers is environment (``FER_AU_WORKERS``), never a parameter: it must not change a result or
invalidate a stage.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import NoReturn, TypeVar

from tqdm import tqdm

from fer_au.errors import ConfigError, FerAuError

Task = TypeVar("Task")
Result = TypeVar("Result")

_LOG_SECONDS = 15.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def worker_count() -> int:
    """Workers to use: ``FER_AU_WORKERS``, else the processors this process may run on.

    Raises:
        ConfigError: The variable is not a positive integer.
    """
    text = os.environ.get("FER_AU_WORKERS", "").strip()
    if not text:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"FER_AU_WORKERS must be a positive integer, not {text!r}")
    return int(text)


def log(message: str) -> None:
    """One line of progress for people, on stderr."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


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
) -> Iterator[Result]:
    """Apply a picklable function to tasks in parallel; results come in the tasks' order.

    At most a few tasks per worker are in flight, so memory stays bounded however many tasks there are. With one worker
    or one task everything runs inline.

    Args:
        function: Runs in another process: a module-level function or a picklable object.
        tasks: What it is applied to.
        label: For the progress line.
        weights: Items per task, for the progress count; default 1 each.
        workers: Overrides ``worker_count()``.

    Raises:
        FerAuError: A worker died (killed, out of memory), or ``function`` raised one.
    """
    count = min(workers or worker_count(), len(tasks))
    sizes = weights or [1] * len(tasks)
    with Progress(label, sum(sizes)) as progress:
        results = map(function, tasks) if count <= 1 else _map_processes(function, tasks, count)
        for size, result in zip(sizes, results, strict=True):
            progress.advance(size)
            yield result


def _map_processes(function: Callable[[Task], Result], tasks: Iterable[Task], workers: int) -> Iterator[Result]:
    # forkserver: fork is unsafe once threads run (torch, OpenCV); spawn would import everything anew per worker.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    saved = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
            waiting: deque[Future[Result]] = deque()
            try:
                for task in tasks:
                    waiting.append(pool.submit(function, task))
                    if len(waiting) >= 3 * workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            except BrokenProcessPool:
                raise FerAuError("a worker process died (killed, or out of memory); finished work is kept") from None
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start_worker() -> None:
    import signal

    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    cv2.setNumThreads(1)


class Progress:
    """Progress of a long run: a bar on a terminal, a line every few seconds elsewhere, a closing line always."""

    def __init__(self, label: str, total: int) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self._start = self._last = time.monotonic()
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Progress:
        if self.total and sys.stderr.isatty():
            self._bar = tqdm(total=self.total, desc=self.label, unit="item")
        return self

    def advance(self, count: int) -> None:
        """Count finished items."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
        elif time.monotonic() - self._last > _LOG_SECONDS:
            self._last = time.monotonic()
            rate = self.done / max(self._last - self._start, 1e-9)
            remaining = (self.total - self.done) / max(rate, 1e-9)
            log(f"{self.label}: {self.done}/{self.total}, {rate:.0f}/s, {remaining:.0f} s left")

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self.total and self.done == self.total:
            seconds = time.monotonic() - self._start
            log(f"{self.label}: {self.done} in {seconds:.1f} s ({self.done / max(seconds, 1e-9):.0f}/s)")
