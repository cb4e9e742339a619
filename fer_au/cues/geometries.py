"""Geometries: where an action unit shows on a face, and how far it reaches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from fer_au.answers import check_array, check_range
from fer_au.cues.arrays import Array, namespace
from fer_au.errors import PartError
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


def draw_units(
    geometry: Geometry, points: Array, weights: Mapping[int, float], image_size: float, map_size: int
) -> tuple[Array, Array]:
    """Draw by a geometry, and check what it draws; arguments and result as ``Geometry.draw``, but 0 where not valid.

    Raises:
        PartError: The geometry gave something else than maps.
    """
    title, xp = GEOMETRIES.title(geometry), namespace(points)
    maps, valid = unpack_drawn(title, geometry.draw(points, weights, image_size, map_size), points, map_size)
    maps = xp.where(valid[:, None, None], maps, 0)
    check_range(title, "maps", maps, 0, 1, wait=False)
    return maps, valid


def unpack_drawn(title: str, drawn: object, points: Array, map_size: int | str = "S") -> tuple[Array, Array]:
    """Take maps and flags apart, and check their shapes and types.

    Args:
        title: Part that drew them.
        drawn: Its answer, anything.
        points: (N, 68, 2) points that it was given.
        map_size: Side of the maps; a letter for any.

    Raises:
        PartError: The answer is no pair of N maps and N flags, in the library and on the device of the points.
    """
    if not isinstance(drawn, tuple | list) or len(drawn) != 2:
        raise PartError(f"{title} gave a value of type {type(drawn).__name__}, expected maps and valid")
    maps, valid = drawn
    check_array(title, "maps", maps, (len(points), map_size, map_size), like=points)
    check_array(title, "valid", valid, (len(points),), "bool", like=points)
    return maps, valid


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
