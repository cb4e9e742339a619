"""Folds of persons: who is tested together, for sets that name their persons and come without folds."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import Field

from fer_au.datasets.base import LayoutError
from fer_au.datasets.labels import LabelMapConfig


class FoldedConfig(LabelMapConfig):
    """Keys of every adapter of a set of named persons.

    Attributes:
        folds: Number of folds that the persons are divided into, named from 0: in the order of their names, each in the
            next fold. An experiment's `fold` holds one out; 0 makes none.
    """

    folds: Annotated[int, Field(ge=0, le=1000)] = 10

    @property
    def fold_names(self) -> tuple[str, ...]:
        """Names of the folds."""
        return tuple(map(str, range(self.folds)))


def divide_persons(persons: Collection[str], folds: int) -> dict[str, str | None]:
    """Name the fold of each person; nothing but the persons' names decides it.

    Args:
        persons: Names of the persons.
        folds: Number of the folds; 0 for none.

    Raises:
        LayoutError: More folds than persons, or a single fold, which leaves nobody to train on.
    """
    names = sorted({*persons})
    if folds == 1:
        raise LayoutError((("folds",), "one fold leaves nobody to train on: say 0 for none, or 2 at least"))
    if folds > len(names) > 0:
        raise LayoutError((("folds",), f"{folds} folds of {len(names)} persons; say {len(names)} at most"))
    return {name: str(place % folds) if folds else None for place, name in enumerate(names)}
