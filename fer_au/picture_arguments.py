"""Pictures in memory that are arguments of public functions: (H, W, 3) uint8 RGB, from arrays and tensors.

Whole numbers from 0 to 255 of any type are taken, of any strides. What would have to be guessed is refused with the
line that makes it right: floats (of which scale?), channels first, grey, and with an alpha channel (over what ground?).
``pictures`` opens files and Pillow images, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.answers import axes, describe, library_of
from fer_au.arguments import read_list
from fer_au.errors import ArgumentError

Picture = NDArray[np.uint8]

_ONE = "a picture (H, W, 3) uint8 RGB"
_MANY = "pictures (N, H, W, 3) uint8 RGB"


def read_picture(name: str, value: object, *, grey: bool = False) -> Picture:
    """Read one picture.

    Args:
        name: Name of the argument.
        value: Array, tensor or nested lists.
        grey: Whether a picture of one channel, (H, W), is taken, too.

    Returns:
        (H, W, 3) uint8 RGB, or (H, W), contiguous; the very array that was given, or a copy.

    Raises:
        ArgumentError: It is something else; the message says how to make the right thing of it.
    """
    if grey and getattr(value, "ndim", 3) == 2:
        return _read(name, value, 2, _ONE)
    return _read(name, value, 3, _ONE)


def read_crops(name: str, value: object, *, empty: bool = False) -> Picture:
    """Read pictures of one size: one array of all, or anything that lists them; a single one counts as a list of one.

    Args:
        name: Name of the argument.
        value: What was given.
        empty: Whether an array may hold pictures without pixels, (N, 0, 0, 3).

    Returns:
        (N, H, W, 3) uint8 RGB, contiguous.

    Raises:
        ArgumentError: They are something else, or of several sizes.
    """
    if empty and library_of(value) == "numpy" and getattr(value, "shape", ())[1:] == (0, 0, 3):
        return np.asarray(value, np.uint8)
    if library_of(value) is not None or not isinstance(value, Iterable) or isinstance(value, str | bytes):
        single = getattr(value, "ndim", 4) == 3
        found = _read(name, value, 3 if single else 4, _MANY)
        return found[None] if single else found
    if hasattr(value, "__array_interface__") and not isinstance(value, list | tuple):
        raise ArgumentError(f"{name}: expected {_MANY}, got {describe(value)}{_advice(value)}")
    items = read_list(name, value, _MANY)
    crops = [read_picture(f"{name}[{place}]", item) for place, item in enumerate(items)]
    for place, crop in enumerate(crops):
        if crop.shape != crops[0].shape:
            sizes = f"{axes(crop.shape)} after {axes(crops[0].shape)}"
            raise ArgumentError(f"{name}[{place}]: expected a crop of the first one's size, got {sizes}")
    return np.stack(crops) if crops else np.zeros((0, 0, 0, 3), np.uint8)


def _read(name: str, value: object, ndim: int, expected: str) -> Picture:
    library = library_of(value)
    if library is None and isinstance(value, list | tuple):
        try:
            value = np.asarray(value)
        except ValueError:
            value = list(value)  # rows of different lengths
    if library_of(value) is None:
        raise ArgumentError(f"{name}: expected {expected}, got {describe(value)}{_advice(value)}")
    array: Any = value
    if (fault := _fault(name, array, ndim)) is not None:
        raise ArgumentError(f"{name}: expected {expected}, got {describe(value)}{fault}")
    if library == "torch":
        array = array.detach().cpu().numpy()
    if array.dtype != np.uint8:
        low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
        if low < 0 or high > 255:
            raise ArgumentError(f"{name}: expected {expected}, got {describe(value)} with values from {low} to {high}")
    return np.ascontiguousarray(np.asarray(array), np.uint8)


def _fault(name: str, array: Any, ndim: int) -> str | None:  # noqa: ANN401 (array of either library)
    """Say what is wrong with shape or type, and what to write; None if nothing is."""
    # The name of numpy's types leaves out the order of their bytes.
    shape, dtype = tuple(array.shape), str(getattr(array.dtype, "name", array.dtype)).removeprefix("torch.")
    if len(shape) != ndim or (ndim > 2 and shape[-1] != 3):
        if len(shape) == ndim and shape[-3] == 3:
            order = "(1, 2, 0)" if ndim == 3 else "(0, 2, 3, 1)"
            way = f"np.transpose({name}, {order})" if library_of(array) == "numpy" else f"{name}.permute{order}"
            return f"; channels come last: {way}"
        if len(shape) == ndim and shape[-1] == 4:
            return f"; {name}[..., :3] leaves out the alpha channel"
        if len(shape) == ndim and shape[-1] == 1:
            return f"; {name}.repeat(3, -1) makes RGB of grey"
        if len(shape) == ndim - 1:
            return f"; np.stack([{name}] * 3, -1) makes RGB of grey"
        return ""
    if dtype.startswith(("float", "bfloat")):
        return f"; ({name} * 255).round() of floats in [0, 1], converted to uint8, is one"
    if not dtype.startswith(("uint", "int")):
        return ""
    sides = shape if ndim == 2 else shape[-3:-1]
    return "; it has no pixel" if 0 in sides and (ndim < 4 or shape[0]) else None


def _advice(value: object) -> str:
    if isinstance(value, str | PathLike):
        return "; fer_au.decoding.decode_image(path) reads one"
    if type(value).__module__.startswith("PIL."):
        return "; fer_au.decoding.upright_rgb(image) makes one"
    return ""
