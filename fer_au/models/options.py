"""Checks of the options of heads and networks: a bad value is a ValueError that names the option."""

from __future__ import annotations

import math
from collections.abc import Sequence


def number(name: str, value: float, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number from ``low`` to ``high``, both included.

    Raises:
        ValueError: It is not.
    """
    real = isinstance(value, int | float) and not isinstance(value, bool)
    if not real or not math.isfinite(value) or not low <= value <= high:
        limits = f" from {low:g} to {high:g}" if math.isfinite(high) else f" >= {low:g}" if math.isfinite(low) else ""
        raise ValueError(f"{name} must be a number{limits}, not {value!r}")
    return float(value)


def share(name: str, value: float) -> float:
    """A share of a whole, in (0, 1].

    Raises:
        ValueError: It is not.
    """
    if number(name, value, 0, 1) == 0:
        raise ValueError(f"{name} must be above 0")
    return float(value)


def count(name: str, value: int, low: int = 1) -> int:
    """A whole number of at least ``low``.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} must be a whole number >= {low}, not {value!r}")
    return value


def counts(name: str, values: Sequence[int]) -> tuple[int, ...]:
    """A list of whole numbers >= 1; it may be empty.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(values, list | tuple):
        raise ValueError(f"{name} must be a list of whole numbers, not {values!r}")
    return tuple(count(f"{name}[{i}]", value) for i, value in enumerate(values))


def choice(name: str, value: str, known: Sequence[str]) -> str:
    """One of the known words.

    Raises:
        ValueError: It is not.
    """
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
    return value


def flag(name: str, value: bool) -> bool:
    """Yes or no.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, not {value!r}")
    return value
