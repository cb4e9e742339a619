"""Answers of parts: an array of the agreed shape, type and range, or one line that names the part and what it gave.

Where a part's answer enters the pipeline, the kind of part checks it here. Numpy arrays and torch tensors are read
alike, and torch is not imported. Shapes and types cost microseconds; ``check_range`` reads all values, and may wait
for a GPU.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from fer_au.errors import PartError

# A numpy array or a torch tensor; their common subset has no static type. An answer may be anything else, too.
Array = Any
Dtype = Literal["float", "bool"]

_LONG = 60  # characters of a text that a message shows
_ROUNDING = 1e-4  # how far rounding may lead beyond the ends of a range


def check_array(
    owner: str, what: str, array: Array, shape: Sequence[int | str], dtype: Dtype = "float", like: Array = None
) -> None:
    """Check the shape, the type and the place of an array.

    Args:
        owner: Part that gave it, as ``Registry.title`` names it.
        what: Name of the answer, such as ``maps``.
        array: Answer of the part, anything.
        shape: Lengths of its axes; a letter stands for any length, and for the same one wherever it is repeated.
        dtype: Type of its values; floats may have any width.
        like: Array of whose library, and on whose device, it must be; None for any.

    Raises:
        PartError: It is something else.
    """
    expected = f"{axes(shape)} {dtype}"
    if not is_array(array):
        raise PartError(f"{owner} gave {what} of type {type(array).__name__}, expected {expected}")
    if not fits(tuple(array.shape), shape) or dtype not in str(array.dtype):
        raise PartError(f"{owner} gave {what} {axes(array.shape)} {_bare(array.dtype)}, expected {expected}")
    if like is not None and _place(array) != _place(like):
        raise PartError(f"{owner} gave {what} as a {_place(array)}, expected a {_place(like)} as its input is")


def check_range(
    owner: str,
    what: str,
    array: Array,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    wait: bool = True,
) -> None:
    """Check the values of an array: finite, and from ``low`` to ``high``.

    Args:
        owner: Part that gave it, as ``Registry.title`` names it.
        what: Name of the answer, such as ``maps``.
        array: Array of numbers; an empty one has no wrong values.
        low: Least value.
        high: Greatest value.
        wait: Whether to read values on a device, too, which waits for it; else only those in main memory are read.

    Raises:
        PartError: A value is NaN, infinite, or beyond.
    """
    if math.prod(array.shape) == 0 or not (wait or str(getattr(array, "device", "cpu")) == "cpu"):
        return
    # A NaN is the least and the greatest of its array, in numpy and in torch.
    least, greatest = float(array.min()), float(array.max())
    if math.isfinite(least) and math.isfinite(greatest) and low - _ROUNDING <= least and greatest <= high + _ROUNDING:
        return
    found = f"from {least:.4g} to {greatest:.4g}" if least == least else "that are NaN"
    bounds = "finite ones"
    if math.isfinite(low):
        bounds = f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
    raise PartError(f"{owner} gave {what} with values {found}, expected {bounds}")


def library_of(value: object) -> Literal["numpy", "torch"] | None:
    """Tell whether a value is a numpy array or a torch tensor; None for everything else, such as a table's column."""
    if isinstance(value, np.ndarray | np.generic):
        return "numpy"
    # A tensor can only come from a program that has imported torch.
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    return "torch" if tensor is not None and isinstance(value, tensor) else None


def is_array(value: object) -> bool:
    """Tell whether a value is a numpy array or a torch tensor."""
    return library_of(value) is not None


def axes(shape: Sequence[int | str]) -> str:
    """Write a shape as Python does, letters for any lengths.

    Example:
        >>> axes(("N", 68, 2)), axes((3,))
        ('(N, 68, 2)', '(3,)')
    """
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def describe(value: object) -> str:
    """Describe what somebody gave, for a message.

    Example:
        >>> import numpy as np
        >>> describe(np.zeros((2, 3))), describe("a.png"), describe([1, 2]), describe(None)
        ('a numpy array (2, 3) float64', "the text 'a.png'", 'a list', 'None')
    """
    if is_array(value):
        array: Array = value
        library = "numpy array" if library_of(array) == "numpy" else "torch tensor"
        return f"a {library} {axes(array.shape)} {_bare(array.dtype)}"
    if isinstance(value, str):
        return f"the text {shorten(value)!r}"
    if value is None or isinstance(value, bool | int | float):
        return shorten(repr(value))
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__}"
    return f"a value of type {type(value).__name__}"


def shorten(text: str) -> str:
    """Cut a text that a message shows."""
    return text if len(text) < _LONG else f"{text[:_LONG]}..."


def fits(found: tuple[int, ...], shape: Sequence[int | str]) -> bool:
    """Tell whether a shape is the expected one, in which a letter stands for any length, everywhere the same."""
    if len(found) != len(shape):
        return False
    letters: dict[str, int] = {}
    return all(
        length == (letters.setdefault(axis, length) if isinstance(axis, str) else axis)
        for length, axis in zip(found, shape, strict=True)
    )


def _bare(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")


def _place(array: Array) -> str:
    if library_of(array) == "numpy":
        return "numpy array"
    return f"torch tensor on {array.device}"
