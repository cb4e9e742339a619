"""Where the faces of a set usually lie in its pictures, for pictures in which no detector finds one.

A picture without a found face mostly has one, of the size and at the place of its neighbours': taken whole, it would be
the one picture of its set at another scale. So it is cut where the median of the found faces' crops lies, relative to
the picture, or to the data set's own box where the row has one. Few faces have no median worth the name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.faces.geometry import Matrix, apply_matrix, invert_matrix, matrix_scale

LEAST_FACES = 20
"""Found faces below which a set has no usual place."""

_DIGITS = 4
"""Digits of a place: finer ones decide nothing, and would tell machines apart."""


@dataclass(frozen=True)
class Place:
    """An upright square crop, relative to a frame: a picture, or the box of a face in it.

    Attributes:
        x: Centre, as a fraction of the frame's width.
        y: Centre, as a fraction of the frame's height.
        side: Side of the crop, relative to the root of the frame's area.
    """

    x: float
    y: float
    side: float

    def matrix(self, frame: ArrayLike, size: int) -> Matrix:
        """Compute the matrix (2, 3) from the source to a crop of ``size`` pixels, of a frame (4,) xyxy."""
        x0, y0, x1, y1 = np.asarray(frame, np.float64).tolist()
        scale = size / (self.side * float(np.sqrt((x1 - x0) * (y1 - y0))))
        centre = np.array([x0 + self.x * (x1 - x0), y0 + self.y * (y1 - y0)])
        return np.concatenate([np.eye(2) * scale, (size / 2 - scale * centre)[:, None]], axis=1)

    def text(self) -> str:
        """Write the place as an attribute of a store."""
        return f"{self.x!r} {self.y!r} {self.side!r}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what ``text`` wrote."""
        x, y, side = map(float, text.split())
        return cls(x, y, side)


def usual_place(matrices: NDArray[np.float64], frames: NDArray[np.float64], size: int) -> Place | None:
    """Compute the median place of a set's found faces.

    Args:
        matrices: Matrices (N, 2, 3) of their crops, source xy -> crop xy.
        frames: Frames (N, 4) xyxy that they lie in, pixels of the sources.
        size: Side of the crops, pixels.

    Returns:
        The place; None if there are fewer than ``LEAST_FACES``.
    """
    if len(matrices) < LEAST_FACES:
        return None
    centres = np.array([apply_matrix(invert_matrix(one), (size / 2, size / 2)) for one in matrices])
    sides = np.array([size / matrix_scale(one) for one in matrices])
    extents = frames[:, 2:] - frames[:, :2]
    x, y = np.median((centres - frames[:, :2]) / extents, axis=0).round(_DIGITS).tolist()
    side = float(np.median(sides / np.sqrt(extents.prod(axis=1))).round(_DIGITS))
    return Place(x, y, side) if side > 0 else None
