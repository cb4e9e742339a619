"""The line of processes from the DVC that runs a stage down to the stage, and whether it still holds."""

from __future__ import annotations

import os
from collections.abc import Callable

import psutil

MARK = "DVC_STAGE"
"""The variable that DVC gives to what it starts: what has it from birth is below DVC, and DVC itself is not."""


class Ancestry:
    """The line from this process up to the one that DVC is.

    DVC starts a stage by a shell, which may become the stage's process, or stay and wait for it, as dash does; more
    shells and wrappers such as ``nice`` may follow. Such a process outlives a DVC that is killed, and then the stage's
    own parent says nothing. What stands above DVC is not looked at: under ``nohup``, the user's shell may end.

    Attributes:
        links: Process IDs of each process of the line, but for the last, and of its parent; from this process upwards.
    """

    def __init__(self) -> None:
        self.links: list[tuple[int, int]] = []
        self._ask_parent: list[Callable[[], int]] = []
        self._add(os.getpid(), os.getppid)
        name = os.environ.get(MARK)
        while name is not None and self.links[-1][1]:
            try:
                parent = psutil.Process(self.links[-1][1])
                if parent.environ().get(MARK) != name:
                    break
                self._add(parent.pid, parent.ppid)
            except psutil.Error:  # it ended just now, or is another user's: then it isn't what DVC started
                break

    def holds(self) -> bool:
        """Tell whether each process of the line still has the parent that it had.

        That comes before any other sign: a killed DVC may be there as a zombie for long, but nobody's parent any more.
        """
        for (_, parent), ask in zip(self.links, self._ask_parent, strict=True):
            try:
                if ask() != parent:
                    return False
            except psutil.NoSuchProcess:
                return False
            except psutil.Error:  # can't be told
                continue
        return True

    def _add(self, pid: int, ask_parent: Callable[[], int]) -> None:
        self.links.append((pid, ask_parent()))
        self._ask_parent.append(ask_parent)
