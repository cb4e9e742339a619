"""Bring maps from one grid to another: the one place that says where in the picture the cells of a grid lie.

``resize_maps`` lets every point keep its place, and everything uses it but for one exception, which an experiment has
to ask for. The AU-cue paper's code (Belharbi et al., FG 2024) resizes targets and attention with antialiasing and
``align_corners=True`` together. Torch then takes steps of (from - 1) / (to - 1) cells, but starts half a cell from the
corner, so that content moves away from the bottom right corner of a smaller grid: of a picture of 224 pixels, a spot at
pixel 180 lies at 168 of a 14 x 14 grid, and at 156 of 7 x 7. ``Frame`` repeats this, so that its numbers can be
compared; it is a shift of up to a cell, and no other score takes it.

Arrays and tensors are taken alike and answered in kind. Torch is loaded for tensors only, since the report has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Resize = Literal["corrected", "published"]
"""Frame of a layer's grid: points keep their place, or move as in the AU-cue paper's code."""

FloatArray = NDArray[np.float64]
Maps = TypeVar("Maps", NDArray[Any], "Tensor")


def resize_maps(maps: Maps, size: int | tuple[int, int]) -> Maps:
    """Resample maps so that every point keeps its place in the image: pixel centres are half-integers on each grid.

    Enlarging is bilinear; shrinking averages over the larger cells (antialiasing).

    Args:
        maps: (N, h, w), or of tensors also (N, k, h, w).
        size: New rows and columns; one number for both.

    Returns:
        Maps of that size: a float32 tensor, on its device and with its gradients; or a float64 array, rounded to
        float32 as all maps are.
    """
    grid = (size, size) if isinstance(size, int) else size
    if isinstance(maps, np.ndarray):
        rows, columns = (resize_weights(old, new) for old, new in zip(maps.shape[1:], grid, strict=True))
        return _apply(maps, rows, columns)
    return _interpolated(maps, grid)


@dataclass(frozen=True)
class Frame:
    """Frame of a layer's grid: where in the picture its cells lie, which decides how maps get to the grid and back.

    Attributes:
        resize: ``corrected``: cell i of n is centred at (i + 1/2) / n of the picture's side. ``published``: at
            (i + 1/2) (P - 1) / (n - 1) pixels, in which the last centre may lie outside.
        pixels: Side P of the picture that the model sees.
    """

    resize: Resize
    pixels: int

    def to_layer(self, maps: Maps, grid: tuple[int, int]) -> Maps:
        """Bring maps (N, S, S) that span the picture to a layer's grid, (N, *grid): what the layer could at best draw.

        ``published`` enlarges them to the picture's pixels first, as the published code draws them.
        """
        if self.resize == "corrected":
            return resize_maps(maps, grid)
        rows, columns = (_to_layer(old, new, self.pixels) for old, new in zip(maps.shape[-2:], grid, strict=True))
        return _apply(maps, rows, columns)

    def to_picture(self, maps: Maps, size: int) -> Maps:
        """Bring maps (N, h, w) of a layer's grid to one that spans the picture, (N, size, size)."""
        if self.resize == "corrected":
            return resize_maps(maps, size)
        rows, columns = (_to_picture(old, size, self.pixels) for old in maps.shape[-2:])
        return _apply(maps, rows, columns)


def _interpolated(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Resample tensors as torch does, in float32 outside of autocast."""
    import torch
    from torch.nn import functional

    with torch.autocast(maps.device.type, enabled=False):
        values = maps.float()
        if tuple(values.shape[-2:]) == grid:
            return values
        shrinks = grid[0] < values.shape[-2] or grid[1] < values.shape[-1]
        planes = values.unsqueeze(1) if values.ndim == 3 else values
        resized = functional.interpolate(planes, size=grid, mode="bilinear", align_corners=False, antialias=shrinks)
        return resized.squeeze(1) if values.ndim == 3 else resized


def _apply(maps: Maps, rows: FloatArray, columns: FloatArray) -> Maps:
    """Mix the cells of each map by weights of the rows and of the columns."""
    if isinstance(maps, np.ndarray):
        mixed = rows @ np.asarray(maps, np.float64) @ columns.T
        rounded: FloatArray = mixed.astype(np.float32).astype(np.float64)
        return rounded
    import torch

    with torch.autocast(maps.device.type, enabled=False):
        left, right = (torch.from_numpy(weights).to(maps.device, torch.float32) for weights in (rows, columns))
        return left @ maps.float() @ right.T


@lru_cache(maxsize=64)
def _to_layer(old: int, new: int, pixels: int) -> FloatArray:
    return resize_weights(pixels, new, published=True) @ resize_weights(old, pixels)


@lru_cache(maxsize=64)
def _to_picture(old: int, new: int, pixels: int) -> FloatArray:
    return resize_weights(pixels, new) @ resize_weights(old, pixels, published=True)


def resize_weights(old: int, new: int, *, published: bool = False) -> FloatArray:
    """Compute how much each of ``old`` cells of an axis gives to each of ``new`` ones, (new, old); rows sum to 1.

    Bilinear: a triangle around each new cell's centre, as wide as the larger of the two cells. Beyond the outer
    centres, a new cell is the outer old one.

    Args:
        old: Cells of the axis before.
        new: Cells of the axis after.
        published: Whether to step from cell to cell as the published code does, see above.
    """
    step = old / new
    if published:
        step = (old - 1) / (new - 1) if new > 1 else 0.0  # torch's single cell is the first of the old ones
    centres = (np.arange(new) + 0.5) * step - 0.5
    weights = np.maximum(0.0, 1.0 - np.abs(centres[:, None] - np.arange(old)) / max(step, 1.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float64)
