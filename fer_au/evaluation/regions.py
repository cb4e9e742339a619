"""Measure where on the face a map lies: its share on eyes, brows, nose, mouth, rest of the face and background.

The regions (see ``fer_au.cues.regions``) are disjoint and cover the picture, so the shares of a map sum to 1. Negative
values hold no mass, and no offset may be subtracted before: that would add mass everywhere, most of it to the
background, which is the largest region.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_au.arguments import plain, read_list, read_number
from fer_au.array_arguments import answer_in_kind, read_array, read_points
from fer_au.cues.regions import REGIONS as REGIONS
from fer_au.cues.regions import SIDES, region_coverage
from fer_au.errors import ArgumentError
from fer_au.evaluation.map_scores import FloatArray, Maps, to_numpy

if TYPE_CHECKING:
    from torch import Tensor

FACE_REGIONS = tuple(region for region in REGIONS if region != "background")


def region_attention(
    maps: Maps, points: NDArray[Any] | Tensor, image_size: float | tuple[float, float]
) -> dict[str, Maps]:
    """Compute the share of each map's mass that lies in each region.

    Definition of the csci5527 project, sum(H M) / sum(H), with M made a partition. Negative values hold no mass; no
    offset is subtracted. An all-ones map gives each region's area.

    Args:
        maps: (N, h, w) raw maps, signed or not. Bring coarse maps to the comparison grid first
            (``comparison.mass_maps``), or a cell straddles several regions.
        points: (N, 68, 2) xy in pixels of the image that the maps span.
        image_size: Side of the square image in pixels, or (width, height).

    Returns:
        Region -> (N,) shares in [0, 1], tensors if the maps are; they sum to 1. NaN for a map without mass and for
        non-finite maps or points.

    Raises:
        ArgumentError: The shapes don't fit, or the points can't be pixels of an image of that size.

    Example:
        >>> import numpy as np
        >>> from fer_au.ibug68 import MEAN_FACE
        >>> points = 56 + 32 * MEAN_FACE[None]
        >>> looks_up = np.zeros((1, 28, 28))
        >>> looks_up[:, :14] = 1
        >>> shares = region_attention(looks_up, points, image_size=112)
        >>> bool(shares["brows"][0] > 0), bool(shares["mouth"][0] > 0)
        (True, False)
    """
    maps = read_array("maps", maps, ("N", "h", "w"))
    width, height = _read_sides(image_size)
    points = read_points("points", points, max(width, height), len(maps))
    coverage = region_coverage(to_numpy(points), (width, height), (int(maps.shape[1]), int(maps.shape[2])))
    shares = _shares(maps, coverage)
    return {region: answer_in_kind(shares[:, index].copy(), maps) for index, region in enumerate(REGIONS)}


def _read_sides(image_size: object) -> tuple[float, float]:
    """Read the size of an image: one side of a square, or width and height.

    Raises:
        ArgumentError: It is something else.
    """
    expected = "the side of a square, or (width, height)"
    if isinstance(plain(image_size), int | float | str | None):
        side = read_number("image_size", image_size)
        return side, side
    sides = [read_number("image_size", side) for side in read_list("image_size", image_size, expected)]
    if len(sides) != 2:
        raise ArgumentError(f"image_size: expected {expected}, got {len(sides)} numbers")
    return sides[0], sides[1]


def region_shares(maps: NDArray[Any], coverage: NDArray[Any]) -> dict[str, FloatArray]:
    """Compute the shares of each region, and of each side of the face's regions.

    Args:
        maps: (N, h, w) of ``comparison.mass_maps``.
        coverage: (N, 2, regions, h, w) of ``cues.regions.side_coverage``.

    Returns:
        ``region.<region>`` and ``side_region.<side>.<region>`` -> (N,) shares of the whole map's mass; NaN as in
        ``region_attention``.
    """
    sides = _shares(maps, coverage.reshape(len(coverage), -1, *coverage.shape[3:])).reshape(coverage.shape[:3])
    whole = sides.sum(axis=1)
    shares = {f"region.{region}": whole[:, index] for index, region in enumerate(REGIONS)}
    for number, side in enumerate(SIDES):
        for region in FACE_REGIONS:
            shares[f"side_region.{side}.{region}"] = sides[:, number, REGIONS.index(region)]
    return shares


def _shares(maps: NDArray[Any] | Tensor, areas: NDArray[Any]) -> FloatArray:
    """Compute the share of each map's mass in each of its areas (N, areas, h, w): (N, areas)."""
    values = to_numpy(maps)
    mass = np.where(np.isnan(values), np.nan, np.maximum(values, 0.0)).reshape(
        len(values), values.shape[1] * values.shape[2], 1
    )
    total = mass.sum(axis=1)
    shares = np.full(areas.shape[:2], np.nan)
    parts = (areas.reshape(*areas.shape[:2], mass.shape[1]) @ mass)[:, :, 0]
    np.divide(parts, total, out=shares, where=total > 0)
    return shares
