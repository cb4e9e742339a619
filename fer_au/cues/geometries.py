"""Geometries: where an action unit shows on a face, and how far it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fer_au.cues.arrays import Array
from fer_au.registry import Registry


class Geometry(Protocol):
    """How the maps of an expression's action units are drawn from 68 landmarks.

    Attributes:
        name: Name in the registry.
        version: Raised whenever the same landmarks give another map; part of the fingerprint of ``heatmaps.h5``.
        action_units: FACS numbers of the action units it can draw.
    """

    name: str
    version: int
    action_units: frozenset[int]

    def draw(
        self, points: Array, weights: Mapping[int, float], image_size: float, map_size: int
    ) -> tuple[Array, Array]:
        """Draw the merged map of some action units for a batch of faces.

        Args:
            points: (N, 68, 2) finite float32 xy, pixels of an ``image_size`` square crop; numpy or torch.
            weights: Action unit -> weight in (0, 1], at least one, all in ``action_units``.
            image_size: Side of the crop in pixels.
            map_size: Side S of the maps in cells, which tile the crop.

        Returns:
            Maps (N, S, S) float32 with values in [0, 1] and maximum 1, and valid (N,) bool, false (the map is then
            undefined) where no action unit lies in the frame.
        """
        ...


GEOMETRIES: Registry[Geometry] = Registry(
    "AU-map geometry",
    "fer_au.geometries",
    built_in={"corrected": "fer_au.cues.corrected", "paper": "fer_au.cues.paper"},
)


def create_geometry(name: str) -> Geometry:
    """The geometry of that name.

    Raises:
        UnknownNameError: There is none; the message lists near names.
    """
    return GEOMETRIES.get(name)


def list_geometries() -> list[str]:
    """Names of all geometries.

    Example:
        >>> {"corrected", "paper"} <= set(list_geometries())
        True
    """
    return GEOMETRIES.names()
