"""Arrays that are arguments of public functions: numbers in any form that holds them, as one numpy array or tensor.

Numpy arrays and torch tensors of any strides and any type that holds such numbers are taken, and lists, tuples,
iterators and columns of tables. What is a tensor stays one, on its device and in its graph; all else becomes numpy.
Torch is not imported. Shapes and types cost microseconds, and nothing waits for a device, unless it is said.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from os import PathLike
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from fer_au.answers import axes, describe, fits, is_array, library_of
from fer_au.errors import ArgumentError

Kind = Literal["number", "float", "integer", "bool"]
Library = Literal["numpy", "torch"]
Array = Any  # a numpy array or a torch tensor; their common subset has no static type
Points = Any  # landmarks in either
Like = TypeVar("Like")

# How the names of the types begin that hold such values. A mask holds numbers: 0 and 1.
_TYPES = {
    "number": ("float", "bfloat", "int", "uint", "bool"),
    "float": ("float", "bfloat"),
    "integer": ("int", "uint"),
    "bool": ("bool",),
}
_OWN = {"number": "float64", "float": "float64", "integer": "int64", "bool": "bool"}
_MEANT = {"number": "numbers", "float": "floats", "integer": "whole numbers", "bool": "True and False"}
_FURTHEST = 2.0  # widths of the crop from its middle: where no face that somebody cropped lies
_LEAST = 0.02  # width of a face in shares of the crop; smaller ones are points in another unit


def read_array(
    name: str, value: object, shape: Sequence[int | str], kind: Kind = "number", library: Library | None = None
) -> Array:
    """Read an array.

    Args:
        name: Name of the argument.
        value: What was given.
        shape: Lengths of its axes; a letter stands for any length, and for the same one wherever it is repeated. "..."
            in front stands for any axes.
        kind: Kind of its values.
        library: ``numpy`` copies tensors into main memory, out of their graph; ``torch`` takes tensors alone, for
            functions that work on devices or with gradients. None takes both.

    Returns:
        A numpy array in native byte order, or a tensor; the very one that was given, or a copy.

    Raises:
        ArgumentError: It is something else; the message says how to make the right thing of it.
    """
    if library == "torch" and library_of(value) != "torch":
        way = "; torch.as_tensor(...) makes one" if _looks_like_numbers(value) else _advice(value)
        raise ArgumentError(f"{name}: expected a torch tensor {_wanted(shape, kind)}, got {describe(value)}{way}")
    array = _as_array(name, value, shape, kind)
    found = tuple(array.shape)
    rest = shape[1:] if shape and shape[0] == "..." else shape
    short = len(found) < len(rest)
    if short or not fits(found[len(found) - len(rest) :] if rest is not shape else found, rest):
        raise _refusal(name, value, shape, kind, _misfit(name, value, found, shape))
    return in_main_memory(array) if library == "numpy" and library_of(array) == "torch" else array


def read_points(name: str, points: object, image_size: float | None = None, count: int | str = "N") -> Array:
    """Read landmarks, xy pixels of a crop, and refuse those of another frame or unit.

    What is wrong with a frame is wrong with all faces: a single face, or point of one, may lie anywhere. Values of
    tensors that are not in main memory are not looked at, which would wait for the device.

    Args:
        name: Name of the argument.
        points: (N, 68, 2) xy.
        image_size: Side of the crop, pixels; None where the frame is not known.
        count: Number of faces, or a letter for any.

    Raises:
        ArgumentError: The points are of another shape, all lie in [0, 1], or all faces are tiny or far outside.
    """
    array = read_array(name, points, (count, 68, 2))
    in_reach = library_of(array) == "numpy" or array.device.type == "cpu"
    if image_size is not None and in_reach:
        _check_frame(name, in_main_memory(array), image_size)
    return array


def read_box(name: str, box: object) -> NDArray[np.float64]:
    """Read a box x0, y0, x1, y1.

    Raises:
        ArgumentError: It is something else, is not finite, or has no inside.
    """
    corners = np.asarray(read_array(name, box, (4,), library="numpy"), np.float64)
    if not np.isfinite(corners).all() or not (corners[:2] < corners[2:]).all():
        raise ArgumentError(f"{name}: expected a box x0, y0, x1, y1 with x0 < x1 and y0 < y1, got {corners.tolist()}")
    return corners


def as_floats(array: Array) -> Array:
    """Give numbers a float type in which their differences can be squared: whole ones, and halves, are too narrow."""
    if library_of(array) == "numpy":
        return array if array.dtype.itemsize >= 4 and array.dtype.kind == "f" else array.astype(np.float64)
    return array if array.is_floating_point() and array.element_size() >= 4 else array.float()


def answer_in_kind(values: NDArray[Any], like: Like) -> Like:
    """Turn a result into a tensor on the device of ``like``; if that is an array, it stays one.

    Floats get torch's default type.
    """
    if library_of(like) != "torch":
        return cast(Like, values)
    torch: Any = sys.modules["torch"]
    kind = torch.get_default_dtype() if values.dtype.kind == "f" else None
    return cast(Like, torch.as_tensor(values, dtype=kind, device=cast(Any, like).device))


def _as_array(name: str, value: object, shape: Sequence[int | str], kind: Kind) -> Array:
    """Make an array of a type that the kind allows."""
    library = library_of(value)
    array: Array = value if library is not None else _gathered(name, value, shape, kind)
    if library_of(array) == "torch":
        if array.is_quantized or str(array.layout) != "torch.strided":
            raise _refusal(name, value, shape, kind, "; .dequantize() or .to_dense() makes one")
        array = array.resolve_conj().resolve_neg()
    elif np.ma.is_masked(array):
        raise _refusal(name, value, shape, kind, ", of which some are masked; .filled(...) says what they are")
    else:
        array = np.asarray(array)
        array = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
        array = array.astype(np.float64) if array.dtype == np.longdouble else array  # torch has nothing longer
    dtype = str(array.dtype).removeprefix("torch.")
    right = dtype.startswith(_TYPES[kind])
    if not right and 0 in tuple(array.shape):  # nothing is lost, whatever type nothing has
        numpy = library_of(array) == "numpy"
        return array.astype(_OWN[kind]) if numpy else array.to(getattr(sys.modules["torch"], _OWN[kind]))
    if not right:
        raise _refusal(name, value, shape, kind, "")
    return array


def _gathered(name: str, value: object, shape: Sequence[int | str], kind: Kind) -> Array:
    """Make an array of what is none: nested lists, iterators, lists of arrays or tensors, columns of tables."""
    if isinstance(value, Iterator | range):
        value = list(value)
    if not _looks_like_numbers(value):
        raise _refusal(name, value, shape, kind, _advice(value))
    items: Any = value
    try:
        if isinstance(items, list | tuple) and items and all(library_of(one) == "torch" for one in items):
            torch: Any = sys.modules["torch"]
            return torch.stack(list(items))
        if isinstance(items, list | tuple):
            items = [in_main_memory(one) if is_array(one) else one for one in items]
        array = np.asarray(items)
        if array.size == 0 and array.dtype.kind == "f" and not hasattr(value, "__array__"):
            # An empty list says nothing of types and of the axes behind its length.
            lengths = [length if isinstance(length, int) else 0 for length in shape]
            return np.zeros(lengths, _OWN[kind]) if array.ndim == 1 else array
    except (ValueError, TypeError, RuntimeError, OverflowError):
        raise _refusal(name, value, shape, kind, ", whose items can't be joined: they have different shapes") from None
    return array


def _looks_like_numbers(value: object) -> bool:
    """Tell whether numpy may find numbers in a value that is no array."""
    if is_array(value):
        return True
    if isinstance(value, str | bytes | bytearray | PathLike | Mapping | Set) or hasattr(value, "read"):
        return False
    return hasattr(value, "__array__") or isinstance(value, list | tuple | Iterator | range)


def in_main_memory(array: Array) -> NDArray[Any]:
    """Give a tensor as an array, out of its graph; bfloat16 has no numpy type, and becomes float32."""
    if library_of(array) == "numpy":
        return np.asarray(array)
    tensor = array.detach()
    tensor = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
    return np.asarray(tensor.cpu().numpy())


def _check_frame(name: str, points: NDArray[Any], image_size: float) -> None:
    """Check that points can be pixels of a crop.

    Raises:
        ArgumentError: They can't.
    """
    known = points[np.isfinite(points).all((1, 2))].astype(np.float64)
    if not len(known):
        return
    if image_size > 1 and known.min() >= 0 and known.max() <= 1:
        raise ArgumentError(f"{name}: all lie in [0, 1]; expected pixels of the crop, so multiply them by image_size")
    low, middle, high = np.quantile(known, [0.1, 0.5, 0.9], axis=1)  # some points of a face may be astray
    tiny = (high - low).max(1) < _LEAST * image_size
    outside = np.abs(middle - image_size / 2).max(1) > _FURTHEST * image_size
    if (tiny | outside).all():
        x, y = (f"{side} from {low[0, axis]:.4g} to {high[0, axis]:.4g}" for axis, side in enumerate("xy"))
        raise ArgumentError(
            f"{name}: expected pixels of a crop of image_size {image_size:g}, where the first face is "
            f"{'tiny' if tiny[0] else 'far outside'}: {x}, {y}; give the size of the crop that the points lie in"
        )


def _wanted(shape: Sequence[int | str], kind: Kind) -> str:
    return f"{axes(shape)} of {_MEANT[kind]}"


def _refusal(name: str, value: object, shape: Sequence[int | str], kind: Kind, advice: str) -> ArgumentError:
    return ArgumentError(f"{name}: expected an array {_wanted(shape, kind)}, got {describe(value)}{advice}")


def _misfit(name: str, value: object, found: tuple[int, ...], shape: Sequence[int | str]) -> str:
    """Say how to make a batch of a single item, or what shape is there, if that isn't said yet."""
    if isinstance(shape[0], str) and shape[0] != "..." and fits((1, *found), shape):
        return f"; write {name}[None] for a single one" if is_array(value) else f"; write [{name}] for a single one"
    return "" if is_array(value) else f" of shape {axes(found)}"


def _advice(value: object) -> str:
    """Say how to make an array of something else."""
    if isinstance(value, str | PathLike):
        return "; read the file first"
    if isinstance(value, Iterable) and not isinstance(value, Mapping | Set | bytes | bytearray):
        return "; np.array(...) makes one"
    return ""
