"""Cue ``au_active``: the action units that are active in this very image, as its data set annotates them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.compute.progress import log
from fer_au.cues.arrays import Array, constant, full_precision, namespace, zeros
from fer_au.cues.codebook import Codebook
from fer_au.cues.cue import CUES, Annotated, needed_column
from fer_au.cues.geometries import create_geometry
from fer_au.cues.rendering import BLOCK, checked_points
from fer_au.errors import DataError
from fer_au.stores.fingerprints import fingerprint

_COLUMN = "au"
_NAMES = "au_names"


@CUES.register("au_active")
class ActiveAUCue:
    """The map of each active action unit times its intensity, merged by a pixelwise maximum.

    Intensities are the column ``au`` of ``annotations.h5``: 0 for an action unit at rest, 1 for its strongest (a FACS
    scale from A to E, or 0 to 5, divided by 5). They are the map's own scale: a slight smile gives a faint map. The
    label plays no part, so a neutral face with a raised brow has a map. No codebook is used; an intensity of NaN is not
    known and counts as rest; action units that the geometry can't draw are left out, which the log says.

    Args:
        codebook: Not used.
        geometry: Name of a geometry.

    Raises:
        UnknownNameError: There is no such geometry.
    """

    needs: tuple[str, ...] = (_COLUMN,)
    avoid = False

    def __init__(self, *, codebook: str | Path | Codebook = "corrected", geometry: str = "corrected") -> None:
        self.geometry = create_geometry(geometry)

    @property
    def fingerprint(self) -> str:
        """Changes with the geometry's version."""
        return fingerprint("cue/au_active", 1, {"geometry": self.geometry.name, "version": self.geometry.version})

    def render(
        self, points: Array, labels: list[str], image_size: float, map_size: int, annotated: Annotated | None = None
    ) -> tuple[Array, Array]:
        """See ``Cue.render``; not valid where no action unit is active, or none of the active ones lies in the frame.

        Raises:
            DataError: There are no intensities, or they are not from 0 to 1.
        """
        column = needed_column(annotated, _COLUMN, "au_active")
        names = "" if annotated is None else str(annotated.attributes.get(_NAMES, ""))
        intensities = _checked_intensities(column, names, len(points))
        with full_precision(points):
            checked, usable = checked_points(points, len(labels), image_size, map_size)
            xp = namespace(checked)
            maps = zeros((len(checked), map_size, map_size), checked)
            valid = zeros((len(checked),), checked, "bool")
            for column_index, unit in _drawable(names, self.geometry.name):
                strengths = intensities[:, column_index]
                active = np.flatnonzero(strengths > 0)
                for rows in (active[i : i + BLOCK] for i in range(0, len(active), BLOCK)):
                    index = constant(rows, checked)
                    drawn, seen = self.geometry.draw(checked[index], {unit: 1.0}, image_size, map_size)
                    seen &= usable[index]
                    drawn = drawn * constant(strengths[rows], checked)[:, None, None]
                    maps[index] = xp.where(seen[:, None, None], xp.maximum(maps[index], drawn), maps[index])
                    valid[index] |= seen
        return maps, valid


def _checked_intensities(column: Array, names: str, count: int) -> NDArray[np.float32]:
    """Intensities (N, A), 0 where they are not known."""
    values = np.asarray(column, np.float32)
    if values.ndim != 2 or len(values) != count or values.shape[1] != len(names.split(",")):
        raise DataError(f"column {_COLUMN!r} has the shape {values.shape} for {count} faces and {_NAMES} {names!r}")
    known = np.nan_to_num(values, nan=0.0)
    if ((known < 0) | (known > 1)).any():
        worst = float(known.flat[np.abs(known - 0.5).argmax()])
        raise DataError(f"column {_COLUMN!r} holds {worst:g}; intensities are from 0 to 1 (divide a 0-5 scale by 5)")
    return known


@lru_cache(maxsize=8)
def _drawable(names: str, geometry_name: str) -> tuple[tuple[int, int], ...]:
    """Columns and FACS numbers of the annotated action units that a geometry draws; says once which it doesn't."""
    geometry = create_geometry(geometry_name)
    pairs = [(index, name.strip().upper().removeprefix("AU")) for index, name in enumerate(names.split(","))]
    numbers = [(index, int(text) if text.isdecimal() else -1) for index, text in pairs]
    if left := [pairs[index][1] for index, unit in numbers if unit not in geometry.action_units]:
        log(f"cue au_active: geometry {geometry.name!r} can't draw {', '.join(f'AU{text}' for text in left)}")
    return tuple((index, unit) for index, unit in numbers if unit in geometry.action_units)
