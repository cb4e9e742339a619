"""Truth values where numbers are meant: Python counts them as 1 and 0, and a setting would change without a word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator


def number_for_truth(kind: object, value: object) -> Literal["int_type", "float_type"] | None:
    """Tell which number a field takes where a truth value is written, alone, in a list or in a mapping.

    Args:
        kind: Type of the field.
        value: What is written.

    Returns:
        Type of pydantic's error; None where no truth value stands, the field may hold one, or its parts have validators
        of their own, which say better what is wrong.

    Example:
        >>> number_for_truth(list[float] | None, [0.5, True])
        'float_type'
    """
    leaves = set(_leaves(kind))
    wanted: Literal["int_type", "float_type"] | None
    wanted = "float_type" if float in leaves else "int_type" if int in leaves else None
    if wanted is None or bool in leaves or Any in leaves or object in leaves:
        return None
    if any(isinstance(leaf, BeforeValidator) for leaf in leaves):
        return None
    inside = any(isinstance(leaf, type) and issubclass(leaf, BaseModel) for leaf in leaves)  # it looks at its own
    return wanted if isinstance(value, bool) or (not inside and _holds_truth(value, set())) else None


def _leaves(kind: object) -> Iterator[object]:
    parts = get_args(kind)
    if not parts:
        yield kind
    for part in parts:
        yield from _leaves(part)


def _holds_truth(value: object, seen: set[int]) -> bool:
    """Tell whether a truth value lies in lists and mappings, each looked at once: aliases of YAML repeat them."""
    if isinstance(value, bool):
        return True
    if not isinstance(value, Mapping | list | tuple) or id(value) in seen:
        return False
    seen.add(id(value))
    return any(_holds_truth(item, seen) for item in (value.values() if isinstance(value, Mapping) else value))
