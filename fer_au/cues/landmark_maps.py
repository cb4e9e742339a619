"""Cues ``landmarks`` and ``landmarks51``: a soft spot on every landmark, whatever the expression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from fer_au.cues.arrays import Array, namespace
from fer_au.cues.cue import CUES, Cue, FaceBatch
from fer_au.cues.geometries import Geometry, create_geometry
from fer_au.ibug68 import JAW, LEFT_EYE_OUTER, N_POINTS, RIGHT_EYE_OUTER

_PAPER_SIGMA = 8 / 224  # of the crop's side
_SIGMA = 0.08  # of the inter-ocular distance: the paper's 8 px on its own 224 px crops
_CELL_VARIANCE = 1 / 12  # of a uniform distribution over one cell: a spot is drawn as wide as its mean over each cell
_SHORTEST = 1e-3  # cells between the outer eye corners; below, a face has no size


@CUES.register("landmarks")
class LandmarkCue(Cue):
    """The maximum of one isotropic Gaussian per landmark, divided by its peak.

    Source: the landmark heatmaps among the alternatives of Belharbi et al. (FG 2024, arXiv 2402.00281), with a standard
    deviation of 8 px at 224 px. A geometry that is not sized by the face keeps that share of the crop.

    Args:
        geometry: Name or geometry; says whether spots are sized by the face.

    Raises:
        UnknownNameError: There is no such geometry.
    """

    landmarks: ClassVar[Sequence[int]] = range(N_POINTS)
    takes_tensors = True

    def __init__(self, *, geometry: str | Geometry = "corrected") -> None:
        self.sized_by_face = create_geometry(geometry).sized_by_face

    def draw(self, faces: FaceBatch) -> tuple[Array, Array]:
        """Draw the spots; see ``Cue.draw``. A map needs a landmark in the frame. Labels play no part."""
        xp, size = namespace(faces.points), faces.map_size
        cells = faces.points * (size / faces.image_size)
        across = cells[:, LEFT_EYE_OUTER] - cells[:, RIGHT_EYE_OUTER]
        unit = xp.sqrt((across * across).sum(1))
        sigma = _SIGMA * unit if self.sized_by_face else xp.zeros_like(unit) + _PAPER_SIGMA * size
        chosen = cells[:, xp.asarray(np.array(self.landmarks), device=cells.device)]
        energy = _least_square(chosen, size) / (2 * (sigma * sigma + _CELL_VARIANCE))[:, None, None]
        energy = energy - xp.amin(energy, axis=(1, 2))[:, None, None]
        inside = ((chosen >= 0) & (chosen <= size)).all(2).any(1)
        return xp.exp(-energy), inside & (unit > _SHORTEST)


@CUES.register("landmarks51")
class InnerLandmarkCue(LandmarkCue):
    """``landmarks`` without the 17 points of the jaw, as the same source offers."""

    landmarks = range(len(JAW), N_POINTS)


def _least_square(points: Array, map_size: int) -> Array:
    """Square the distance of every cell centre from the nearest point, (N, S, S); points (N, P, 2) in cells."""
    xp = namespace(points)
    grid = xp.asarray(np.arange(map_size) + 0.5, dtype=xp.float32, device=points.device)
    squares = (points[:, :, :, None] - grid) ** 2  # (N, P, 2, S)
    least = None
    for point in range(points.shape[1]):
        square = squares[:, point, 1, :, None] + squares[:, point, 0, None, :]
        least = square if least is None else xp.minimum(least, square)
    return least
