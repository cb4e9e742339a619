"""Geometry ``paper``: the published AU maps, quirks included, without drawing at full size.

Source: Belharbi et al., "Guided Interpretable Facial Expression Recognition via Spatial Action Unit Cues" (FG 2024,
arXiv 2402.00281) as its authors implemented it. Each action unit is one or two filled axis-aligned ellipses in pixels
of the crop, shrunk to 28 x 28 by bilinear resizing without antialiasing, smoothed with a 3 x 3 box and enlarged
again; action units are merged by a pixelwise maximum and the result is min-max normalised.

All steps before the maximum are linear, and the shrinking reads only two pixels per cell and axis. So the ellipses
are tested at those 56 x 56 pixels, and one matrix per axis does the resizing, the smoothing and the step to the grid
asked for.

Peculiarities are kept on purpose, since this profile exists to repeat published numbers: coordinates are truncated;
AU4's height is half the height *difference* of the brows; AU10 mixes x and y of different points; AU17 hangs on the
left lower lip; the right half of AU20 starts at the upper lip; AU12 = AU15 and AU23 = AU24 = AU26 = AU27; fixed
pixel sizes assume a face that fills a 224 px crop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_au.cues.arrays import Array, namespace
from fer_au.cues.geometries import GEOMETRIES, Geometry
from fer_au.resizing import resize_weights

_GRID = 28  # side of the intermediate grid on which the published maps are smoothed


class _Ellipse(NamedTuple):
    """Filled axis-aligned ellipses of a batch: centres and half-axes, (N,) whole pixels each."""

    x: Array
    y: Array
    a: Array
    b: Array


class _Face:
    """The truncated landmarks of a batch, with the measures that the published table is written in."""

    def __init__(self, points: Array, image_size: float) -> None:
        self.xp = namespace(points)
        pixels = self.xp.trunc(points)
        self.x: Array = pixels[:, :, 0].T  # (68, N)
        self.y: Array = pixels[:, :, 1].T
        self.size = image_size

    def fraction(self, divisor: int) -> int:
        """Divide the crop's side, in whole pixels."""
        return round(self.size / divisor)

    def middle(self, values: Array, i: int, j: int) -> Array:
        """Take the middle of two landmarks."""
        return self.xp.trunc((values[i] + values[j]) / 2)

    def half(self, values: Array, i: int, j: int, if_zero: int) -> Array:
        """Halve the way from landmark ``i`` to ``j``; backwards counts as 0, and 0 becomes ``if_zero``."""
        half = self.xp.trunc((values[j] - values[i]) / 2)
        return self.xp.where(half > 0, half, self.xp.zeros_like(half) + if_zero)

    def ellipse(self, x: Array, y: Array, a: Array | int, b: Array | int) -> _Ellipse:
        """Make an ellipse; constant half-axes are repeated for the batch."""
        zero = self.xp.zeros_like(x)
        return _Ellipse(x, y, zero + a, zero + b)


def _brow(left: int, right: int) -> Callable[[_Face], list[_Ellipse]]:
    def draw(face: _Face) -> list[_Ellipse]:
        a, b = face.fraction(8), face.fraction(10)
        return [face.ellipse(face.x[i], face.y[i], a, b) for i in (left, right)]

    return draw


def _brow_lowerer(face: _Face) -> list[_Ellipse]:
    x, y = face.middle(face.x, 19, 24), face.middle(face.y, 19, 24)
    return [face.ellipse(x, y, face.half(face.x, 19, 24, 10), face.half(face.y, 19, 24, 10))]


def _upper_lid(face: _Face) -> list[_Ellipse]:
    return [
        face.ellipse(
            face.middle(face.x, outer, inner),
            face.middle(face.y, top, bottom),
            face.half(face.x, outer, inner, 5),
            face.half(face.y, top, bottom, 5),
        )
        for outer, inner, top, bottom in ((36, 39, 38, 41), (42, 45, 44, 47))
    ]


def _lids(width_if_zero: int) -> Callable[[_Face], list[_Ellipse]]:
    def draw(face: _Face) -> list[_Ellipse]:
        ellipses = []
        for outer, inner, top, bottom in ((36, 39, 38, 41), (42, 45, 44, 47)):
            height = face.xp.trunc((face.y[bottom] - face.y[top] + 20) / 2)
            height = face.xp.where(height > 0, height, face.xp.zeros_like(height))
            x, y = face.middle(face.x, outer, inner), face.middle(face.y, top, bottom)
            ellipses.append(face.ellipse(x, y, face.half(face.x, outer, inner, width_if_zero), height))
        return ellipses

    return draw


def _cheeks(face: _Face) -> list[_Ellipse]:
    drop, a, b = face.fraction(6), face.fraction(10), face.fraction(10)
    return [face.ellipse(face.x[i], face.y[i] + drop, a, b) for i in (41, 46)]


def _discs(*at: tuple[int, int], a: int = 20, b: int = 20) -> Callable[[_Face], list[_Ellipse]]:
    """Place ellipses of a fixed size, each at the x of one landmark and the y of another."""

    def draw(face: _Face) -> list[_Ellipse]:
        return [face.ellipse(face.x[i], face.y[j], a, b) for i, j in at]

    return draw


def _dimples(face: _Face) -> list[_Ellipse]:
    left, right = face.x[48] - 20, face.x[54] + 20
    left = face.xp.where(left > 0, left, face.xp.zeros_like(left))
    right = face.xp.where(right < face.size, right, face.xp.zeros_like(right) + face.size)
    return [face.ellipse(left, face.y[48], 20, 20), face.ellipse(right, face.y[54], 20, 20)]


def _chin(face: _Face) -> list[_Ellipse]:
    x, y = face.middle(face.x, 59, 8), face.middle(face.y, 59, 8)
    return [face.ellipse(x, y, face.half(face.x, 59, 8, 5), face.half(face.y, 59, 8, 5))]


def _lip_stretch(face: _Face) -> list[_Ellipse]:
    return [face.ellipse(face.middle(face.x, i, j), face.middle(face.y, i, j), 20, 20) for i, j in ((48, 6), (50, 10))]


def _mouth(face: _Face) -> list[_Ellipse]:
    x, y = face.middle(face.x, 48, 54), face.middle(face.y, 51, 57)
    return [face.ellipse(x, y, face.half(face.x, 48, 54, 5), face.half(face.y, 51, 57, 5))]


_CORNERS = _discs((48, 48), (54, 54))

# Action units that are drawn alike share one function, so that each drawing is made once per expression.
_TABLE: dict[int, Callable[[_Face], list[_Ellipse]]] = {
    1: _brow(20, 23),
    2: _brow(18, 25),
    4: _brow_lowerer,
    5: _upper_lid,
    6: _cheeks,
    7: _lids(5),
    9: _discs((31, 29), (35, 29)),
    10: _discs((48, 50), (52, 54)),
    12: _CORNERS,
    14: _dimples,
    15: _CORNERS,
    16: _discs((59, 59), (55, 55)),
    17: _chin,
    20: _lip_stretch,
    23: _mouth,
    24: _mouth,
    25: _discs((51, 51), (57, 57), a=25, b=10),
    26: _mouth,
    27: _mouth,
    43: _lids(0),
}


@lru_cache(maxsize=32)
def _sampling(image_size: int, map_size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the canvas pixels that the published shrinking reads, and the matrix that takes them to the output grid.

    Returns:
        Pixel indices (56,), and the matrix (map_size, 56) of shrinking, 3-cell box and step to the output grid.
    """
    centres = np.clip((np.arange(_GRID) + 0.5) * image_size / _GRID - 0.5, 0, image_size - 1)
    first = np.floor(centres)
    pixels = np.stack([first, np.minimum(first + 1, image_size - 1)], axis=1)
    shrink = np.zeros((_GRID, _GRID, 2))
    cells = np.arange(_GRID)
    shrink[cells, cells] = np.stack([1 - (centres - first), centres - first], axis=1)
    box = np.zeros((_GRID, _GRID))
    for step in (-1, 0, 1):
        neighbour = np.abs(cells + step)
        neighbour = np.where(neighbour > _GRID - 1, 2 * (_GRID - 1) - neighbour, neighbour)  # mirrored at the border
        np.add.at(box, (cells, neighbour), 1 / 3)
    return pixels.ravel(), resize_weights(_GRID, map_size) @ box @ shrink.reshape(_GRID, 2 * _GRID)


def _inside(ellipses: list[_Ellipse], pixels: Array) -> Array:
    """Tell which of the sampled pixels (rows, columns) the union of some ellipses fills, (N, 56, 56) bool."""
    xp = namespace(pixels)
    filled = None
    for ellipse in ellipses:
        # OpenCV fills every pixel that the outline touches: half a pixel more than the half-axes (within 1 % of area).
        a, b = ellipse.a + 0.5, ellipse.b + 0.5
        across = 1 - ((pixels - ellipse.y[:, None]) / b[:, None]) ** 2
        reach = a[:, None] * xp.sqrt(xp.where(across > 0, across, xp.zeros_like(across)))
        reach = xp.where(across > 0, reach, xp.zeros_like(reach) - 1)
        span = xp.abs(pixels - ellipse.x[:, None])[:, None, :] <= reach[:, :, None]
        filled = span if filled is None else filled | span
    return filled


@GEOMETRIES.register("paper")
class PaperGeometry(Geometry):
    """The published geometry; see the module's text."""

    action_units = frozenset(_TABLE)
    sized_by_face = False
    takes_tensors = True

    def draw(
        self, points: Array, weights: Mapping[int, float], image_size: float, map_size: int
    ) -> tuple[Array, Array]:
        """Draw the ellipses; see ``Geometry.draw``.

        Sizes that are constants in the published table are pixels of the crop as given.
        """
        xp = namespace(points)
        side = round(image_size)
        face = _Face(points, side)
        pixels, matrix = (
            xp.asarray(value, dtype=xp.float32, device=points.device) for value in _sampling(side, map_size)
        )
        drawings: dict[Callable[[_Face], list[_Ellipse]], float] = {}
        for unit, weight in weights.items():
            drawings[_TABLE[unit]] = max(weight, drawings.get(_TABLE[unit], 0.0))
        merged = None
        for drawing, weight in drawings.items():
            filled = xp.asarray(_inside(drawing(face), pixels), dtype=xp.float32)
            drawn = (matrix * weight) @ (filled @ matrix.T)
            merged = drawn if merged is None else xp.maximum(merged, drawn)
        low, high = xp.amin(merged, axis=(1, 2)), xp.amax(merged, axis=(1, 2))
        valid = high > low
        span = xp.where(valid, high - low, xp.ones_like(high))
        return (merged - low[:, None, None]) / span[:, None, None], valid
