"""Progress of a long run: a bar on a terminal, a line every few seconds elsewhere, a closing line always."""

from __future__ import annotations

import os
import sys
import time
from typing import NoReturn

from tqdm import tqdm

_LOG_SECONDS = 15.0


def log(message: str) -> None:
    """Write one line of progress to stderr; of processes that train together, the first one speaks for all."""
    if os.environ.get("RANK", "0") != "0":  # set by torchrun and accelerate launch
        return
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


class Progress:
    """Counts finished items and rejects; shows rate and time left.

    Args:
        label: Name of the run.
        total: Number of items in all.
    """

    def __init__(self, label: str, total: int) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self.rejects = 0
        self._start = self._last = time.monotonic()
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Progress:
        if self.total and sys.stderr.isatty():
            self._bar = tqdm(total=self.total, desc=self.label, unit="item")
        return self

    def advance(self, count: int, rejects: int = 0) -> None:
        """Count finished items and the rejects among them."""
        self.done += count
        self.rejects += rejects
        if self._bar is not None:
            if rejects:
                self._bar.set_postfix_str(f"{self.rejects} rejected", refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._last > _LOG_SECONDS:
            self._last = time.monotonic()
            rate = self.done / max(self._last - self._start, 1e-9)
            left = (self.total - self.done) / max(rate, 1e-9)
            log(f"{self.label}: {self.done}/{self.total}, {rate:.0f}/s{self._rejected()}, {left:.0f} s left")

    def _rejected(self) -> str:
        return f", {self.rejects} rejected" if self.rejects else ""

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self.total and self.done == self.total:
            seconds = time.monotonic() - self._start
            rate = self.done / max(seconds, 1e-9)
            log(f"{self.label}: {self.done} in {seconds:.1f} s ({rate:.0f}/s{self._rejected()})")
