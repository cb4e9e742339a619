"""One code for numpy arrays and torch tensors, so that ``render_au_maps`` draws where the landmarks are.

Numpy and torch spell the same functions alike (``asarray`` with ``device``, ``where``, ``exp``, ``amax`` with ``axis``,
...); code that is to work for both takes them from ``namespace(points)``. Torch is never imported here: a tensor can
only come from a program that did.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

#: A numpy array or a torch tensor, or the module of either. Their common subset has no static type.
Array = Any


def namespace(array: Array) -> Array:
    """Return the module that computes with ``array``: ``torch`` for a tensor, else ``numpy``."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(array, torch.Tensor) else np


@contextmanager
def full_precision(array: Array) -> Iterator[None]:
    """Compute in float32 even inside ``torch.autocast``, and record no gradients; numpy's warnings stay off.

    Coordinates beyond float32's range are met with saturated values, which the geometries expect.
    """
    with ExitStack() as stack:
        stack.enter_context(np.errstate(over="ignore", under="ignore"))
        torch = namespace(array)
        if torch is not np:
            stack.enter_context(torch.no_grad())
            if torch.amp.is_autocast_available(array.device.type):
                stack.enter_context(torch.autocast(array.device.type, enabled=False))
        yield
