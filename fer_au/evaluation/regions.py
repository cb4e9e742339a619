"""Where on the face a map lies: the share of its mass on eyes, brows, nose, mouth, rest of the face and background.

The regions are disjoint and cover the picture, so the shares of a map sum to 1. Where outlines overlap, the order of
precedence is mouth > eyes > brows > nose > face > background. Points are iBUG-68.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.arrays import FloatArray, to_numpy
from fer_au.landmarks import scheme

if TYPE_CHECKING:
    from torch import Tensor

REGIONS = ("eyes", "brows", "nose", "mouth", "face", "background")

# Painted in this order: what comes later lies on top.
_PAINT_ORDER = ("face", "nose", "brows", "eyes", "mouth")
_OUTLINES = {
    "nose": (scheme.NOSE,),
    "brows": (scheme.RIGHT_BROW, scheme.LEFT_BROW),
    "eyes": (scheme.RIGHT_EYE, scheme.LEFT_EYE),
    "mouth": (scheme.OUTER_LIPS,),
}
# Brow points run along the hair's ridge and eye points along the lid's edge: without a margin a brow is a line.
_MARGIN_IN_INTER_OCULAR = {"brows": 0.06, "eyes": 0.05, "nose": 0.0, "mouth": 0.0}
_FOREHEAD_LIFT = 0.4  # of the distance from the brows to the nose tip; the 68 points end at the brows
_SUPERSAMPLING = 8  # fine pixels per cell and axis: coverage is exact to about 1 %
_TURN = np.arange(16) * np.pi / 8
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


def region_coverage(
    points: NDArray[Any], image_size: float | tuple[float, float], map_size: tuple[int, int]
) -> FloatArray:
    """How much of every cell of a map's grid each region covers.

    Args:
        points: (N, 68, 2) xy of the image, pixel centres at +0.5; rows with a non-finite value have no regions.
        image_size: Side of the square image that the points lie in, or (width, height).
        map_size: (h, w) of the grid, spanning the whole image.

    Returns:
        (N, 6, h, w) in [0, 1], regions in the order of ``REGIONS``, summing to 1 over the regions; NaN rows where the
        points are not finite.

    Raises:
        ValueError: The points are not (N, 68, 2).
    """
    if points.ndim != 3 or points.shape[1:] != (68, 2):
        raise ValueError(f"points must be (N, 68, 2): got {points.shape}")
    width, height = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    rows, columns = map_size
    fine_points = points.astype(np.float64) * [columns * _SUPERSAMPLING / width, rows * _SUPERSAMPLING / height]
    coverage = np.full((len(points), len(REGIONS), rows, columns), np.nan)
    cells = np.arange(rows * columns).reshape(rows, columns)
    cell_of_pixel = cells.repeat(_SUPERSAMPLING, axis=0).repeat(_SUPERSAMPLING, axis=1)
    for index in np.flatnonzero(np.isfinite(fine_points).all(axis=(1, 2))):
        labels = _paint_regions(fine_points[index], cell_of_pixel.shape)
        counts = np.bincount((labels * cells.size + cell_of_pixel).ravel(), minlength=coverage[index].size)
        coverage[index] = counts.reshape(coverage[index].shape) / _SUPERSAMPLING**2
    return coverage


def region_attention(
    maps: NDArray[Any] | Tensor, points: NDArray[Any] | Tensor, image_size: float | tuple[float, float]
) -> dict[str, FloatArray]:
    """Share of each map's mass that lies in each region.

    Definition of the csci5527 project, sum(H M) / sum(H), with M made a partition. Negative values hold no mass; no
    offset is subtracted, since that would add or remove mass everywhere. An all-ones map gives each region's area.

    Args:
        maps: (N, h, w); bring coarse maps to the comparison grid first, or a cell straddles several regions.
        points: (N, 68, 2) xy of the image that the maps span.
        image_size: Side of the square image, or (width, height).

    Returns:
        Region -> (N,) shares in [0, 1]; they sum to 1. NaN for a map without mass and for non-finite maps or points.

    Raises:
        ValueError: The shapes don't fit.

    Example:
        >>> import numpy as np
        >>> shares = region_attention(np.zeros((1, 28, 28)), np.zeros((1, 68, 2)), 112)
        >>> float(shares["mouth"][0])
        nan
    """
    if maps.ndim != 3 or len(points) != len(maps):
        raise ValueError(f"maps must be (N, h, w) with N sets of points: got {tuple(maps.shape)}, {len(points)} sets")
    coverage = region_coverage(to_numpy(points), image_size, (int(maps.shape[1]), int(maps.shape[2])))
    return region_shares(maps, coverage)


def region_shares(maps: NDArray[Any] | Tensor, coverage: FloatArray) -> dict[str, FloatArray]:
    """``region_attention`` with the regions already rasterised by ``region_coverage`` (for many maps of an image)."""
    values = to_numpy(maps)
    mass = np.where(np.isnan(values), np.nan, np.maximum(values, 0.0))
    total = mass.sum(axis=(1, 2))
    shares = np.full((len(mass), len(REGIONS)), np.nan)
    np.divide(np.einsum("nhw,nrhw->nr", mass, coverage), total[:, None], out=shares, where=total[:, None] > 0)
    return {region: shares[:, index] for index, region in enumerate(REGIONS)}


def _paint_regions(points: FloatArray, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Index into ``REGIONS`` of every fine pixel; ``points`` in fine pixels."""
    labels = np.full(shape, REGIONS.index("background"), dtype=np.int64)
    inter_ocular = float(scheme.inter_ocular_distance(points))
    for region in _PAINT_ORDER:
        if region == "face":
            outlines, margin = [_face_outline(points)], 0.0
        else:
            outlines = [points[list(group)] for group in _OUTLINES[region]]
            margin = _MARGIN_IN_INTER_OCULAR[region] * inter_ocular
        for outline in outlines:
            _fill_hull(labels, outline, REGIONS.index(region), margin)
    return labels


def _face_outline(points: FloatArray) -> FloatArray:
    """Jaw, brows, and the brows lifted over the forehead along the face's own upward direction."""
    brows = points[list(scheme.BROWS)]
    up = brows.mean(axis=0) - points[scheme.CHIN]
    up /= max(float(np.linalg.norm(up)), np.finfo(float).tiny)
    lift = _FOREHEAD_LIFT * float(np.linalg.norm(brows.mean(axis=0) - points[scheme.NOSE_TIP]))
    return np.concatenate([points[list(scheme.JAW)], brows, brows + lift * up])


def _fill_hull(labels: NDArray[np.int64], outline: FloatArray, value: int, margin: float) -> None:
    """Label the fine pixels whose centre is in the convex hull of ``outline``, widened by ``margin`` all round."""
    widened = (outline[:, None] + margin * _CIRCLE).reshape(-1, 2) if margin > 0 else outline
    # cv2's polygon fill would also take every pixel that the outline touches: 10 % too much for a mouth.
    start = cv2.convexHull(widened.astype(np.float32))[:, 0].astype(np.float64)
    end = np.roll(start, -1, axis=0)
    y = np.arange(labels.shape[0])[:, None] + 0.5
    crosses = (start[:, 1] <= y) != (end[:, 1] <= y)
    rise = np.where(start[:, 1] == end[:, 1], 1.0, end[:, 1] - start[:, 1])
    x = start[:, 0] + (y - start[:, 1]) * (end[:, 0] - start[:, 0]) / rise
    left = np.where(crosses, x, np.inf).min(axis=1, keepdims=True)
    right = np.where(crosses, x, -np.inf).max(axis=1, keepdims=True)
    columns = np.arange(labels.shape[1]) + 0.5
    labels[(columns >= left) & (columns < right)] = value
