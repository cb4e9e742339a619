"""Count the photographs and persons that lie in two splits or folds, or have two labels, for the data section."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from fer_au.datasets.leaks import LeakRow

_NAMED = 2


@dataclass(frozen=True)
class LeakPart:
    """Groups of one kind with one problem.

    Attributes:
        kind: What the faces of a group share, in words.
        problem: What is wrong, in words.
        groups: Number of groups.
        faces: Number of their faces.
        dropped: Number of faces that were dropped.
        example: Ids of the first group's first faces.
    """

    kind: str
    problem: str
    groups: int
    faces: int
    dropped: int
    example: str


def leak_parts(rows: Sequence[LeakRow]) -> list[LeakPart]:
    """Sum up ``leaks.csv`` by kind and problem: what lies between parts first, then what has several labels."""
    found: dict[tuple[str, str], list[LeakRow]] = defaultdict(list)
    for row in rows:
        found[row.kind, row.problem].append(row)
    parts = []
    for (kind, problem), same in found.items():
        first = [row.id for row in same if row.group == same[0].group][:_NAMED]
        numbers = len({row.group for row in same}), sum(row.faces for row in same), sum(row.dropped for row in same)
        parts.append(LeakPart(kind.replace("-", " "), problem, *numbers, " = ".join(first)))
    return sorted(parts, key=lambda part: (not part.problem.startswith("between"), -part.groups, part.kind))
