"""Soft labels in columns of a label file: votes of several people, or probabilities, as shares that sum to 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_au.datasets.base import Annotations, Scan
from fer_au.datasets.labels import Fault
from fer_au.datasets.spelling import says_nothing
from fer_au.expressions import EXPRESSIONS, ordered, parse_expression
from fer_au.rejects import Reason

_ROUNDED = 0.05  # how far from 1 probabilities may sum to, whose decimals were cut


@dataclass(frozen=True)
class Shares:
    """What the cells of a row say.

    Attributes:
        values: Shares in the order of the expressions, which sum to 1; empty where all cells are.
        fault: What is wrong with the cells, or None.
    """

    values: tuple[float, ...] = ()
    fault: Fault | None = None


def check_expressions(columns: Mapping[str, object]) -> dict[str, object]:
    """Name columns by the canonical expressions, in their order.

    Raises:
        ValueError: A name is no expression, or two are the same.
    """
    named: dict[str, object] = {}
    for name, column in columns.items():
        expression = parse_expression(name)
        if expression is None:
            raise ValueError(f"{name!r} is no expression (known: {', '.join(EXPRESSIONS)})")
        if expression in named:
            raise ValueError(f"{expression} stands there twice")
        named[expression] = column
    if len(named) == 1:
        raise ValueError(f"{next(iter(named))} alone leaves nothing to share; name a column for each expression")
    return {name: named[name] for name in ordered(named)}


def read_shares(rows: Sequence[Sequence[str]]) -> list[Shares]:
    """Read the cells of all rows.

    Cells are probabilities, which sum to 1 in each row up to rounding, if no cell of the file is above 1 and some is no
    whole number; else they are votes, of any sum. An empty cell is 0.

    Args:
        rows: Cells of each row, one for each expression.
    """
    numbers = [_numbers(cells) for cells in rows]
    known = [value for row in numbers if not isinstance(row, str) for value in row]
    probabilities = max(known, default=0.0) <= 1 and any(not value.is_integer() for value in known)
    return [_share(row, probabilities=probabilities) for row in numbers]


def _numbers(cells: Sequence[str]) -> list[float] | str:
    """Read the numbers of a row, none where all cells are empty; a text about the fault where there is one."""
    if all(map(says_nothing, cells)):
        return []
    try:
        values = [0.0 if says_nothing(cell) else float(cell) for cell in cells]
    except ValueError:
        return f"soft label {', '.join(cells)} is not all numbers"
    if not all(math.isfinite(value) and value >= 0 for value in values):
        return f"soft label {', '.join(cells)} has a number that is negative or not finite"
    return values


def _share(values: list[float] | str, *, probabilities: bool) -> Shares:
    if isinstance(values, str):
        return Shares(fault=(Reason.BAD_ROW, values))
    total = sum(values)
    if values and not total:
        return Shares(fault=(Reason.UNLABELLED, "soft label without any vote or probability"))
    if values and probabilities and abs(total - 1) > _ROUNDED:
        return Shares(fault=(Reason.BAD_ROW, f"soft label sums to {total:g}; probabilities sum to 1"))
    return Shares(tuple(value / total for value in values))


def leading(shares: Shares, names: Sequence[str]) -> str:
    """Name the expression with the largest share, of equal ones the first; empty if there are no shares."""
    return names[int(np.argmax(shares.values))] if shares.values else ""


def with_shares(scan: Scan, shares: Mapping[str, Shares], names: Sequence[str]) -> Scan:
    """Add the column ``soft_label`` to the annotations of a scan.

    Args:
        scan: The scan.
        shares: Id of a face -> its shares.
        names: Expressions, in the order of the shares.
    """
    ids = tuple(record.id for record in scan.records)
    column = np.full((len(ids), len(names)), np.nan, np.float32)
    for row, id_ in enumerate(ids):
        if values := shares[id_].values:
            column[row] = values
    others, before = scan.annotations.align(ids), scan.annotations
    attributes = {**before.attributes, "soft_label_names": ",".join(names)}
    found: Annotations = replace(before, ids=ids, columns={**others, "soft_label": column}, attributes=attributes)
    return replace(scan, annotations=found)
