"""Cues ``au`` and ``au_generic``: the action units of a face's expression, or all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.arguments import read_known_labels
from fer_au.cues.arrays import Array, namespace
from fer_au.cues.codebook import Codebook, create_codebook
from fer_au.cues.cue import CUES, Cue, FaceBatch
from fer_au.cues.geometries import Geometry, create_geometry, draw_units
from fer_au.errors import ConfigError
from fer_au.fingerprints import fingerprint

BLOCK = 512  # faces per drawing: bounds memory, and keeps the work in the processor's cache


@CUES.register("au")
class AUCue(Cue):
    """The action units that a codebook lists for the face's expression; where it lists none there is no map.

    Source: Belharbi et al., FG 2024 (arXiv 2402.00281).

    Args:
        codebook: Name, path of a YAML file, or codebook.
        geometry: Name or geometry.

    Raises:
        ConfigError: Unknown or wrong codebook or geometry, or the geometry can't draw what the codebook lists.
    """

    def __init__(
        self, *, codebook: str | Path | Codebook = "corrected", geometry: str | Geometry = "corrected"
    ) -> None:
        self.codebook = create_codebook(codebook)
        self.geometry = create_geometry(geometry)
        self.takes_tensors = self.geometry.takes_tensors
        if missing := sorted(self.codebook.action_units - self.geometry.action_units):
            names = ", ".join(f"AU{unit}" for unit in missing)
            raise ConfigError(f"geometry {self.geometry.name!r} can't draw {names} of codebook {self.codebook.name!r}")

    @property
    def fingerprint(self) -> str:
        """Hash of what decides the maps besides landmarks, labels and sizes: the codebook's entries, the geometry."""
        geometry = {"name": self.geometry.name, "version": self.geometry.version}
        return fingerprint("cue/au", 1, {"codebook": self.codebook.sha256, "geometry": geometry})

    def draw(self, faces: FaceBatch) -> tuple[Array, Array]:
        """Draw the faces of each expression together; see ``Cue.draw``."""
        labels = np.array([label or "" for label in read_known_labels("labels", faces.labels)], np.str_)
        expressions = self.codebook.expressions.items()
        return _draw(faces, self.geometry, [(np.flatnonzero(labels == name), units) for name, units in expressions])


@CUES.register("au_generic")
class GenericAUCue(Cue):
    """Every action unit that the geometry draws, for every face, neutral ones included.

    Source: the class-agnostic maps among the alternatives of Belharbi et al. (FG 2024, arXiv 2402.00281).

    Args:
        geometry: Name or geometry.

    Raises:
        UnknownNameError: There is no such geometry.
    """

    def __init__(self, *, geometry: str | Geometry = "corrected") -> None:
        self.geometry = create_geometry(geometry)
        self.takes_tensors = self.geometry.takes_tensors

    def draw(self, faces: FaceBatch) -> tuple[Array, Array]:
        """Draw all action units with weight 1; see ``Cue.draw``. Labels play no part."""
        units = dict.fromkeys(sorted(self.geometry.action_units), 1.0)
        return _draw(faces, self.geometry, [(np.arange(len(faces)), units)])


def _draw(
    faces: FaceBatch, geometry: Geometry, groups: list[tuple[NDArray[np.int64], Mapping[int, float]]]
) -> tuple[Array, Array]:
    """Draw groups of faces that show the same action units: their rows, and action unit -> weight."""
    points, size = faces.points, faces.map_size
    xp = namespace(points)
    maps = xp.zeros((len(points), size, size), dtype=xp.float32, device=points.device)
    valid = xp.zeros((len(points),), dtype=xp.bool, device=points.device)
    for rows, units in groups:
        for start in range(0, len(rows), BLOCK):
            block = xp.asarray(rows[start : start + BLOCK], device=points.device)
            maps[block], valid[block] = draw_units(geometry, points[block], units, faces.image_size, size)
    return maps, valid
