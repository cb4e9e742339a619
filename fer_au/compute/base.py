"""Workers of any kind, and the executor of tasks that run in this process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Workers:
    """Workers that run tasks, of any kind.

    Attributes:
        executor: Executor that takes the tasks, as ``concurrent.futures`` defines it.
        slots: Number of tasks that run at once.
        local: Whether tasks run on this machine, and so can use its files and folders.
    """

    executor: Executor
    slots: int
    local: bool = True

    @property
    def in_flight(self) -> int:
        """Number of tasks to have submitted at a time: enough that no worker waits, few enough to bound memory."""
        return 2 * self.slots if self.slots > 1 or not self.local else 1


class InlineExecutor(Executor):
    """Runs a task where it is submitted; its errors, Ctrl-C included, are raised there."""

    def submit(self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> Future[Result]:
        """Run the task at once."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def use_one_thread() -> None:
    """Keep OpenCV to one thread: workers share the processors among themselves."""
    import cv2

    cv2.setNumThreads(1)
