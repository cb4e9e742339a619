"""Bring raw maps to the comparison grid: shifted for cosines, or rectified for shares of regions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.map_scores import FloatArray
from fer_au.resizing import resize_maps


def comparison_maps(maps: NDArray[Any], size: int) -> FloatArray:
    """Bring raw maps to the comparison grid as cosines take them: shifted to be non-negative, then resampled.

    Not for shares of regions, see ``mass_maps``.

    Args:
        maps: (N, h, w).
        size: Side of the comparison grid.

    Returns:
        (N, size, size), rounded to float32 as all maps are.
    """
    values = np.asarray(maps, np.float32).astype(np.float64)
    values = values - np.minimum(values.min(axis=(1, 2), keepdims=True, initial=0.0), 0.0)
    return resize_maps(values, size)


def mass_maps(maps: NDArray[Any], size: int) -> FloatArray:
    """Bring raw maps to the comparison grid as shares of regions are taken: negative values cut off, then resampled.

    A shift would add mass everywhere, and most of it to the background; after the resampling, a negative cell would
    have cancelled a part of its neighbours.

    Args:
        maps: (N, h, w).
        size: Side of the comparison grid.

    Returns:
        (N, size, size), >= 0.
    """
    values = np.asarray(maps, np.float32).astype(np.float64)
    return resize_maps(np.maximum(values, 0.0), size)
