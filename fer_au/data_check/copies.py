"""Photographs and persons that a data set has more than once, in numbers and lines."""

from __future__ import annotations

from collections import Counter

from fer_au.data_check.holdings import Holdings
from fer_au.data_check.result import Copies
from fer_au.datasets.copies import copy_lines


def count_copies(holdings: Holdings) -> Copies:
    """Count copies: of the same bytes among all pictures, of one photograph among those that were opened."""
    groups = holdings.survey.leaks.told
    exact = near = 0
    for group in groups:
        if group.kind != "same-person":
            contents = Counter(row.sha256 for row in group.rows)
            same = sum(number for number in contents.values() if number > 1)
            exact += same
            near += len(group.rows) - same if len(contents) > 1 else 0
    leaking = sum(group.leaks for group in groups)
    return Copies(exact, near, len(holdings.opened), leaking, tuple(copy_lines(groups)))
