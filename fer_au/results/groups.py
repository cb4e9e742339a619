"""Average the repeats of an experiment: runs with other seeds or folds and the same ``group``."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from fer_au.results.experiment import ExperimentResult

Member = TypeVar("Member")
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (n - 1) of one metric over a group; NaN deviation for a single member."""

    mean: float
    deviation: float
    n: int


def by_group(members: Iterable[Member], group: Callable[[Member], Key | None]) -> dict[Key, list[Member]]:
    """Sort members into their groups, in order of first appearance; those without a group (None) are left out."""
    groups: dict[Key, list[Member]] = {}
    for member in members:
        if (key := group(member)) is not None:
            groups.setdefault(key, []).append(member)
    return groups


def group_spreads(members: Sequence[ExperimentResult], keys: Sequence[str]) -> dict[str, Spread]:
    """Compute mean and deviation of each metric over the repeats of a group; undefined values are left out."""
    spreads = {}
    for key in keys:
        values = np.array([value for one in members if math.isfinite(value := one.number(key))])
        spreads[key] = Spread(
            float(values.mean()) if values.size else math.nan,
            float(values.std(ddof=1)) if values.size > 1 else math.nan,
            int(values.size),
        )
    return spreads
