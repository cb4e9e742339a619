"""Means over the steps of an epoch."""

from __future__ import annotations

import math
from collections import defaultdict


class Meter:
    """Weighted running means by name."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._weights: dict[str, float] = defaultdict(float)

    def add(self, name: str, mean: float, weight: float) -> None:
        """Take in the mean of ``weight`` items; zero items leave no trace."""
        if weight:
            self._sums[name] += mean * weight
            self._weights[name] += weight

    def has(self, name: str) -> bool:
        """Whether there were any items of that name."""
        return name in self._weights

    def mean(self, name: str) -> float:
        """The mean over all items, NaN if there were none."""
        return self._sums[name] / self._weights[name] if self.has(name) else math.nan
