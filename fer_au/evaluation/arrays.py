"""Map scores take numpy arrays or torch tensors and answer in kind; the arithmetic itself is float64 numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = NDArray[np.float64]
Maps = TypeVar("Maps", NDArray[Any], "Tensor")


def to_numpy(value: NDArray[Any] | Tensor) -> FloatArray:
    """A float64 copy on the CPU (a bfloat16 tensor has no numpy type of its own, hence the detour by float32)."""
    if isinstance(value, np.ndarray):
        return value.astype(np.float64)
    return cast("FloatArray", value.detach().float().cpu().numpy().astype(np.float64))


def answer_in_kind(scores: FloatArray, like: Maps) -> Maps:
    """``scores`` as a tensor on the device of ``like``, or unchanged if ``like`` is an array."""
    if isinstance(like, np.ndarray):
        return cast("Maps", scores)
    return like.new_tensor(scores, dtype=_default_float())


def _default_float() -> Any:  # noqa: ANN401 - torch.dtype, and torch must not be imported for numpy callers
    import torch

    return torch.get_default_dtype()


def paired_rows(maps: NDArray[Any] | Tensor, targets: NDArray[Any] | Tensor) -> tuple[FloatArray, FloatArray]:
    """Maps and targets as rows of pixels, (N, h*w) each.

    Raises:
        ValueError: They are not both (N, h, w) of the same shape.
    """
    if maps.ndim != 3 or tuple(maps.shape) != tuple(targets.shape):
        raise ValueError(
            f"maps and targets must both be (N, h, w): got {tuple(maps.shape)} and {tuple(targets.shape)}; "
            "bring them to one grid first (fer_au.maps.resize_maps)"
        )
    rows = (maps.shape[0], maps.shape[1] * maps.shape[2])
    return to_numpy(maps).reshape(rows), to_numpy(targets).reshape(rows)


def finite_rows(rows: FloatArray) -> NDArray[np.bool_]:
    """Which rows of (N, pixels) hold finite numbers only, (N,)."""
    return np.asarray(np.isfinite(rows).all(axis=1))
