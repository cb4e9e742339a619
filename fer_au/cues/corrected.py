"""Geometry ``corrected``: anatomical spots sized by the face, in the face's own axes.

A face's axes come from its outer eye corners: across from the image-left to the image-right one, down at a right angle;
their distance is the unit of length. So maps turn with the head, grow with the face, and mirror exactly. Every action
unit is one or more elliptic Gaussians (``anatomy.SPOTS``); a map is their maximum, each times its action unit's weight,
divided by its own peak.

A spot is drawn as wide as its mean over each cell would be: the cell's own variance, 1/12 per axis, is added to the
spot's. So small faces and coarse grids keep their spots, instead of missing them between two cell centres.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_au.cues.anatomy import SPOTS
from fer_au.cues.arrays import Array, namespace
from fer_au.cues.geometries import GEOMETRIES, Geometry
from fer_au.ibug68 import LEFT_EYE_OUTER, RIGHT_EYE_OUTER

_CELL_VARIANCE = 1 / 12  # of a uniform distribution over one cell
_SHORTEST = 1e-3  # cells between the outer eye corners; below, a face has no direction


class _Layout(NamedTuple):
    """The K spots of some action units as columns (K, 1), each spot on at most P landmarks."""

    points: NDArray[np.int64]  # (K, P)
    shares: NDArray[np.float32]  # (K, P, 1, 1), zero where a spot has fewer landmarks
    across: NDArray[np.float32]  # shift along the eye axis, in inter-ocular distances
    down: NDArray[np.float32]
    first: NDArray[np.float32]  # standard deviations along the spot's two axes, in inter-ocular distances
    second: NDArray[np.float32]
    cosine: NDArray[np.float32]  # of the spot's first axis against the eye axis
    sine: NDArray[np.float32]
    log_weight: NDArray[np.float32]


@lru_cache(maxsize=64)
def _layout(weights: tuple[tuple[int, float], ...]) -> _Layout:
    spots = [(spot, weight) for unit, weight in weights for spot in SPOTS[unit]]
    width = max(len(spot.anchor) for spot, _ in spots)
    points = np.zeros((len(spots), width), dtype=np.int64)
    shares = np.zeros((len(spots), width, 1, 1), dtype=np.float32)
    for row, (spot, _) in enumerate(spots):
        points[row, : len(spot.anchor)] = list(spot.anchor)
        shares[row, : len(spot.anchor), 0, 0] = list(spot.anchor.values())
    rows = [
        (
            spot.outward * spot.shift[0],
            spot.shift[1],
            *spot.spread,
            spot.outward * np.cos(np.radians(spot.tilt)),
            np.sin(np.radians(spot.tilt)),
            np.log(weight),
        )
        for spot, weight in spots
    ]
    return _Layout(points, shares, *np.array(rows, dtype=np.float32).T[:, :, None])


@GEOMETRIES.register("corrected")
class CorrectedGeometry(Geometry):
    """Geometry with anatomical spots sized by the face; see the module's text."""

    version = 2  # places and spreads fitted to the true motion of rendered faces, see benchmarks/truth.py
    action_units = frozenset(SPOTS)
    takes_tensors = True

    def draw(
        self, points: Array, weights: Mapping[int, float], image_size: float, map_size: int
    ) -> tuple[Array, Array]:
        """Draw the spots; see ``Geometry.draw``. A valid map also needs distinct outer eye corners."""
        xp = namespace(points)
        layout = _Layout(*(xp.asarray(values, device=points.device) for values in _layout(tuple(weights.items()))))
        # Landmarks first, faces last: (68, 2, N), from here on in cells.
        points = xp.moveaxis(points * (map_size / image_size), 0, 2)
        ex, ey = points[LEFT_EYE_OUTER] - points[RIGHT_EYE_OUTER]
        unit = xp.sqrt(ex * ex + ey * ey)  # (N,) inter-ocular distance
        upright = unit > _SHORTEST
        unit = xp.where(upright, unit, xp.ones_like(unit))
        ex = xp.where(upright, ex, unit)  # an arbitrary direction, for faces that are not valid anyway

        anchors = (points[layout.points] * layout.shares).sum(1)  # (K, 2, N)
        x = anchors[:, 0] + layout.across * ex - layout.down * ey
        y = anchors[:, 1] + layout.across * ey + layout.down * ex
        seen = (x >= 0) & (x <= map_size) & (y >= 0) & (y <= map_size)

        # Precision matrix of each spot in image axes, from its variances and the direction of its first axis.
        first = 1 / ((layout.first * unit) ** 2 + _CELL_VARIANCE)
        second = 1 / ((layout.second * unit) ** 2 + _CELL_VARIANCE)
        cosine = (layout.cosine * ex - layout.sine * ey) / unit
        sine = (layout.cosine * ey + layout.sine * ex) / unit
        xx = first * cosine**2 + second * sine**2
        slope = (first - second) * cosine * sine / xx
        energy = _least_energy(x, y, xx, slope, first * second / xx, layout.log_weight, map_size)
        energy -= xp.amin(energy, axis=(1, 2))[:, None, None]
        return xp.exp(-energy), upright & seen.any(0)


def _least_energy(x: Array, y: Array, xx: Array, slope: Array, yy: Array, log_weight: Array, map_size: int) -> Array:
    """Compute the least energy over the K spots (rows) at every cell centre, (N, S, S); the map is exp(-energy).

    The maximum of weighted Gaussians is the exponential of one minimum, so the costly function runs once per cell. The
    square is completed per row of cells: energy = xx/2 (x - x0 + slope (y - y0))^2 + yy/2 (y - y0)^2 - log weight.
    """
    xp = namespace(x)
    grid = xp.asarray(np.arange(map_size) + 0.5, dtype=xp.float32, device=x.device)
    root = xp.sqrt(xx / 2)
    dy = grid - y[:, :, None]  # (K, N, S)
    columns = root[:, :, None] * grid
    start = root[:, :, None] * (x[:, :, None] - slope[:, :, None] * dy)
    floor = dy * dy * (yy / 2)[:, :, None] - log_weight[:, :, None]
    least = None
    for column, row, height in zip(columns, start, floor, strict=True):
        energy = column[:, None, :] - row[:, :, None]
        energy *= energy
        energy += height[:, :, None]
        least = energy if least is None else xp.minimum(least, energy)
    return least
