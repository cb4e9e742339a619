"""Cues ``landmarks`` and ``landmarks51``: a soft spot on every landmark, whatever the expression."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fer_au.cues.arrays import Array, constant, full_precision, namespace
from fer_au.cues.codebook import Codebook
from fer_au.cues.cue import CUES, Annotated
from fer_au.cues.geometries import create_geometry
from fer_au.cues.rendering import checked_points
from fer_au.ibug68 import JAW, LEFT_EYE_OUTER, N_POINTS, RIGHT_EYE_OUTER
from fer_au.stores.fingerprints import fingerprint

_PAPER_SIGMA = 8 / 224  # of the crop's side
_SIGMA = 0.08  # of the inter-ocular distance: the paper's 8 px on its own 224 px crops
_CELL_VARIANCE = 1 / 12  # of a uniform distribution over one cell: a spot is drawn as wide as its mean over each cell
_SHORTEST = 1e-3  # cells between the outer eye corners; below, a face has no size


@CUES.register("landmarks")
class LandmarkCue:
    """The maximum of one isotropic Gaussian per landmark, divided by its peak.

    Source: the landmark heatmaps among the alternatives of Belharbi et al. (FG 2024, arXiv 2402.00281), with a standard
    deviation of 8 px at 224 px. Geometry ``paper`` keeps that share of the crop; others size the spots by the face.

    Args:
        codebook: Not used.
        geometry: Name of a geometry.

    Raises:
        UnknownNameError: There is no such geometry.
    """

    points: Sequence[int] = range(N_POINTS)
    name = "landmarks"
    needs: tuple[str, ...] = ()
    avoid = False

    def __init__(self, *, codebook: str | Path | Codebook = "corrected", geometry: str = "corrected") -> None:
        self.by_face = create_geometry(geometry).name != "paper"

    @property
    def fingerprint(self) -> str:
        """Tells the points and the rule of their size apart."""
        return fingerprint(f"cue/{self.name}", 1, {"sigma": _SIGMA if self.by_face else _PAPER_SIGMA})

    def render(
        self, points: Array, labels: list[str], image_size: float, map_size: int, annotated: Annotated | None = None
    ) -> tuple[Array, Array]:
        """See ``Cue.render``; valid needs a landmark in the frame. Labels play no part."""
        with full_precision(points):
            checked, usable = checked_points(points, len(labels), image_size, map_size)
            xp = namespace(checked)
            cells = checked * (map_size / image_size)
            across = cells[:, LEFT_EYE_OUTER] - cells[:, RIGHT_EYE_OUTER]
            unit = xp.sqrt((across * across).sum(1))
            sigma = _SIGMA * unit if self.by_face else xp.zeros_like(unit) + _PAPER_SIGMA * map_size
            chosen = cells[:, constant(np.array(self.points), cells)]
            energy = _least_square(chosen, map_size) / (2 * (sigma * sigma + _CELL_VARIANCE))[:, None, None]
            energy = energy - xp.amin(energy, axis=(1, 2))[:, None, None]
            inside = ((chosen >= 0) & (chosen <= map_size)).all(2).any(1)
            valid = usable & inside & (unit > _SHORTEST)
            drawn = xp.exp(-energy)
            return xp.where(valid[:, None, None], drawn, xp.zeros_like(drawn)), valid


@CUES.register("landmarks51")
class InnerLandmarkCue(LandmarkCue):
    """``landmarks`` without the 17 points of the jaw, as the same source offers."""

    points = range(len(JAW), N_POINTS)
    name = "landmarks51"


def _least_square(points: Array, map_size: int) -> Array:
    """Squared distance of every cell centre from the nearest of some points (N, P, 2) in cells, (N, S, S)."""
    xp = namespace(points)
    grid = constant(np.arange(map_size) + 0.5, points)
    squares = (points[:, :, :, None] - grid) ** 2  # (N, P, 2, S)
    least = None
    for point in range(points.shape[1]):
        square = squares[:, point, 1, :, None] + squares[:, point, 0, None, :]
        least = square if least is None else xp.minimum(least, square)
    return least
