"""A geometry: one square per action unit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fer_au.cues import Geometry

_POINTS = {
    1: 21,
    2: 18,
    4: 27,
    5: 37,
    6: 41,
    7: 40,
    9: 29,
    10: 50,
    12: 48,
    15: 48,
    17: 8,
    20: 48,
    23: 62,
    25: 66,
    26: 57,
}


class LabSquares(Geometry):
    """A square of three cells around one landmark of each action unit."""

    version = 1
    action_units = frozenset(_POINTS)
    sized_by_face = False

    def draw(
        self, points: NDArray[np.float32], weights: Mapping[int, float], image_size: float, map_size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Draw the squares, the largest weight on top; valid where one lies in the frame."""
        cells = np.floor(points * (map_size / image_size))
        maps = np.zeros((len(points), map_size, map_size), np.float32)
        grid = np.arange(map_size)
        for unit, weight in weights.items():
            near = np.abs(grid - cells[:, _POINTS[unit], :, None]) <= 1  # (N, 2, S), x and y
            maps = np.maximum(maps, np.float32(weight) * (near[:, 1, :, None] & near[:, 0, None, :]))
        peak = maps.max(axis=(1, 2))
        return maps / np.where(peak > 0, peak, 1)[:, None, None], peak > 0
