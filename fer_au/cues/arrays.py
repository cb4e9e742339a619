"""One code for numpy arrays and torch tensors: the maps are drawn where the landmarks are.

The geometries use only functions that numpy and torch spell alike (``trunc``, ``maximum``, ``where``, ``stack``,
``exp``, ``amax`` with ``axis``, ...), taken from ``namespace(points)``. Torch is never imported here: a tensor can
only come from a program that did.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: A numpy array or a torch tensor, or the module of either. Their common subset has no static type.
Array = Any


def is_tensor(value: object) -> bool:
    """Whether ``value`` is a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def namespace(array: Array) -> Array:
    """The module that computes with ``array``: ``numpy``, or ``torch`` for a tensor."""
    return sys.modules["torch"] if is_tensor(array) else np


def constant(values: NDArray[Any], like: Array) -> Array:
    """Copy a constant to the library and device of ``like``; floats become float32."""
    if values.dtype.kind == "f":
        values = values.astype(np.float32, copy=False)
    if is_tensor(like):
        return sys.modules["torch"].as_tensor(values, device=like.device)
    return values


def zeros(shape: tuple[int, ...], like: Array, dtype: str = "float32") -> Array:
    """Zeros (``dtype`` by name: ``float32`` or ``bool``) in the library and on the device of ``like``."""
    if is_tensor(like):
        torch = sys.modules["torch"]
        return torch.zeros(shape, dtype=getattr(torch, dtype), device=like.device)
    return np.zeros(shape, dtype=dtype)


def as_float32(array: Array) -> Array:
    """``array`` in float32, without a copy where it is that already; a tensor is cut off its graph."""
    return array.detach().float() if is_tensor(array) else np.asarray(array, dtype=np.float32)


@contextmanager
def full_precision(array: Array) -> Iterator[None]:
    """Compute in float32 even inside ``torch.autocast``, and record no gradients; numpy's warnings stay off.

    Coordinates beyond float32's range are met with saturated values, which the geometries expect.
    """
    if is_tensor(array):
        torch = sys.modules["torch"]
        device = array.device.type
        has_autocast = torch.amp.is_autocast_available(device)
        with torch.no_grad(), torch.autocast(device, enabled=False) if has_autocast else nullcontext():
            yield
    else:
        with np.errstate(over="ignore", under="ignore"):
            yield
