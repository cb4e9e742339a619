"""Cue ``au_active``: the action units that are active in this very image, as its data set annotates them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fer_au.compute.progress import log
from fer_au.cues.arrays import Array, namespace
from fer_au.cues.au import BLOCK
from fer_au.cues.cue import CUES, Cue, FaceBatch
from fer_au.cues.geometries import Geometry, create_geometry, draw_units
from fer_au.errors import DataError

_COLUMN = "au"
_NAMES = "au_names"


@CUES.register("au_active")
class ActiveAUCue(Cue):
    """The map of each active action unit times its intensity, merged by a pixelwise maximum.

    Intensities are the column ``au`` of ``annotations.h5``: 0 for an action unit at rest, 1 for its strongest (a FACS
    scale from A to E, or 0 to 5, divided by 5). They are the map's own scale: a slight smile gives a faint map. The
    label plays no part, so a neutral face with a raised brow has a map. An intensity of NaN is not known and counts as
    rest; action units that the geometry can't draw are left out, which the log says.

    Args:
        geometry: Name or geometry.

    Raises:
        UnknownNameError: There is no such geometry.
    """

    needs = (_COLUMN,)

    def __init__(self, *, geometry: str | Geometry = "corrected") -> None:
        self.geometry = create_geometry(geometry)
        self.takes_tensors = self.geometry.takes_tensors

    def draw(self, faces: FaceBatch) -> tuple[Array, Array]:
        """Draw the active action units one by one; see ``Cue.draw``.

        A face has no map where no action unit is active, or none of the active ones lies in the frame.

        Raises:
            DataError: There are no intensities, or they are not from 0 to 1.
        """
        names = str(faces.attributes.get(_NAMES, ""))
        intensities = _checked_intensities(faces.columns[_COLUMN], names, len(faces))
        points, size = faces.points, faces.map_size
        xp = namespace(points)
        maps = xp.zeros((len(points), size, size), dtype=xp.float32, device=points.device)
        valid = xp.zeros((len(points),), dtype=xp.bool, device=points.device)
        for column, unit in _drawable(names, self.geometry):
            strengths = intensities[:, column]
            active = np.flatnonzero(strengths > 0)
            for rows in (active[i : i + BLOCK] for i in range(0, len(active), BLOCK)):
                block = xp.asarray(rows, device=points.device)
                drawn, seen = draw_units(self.geometry, points[block], {unit: 1.0}, faces.image_size, size)
                drawn = drawn * xp.asarray(strengths[rows], device=points.device)[:, None, None]
                maps[block] = xp.where(seen[:, None, None], xp.maximum(maps[block], drawn), maps[block])
                valid[block] |= seen
        return maps, valid


def _checked_intensities(column: Array, names: str, count: int) -> NDArray[np.float32]:
    """Check intensities (N, A) and set unknown ones to 0."""
    values = np.asarray(column, np.float32)
    if values.ndim != 2 or len(values) != count or values.shape[1] != len(names.split(",")):
        raise DataError(f"column {_COLUMN!r} has the shape {values.shape} for {count} faces and {_NAMES} {names!r}")
    known = np.nan_to_num(values, nan=0.0)
    if ((known < 0) | (known > 1)).any():
        worst = float(known.flat[np.abs(known - 0.5).argmax()])
        raise DataError(f"column {_COLUMN!r} holds {worst:g}; intensities are from 0 to 1 (divide a 0-5 scale by 5)")
    return known


def _drawable(names: str, geometry: Geometry) -> tuple[tuple[int, int], ...]:
    """Find columns and FACS numbers of the annotated action units that a geometry draws; log once which it doesn't."""
    texts = [name.strip().upper().removeprefix("AU") for name in names.split(",")]
    units = [int(text) if text.isdecimal() else -1 for text in texts]
    if left := [text for text, unit in zip(texts, units, strict=True) if unit not in geometry.action_units]:
        _log_once(f"cue au_active: geometry {geometry.name!r} can't draw {', '.join(f'AU{text}' for text in left)}")
    return tuple((column, unit) for column, unit in enumerate(units) if unit in geometry.action_units)


@lru_cache(maxsize=8)
def _log_once(message: str) -> None:
    log(message)
