"""Progress of a long run: a bar on a terminal, a line every few seconds elsewhere, and one at its end."""

from __future__ import annotations

import os
import sys
import time
from typing import NoReturn

from tqdm import tqdm

from fer_au.terminal import visible

_LOG_SECONDS = 15.0
_SHORT_SECONDS = 1.0  # what takes less needs no line


def log(message: str) -> None:
    """Write one line of progress to stderr; of processes that train together, the first one speaks for all."""
    if os.environ.get("RANK", "0") != "0":  # set by torchrun and accelerate launch
        return
    sys.stderr.write(visible(message) + "\n")
    sys.stderr.flush()


class Progress:
    """Counts finished items and rejects; shows rate and time left.

    Args:
        label: Name of the run.
        total: Number of items in all; None where nobody knows it.
        unit: What the items are called; default nothing.
    """

    def __init__(self, label: str, total: int | None, unit: str = "") -> None:
        self.label = label
        self.total = total or 0
        self._known = total is not None
        self.unit = unit
        self.done = 0
        self.rejects = 0
        self._start = self._last = time.monotonic()
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Progress:
        if (self.total or not self._known) and sys.stderr.isatty():
            self._bar = tqdm(total=self.total or None, desc=self.label, unit=f" {self.unit}" if self.unit else "item")
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
            of, left = "", ""
            if self._known:
                of, left = f"/{self.total}", f", {in_words(max(self.total - self.done, 0) / max(rate, 1e-9))} left"
            log(f"{self.label}: {self.done}{of}{self._unit}, {per_second(rate)}/s{self._rejected()}{left}")

    def _rejected(self) -> str:
        return f", {self.rejects} rejected" if self.rejects else ""

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self.total and self.done == self.total:
            seconds = time.monotonic() - self._start
            if seconds >= _SHORT_SECONDS:
                rate = per_second(self.done / seconds)
                log(f"{self.label}: {self.done}{self._unit} in {in_words(seconds)} ({rate}/s{self._rejected()})")

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


def per_second(rate: float) -> str:
    """Write a number of items per second, slow ones with two digits: ``154``, ``7.3``, ``0.042``."""
    return f"{rate:.0f}" if rate >= 9.95 else f"{rate:.2g}"


def in_words(seconds: float) -> str:
    """Write a duration as people say it: ``45 s``, ``3 min 20 s``, ``25 min``, ``2 h 10 min``."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < 595:
        minutes, rest = divmod(round(seconds / 10), 6)
        return f"{minutes} min {10 * rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
