"""Geometries: where an action unit shows on a face, and how far it reaches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from fer_au.cues.arrays import Array
from fer_au.registry import Registry


class Geometry(ABC):
    """Base of the ways to draw action units from 68 landmarks.

    Attributes:
        name: Registered name, set by ``create_geometry``.
        version: Number that is raised whenever the same landmarks give another map; part of what ``heatmaps.h5`` is
            recognised by.
        action_units: FACS numbers of the action units that it can draw.
        sized_by_face: Whether sizes follow the face; False where they are shares of the crop, as in the paper.
        takes_tensors: Whether ``draw`` computes with torch tensors, too; others are only given numpy arrays.
    """

    name: str = ""
    version: ClassVar[int] = 1
    action_units: ClassVar[frozenset[int]]
    sized_by_face: ClassVar[bool] = True
    takes_tensors: ClassVar[bool] = False

    @abstractmethod
    def draw(
        self, points: Array, weights: Mapping[int, float], image_size: float, map_size: int
    ) -> tuple[Array, Array]:
        """Draw the merged map of some action units for a batch of faces.

        Args:
            points: (N, 68, 2) finite float32 xy, pixels of an ``image_size`` square crop.
            weights: Action unit -> weight in (0, 1], at least one, all in ``action_units``.
            image_size: Side of the crop in pixels.
            map_size: Side S of the maps in cells, which tile the crop.

        Returns:
            Maps (N, S, S) float32 with values in [0, 1] and maximum 1, and valid (N,) bool, False (the map is then
            undefined) where no action unit lies in the frame.
        """


GEOMETRIES: Registry[type[Geometry]] = Registry(
    "AU-map geometry",
    "fer_au.geometries",
    built_in={"corrected": "fer_au.cues.corrected", "paper": "fer_au.cues.paper"},
    base=Geometry,
)


def create_geometry(name: str | Geometry) -> Geometry:
    """Make the geometry of a name; a geometry is returned as it is.

    Raises:
        UnknownNameError: No geometry has that name; the message lists near names.
    """
    if isinstance(name, Geometry):
        return name
    geometry = GEOMETRIES.get(name)()
    geometry.name = name
    return geometry


def list_geometries() -> list[str]:
    """List the names of all geometries.

    Example:
        >>> {"corrected", "paper"} <= set(list_geometries())
        True
    """
    return GEOMETRIES.names()
