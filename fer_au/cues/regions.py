"""Six disjoint regions of a face from its 68 points: eyes, brows, nose, mouth, the rest of the face, background.

They cover the picture. Where outlines overlap, the order of precedence is mouth > eyes > brows > nose > face >
background. The line through the bridge of the nose and the chin parts each of them into the person's left and right
side. Points are iBUG-68.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au import ibug68 as scheme

FloatArray = NDArray[np.float64]

REGIONS = ("eyes", "brows", "nose", "mouth", "face", "background")
SIDES = ("left", "right")
"""Sides of the person: the person's left is on the right of a picture that isn't mirrored."""

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
    """Compute how much of every cell of a map's grid each region covers.

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
    whole: FloatArray = side_coverage(points, image_size, map_size).sum(axis=1)
    return whole


def side_coverage(
    points: NDArray[Any], image_size: float | tuple[float, float], map_size: tuple[int, int]
) -> FloatArray:
    """Compute how much of every cell each region covers on each side of the face.

    Args:
        points: (N, 68, 2) xy as in ``region_coverage``.
        image_size: Side of the square image that the points lie in, or (width, height).
        map_size: (h, w) of the grid, spanning the whole image.

    Returns:
        (N, 2, 6, h, w) in [0, 1], sides in the order of ``SIDES`` and regions in that of ``REGIONS``; over the sides it
        sums to ``region_coverage``.

    Raises:
        ValueError: The points are not (N, 68, 2).
    """
    if points.ndim != 3 or points.shape[1:] != (68, 2):
        raise ValueError(f"points must be (N, 68, 2): got {points.shape}")
    width, height = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    rows, columns = map_size
    fine_points = points.astype(np.float64) * [columns * _SUPERSAMPLING / width, rows * _SUPERSAMPLING / height]
    coverage = np.full((len(points), len(SIDES), len(REGIONS), rows, columns), np.nan)
    cells = np.arange(rows * columns).reshape(rows, columns)
    cell_of_pixel = cells.repeat(_SUPERSAMPLING, axis=0).repeat(_SUPERSAMPLING, axis=1)
    for index in np.flatnonzero(np.isfinite(fine_points).all(axis=(1, 2))):
        labels = _paint_regions(fine_points[index], cell_of_pixel.shape)
        labels += len(REGIONS) * _sides(fine_points[index], cell_of_pixel.shape)
        counts = np.bincount((labels * cells.size + cell_of_pixel).ravel(), minlength=coverage[index].size)
        coverage[index] = counts.reshape(coverage[index].shape) / _SUPERSAMPLING**2
    return coverage


def region_labels(points: NDArray[Any], image_size: float, side: int) -> NDArray[np.int64]:
    """Give every pixel of an image the region that its centre lies in.

    Args:
        points: (N, 68, 2) xy of the image, pixel centres at +0.5; rows with a non-finite value have no regions.
        image_size: Side of the square image that the points lie in.
        side: Rows and columns of the result, which spans the whole image.

    Returns:
        (N, side, side) indices into ``REGIONS``; -1 where the points are not finite.
    """
    labels = np.full((len(points), side, side), -1, np.int64)
    scaled = points.astype(np.float64) * (side / image_size)
    for index in np.flatnonzero(np.isfinite(scaled).all(axis=(1, 2))):
        labels[index] = _paint_regions(scaled[index], (side, side))
    return labels


def _sides(points: FloatArray, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Give every fine pixel its index into ``SIDES``; ``points`` are in fine pixels."""
    top, down = points[scheme.NOSE_BRIDGE[0]], points[scheme.CHIN] - points[scheme.NOSE_BRIDGE[0]]
    across = np.array([-down[1], down[0]])  # points to one side of the line
    if across @ (points[list(scheme.RIGHT_EYE)].mean(axis=0) - points[list(scheme.LEFT_EYE)].mean(axis=0)) < 0:
        across = -across
    y, x = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1])[None, :] + 0.5
    return np.asarray(across[0] * (x - top[0]) + across[1] * (y - top[1]) > 0, np.int64)


def _paint_regions(points: FloatArray, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Give every fine pixel its index into ``REGIONS``; ``points`` are in fine pixels."""
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
    """Join jaw, brows, and the brows lifted over the forehead along the face's own upward direction."""
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
    # Only the rows and columns that the hull can reach: small hulls cost little.
    (x0, y0), (x1, y1) = (
        np.clip(corner, 0, (labels.shape[1], labels.shape[0])).astype(np.int64)
        for corner in (np.floor(start.min(axis=0)), np.ceil(start.max(axis=0)))
    )
    y = np.arange(y0, y1)[:, None] + 0.5
    crosses = (start[:, 1] <= y) != (end[:, 1] <= y)
    rise = np.where(start[:, 1] == end[:, 1], 1.0, end[:, 1] - start[:, 1])
    x = start[:, 0] + (y - start[:, 1]) * (end[:, 0] - start[:, 0]) / rise
    left = np.where(crosses, x, np.inf).min(axis=1, keepdims=True)
    right = np.where(crosses, x, -np.inf).max(axis=1, keepdims=True)
    columns = np.arange(x0, x1) + 0.5
    labels[y0:y1, x0:x1][(columns >= left) & (columns < right)] = value
