"""Six disjoint regions of a face from its 68 points: eyes, brows, nose, mouth, the rest of the face, background.

They cover the picture. Where outlines overlap, the order of precedence is mouth > eyes > brows > nose > face >
background. The line through the bridge of the nose and the chin parts each of them into the person's left and right
side. Points are iBUG-68.
"""

from __future__ import annotations

from collections.abc import Iterator
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
_FACES_AT_ONCE = 32
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
    for chunk in _chunks(fine_points):
        labels = _paint_regions(fine_points[chunk], cell_of_pixel.shape)
        labels += np.uint8(len(REGIONS)) * _is_right(fine_points[chunk], cell_of_pixel.shape)
        for index, own in zip(chunk, labels, strict=True):
            counts = np.bincount((own * np.int64(cells.size) + cell_of_pixel).ravel(), minlength=coverage[index].size)
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
    for chunk in _chunks(scaled):
        labels[chunk] = _paint_regions(scaled[chunk], (side, side))
    return labels


def _chunks(points: FloatArray) -> Iterator[NDArray[np.intp]]:
    """Give the positions of faces with finite points (N, 68, 2), so many at a time that their pixels stay in caches."""
    finite = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
    for begin in range(0, len(finite), _FACES_AT_ONCE):
        yield finite[begin : begin + _FACES_AT_ONCE]


def _is_right(points: FloatArray, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Find the fine pixels on the person's right side, (N, H, W); ``points`` (N, 68, 2) are in fine pixels."""
    top = points[:, scheme.NOSE_BRIDGE[0]]
    down = points[:, scheme.CHIN] - top
    across = np.stack([-down[:, 1], down[:, 0]], axis=1)  # points to one side of the line
    eyes = [points[:, list(eye)].mean(axis=1) for eye in (scheme.RIGHT_EYE, scheme.LEFT_EYE)]
    across[((eyes[0] - eyes[1]) * across).sum(axis=1) < 0] *= -1
    y, x = np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5
    along_x, along_y = across[:, :1] * (x - top[:, :1]), -across[:, 1:] * (y - top[:, 1:])
    return np.asarray(along_x[:, None, :] > along_y[:, :, None])


def _paint_regions(points: FloatArray, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Give every fine pixel its index into ``REGIONS``, (N, H, W); ``points`` (N, 68, 2) are in fine pixels."""
    labels = np.full((len(points), *shape), REGIONS.index("background"), dtype=np.uint8)
    inter_ocular = scheme.inter_ocular_distance(points)
    for region in _PAINT_ORDER:
        if region == "face":
            outlines, margin = [_face_outlines(points)], np.zeros(len(points))
        else:
            outlines = [points[:, list(group)] for group in _OUTLINES[region]]
            margin = _MARGIN_IN_INTER_OCULAR[region] * inter_ocular
        for outline in outlines:
            _fill_hulls(labels, outline, REGIONS.index(region), margin)
    return labels


def _face_outlines(points: FloatArray) -> FloatArray:
    """Join jaw, brows, and the brows lifted over the forehead along the face's own upward direction: (N, 37, 2)."""
    brows = points[:, list(scheme.BROWS)]
    up = brows.mean(axis=1) - points[:, scheme.CHIN]
    up /= np.maximum(np.linalg.norm(up, axis=1, keepdims=True), np.finfo(float).tiny)
    lift = np.linalg.norm(brows.mean(axis=1) - points[:, scheme.NOSE_TIP], axis=1, keepdims=True)
    return np.concatenate([points[:, list(scheme.JAW)], brows, brows + (_FOREHEAD_LIFT * lift * up)[:, None]], axis=1)


def _fill_hulls(labels: NDArray[np.uint8], outlines: FloatArray, value: int, margins: FloatArray) -> None:
    """Label the fine pixels whose centre is in the convex hull of each outline, widened by a margin all round.

    Args:
        labels: (N, H, W), changed.
        outlines: (N, n, 2) in fine pixels.
        value: The label.
        margins: (N,) in fine pixels.
    """
    widened = outlines
    if margins.any():
        widened = (outlines[:, :, None] + margins[:, None, None, None] * _CIRCLE).reshape(len(outlines), -1, 2)
    # cv2's polygon fill would also take every pixel that the outline touches: 10 % too much for a mouth.
    hulls = [_hull(one) for one in np.ascontiguousarray(widened, np.float32)]
    start = np.empty((len(hulls), max(map(len, hulls)), 2))
    for row, hull in zip(start, hulls, strict=True):
        row[: len(hull)], row[len(hull) :] = hull, hull[-1]  # edges without a length cross nothing
    # Only the rows and columns that the hulls can reach: small hulls cost little.
    (x0, y0), (x1, y1) = (
        np.clip(corner, 0, (labels.shape[2], labels.shape[1])).astype(np.int32)
        for corner in (np.floor(start.min(axis=(0, 1))), np.ceil(start.max(axis=(0, 1))))
    )
    first, last = _cut_rows(start, np.arange(y0, y1) + 0.5)
    columns = np.arange(x0, x1, dtype=np.int32)
    inside = (columns >= first[:, :, None]) & (columns < last[:, :, None])
    np.copyto(labels[:, y0:y1, x0:x1], np.uint8(value), where=inside)


def _hull(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Find the corners (V, 2) of the convex hull of points (n, 2); points that are all one have that one."""
    found = cv2.convexHull(points)  # None, where OpenCV finds no extent
    return points[:1] if found is None else np.asarray(found[:, 0], np.float32)


def _cut_rows(corners: FloatArray, y: FloatArray) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Find the pixels of each row whose centres lie in convex polygons.

    Args:
        corners: (N, V, 2) in the order of the outline.
        y: (R,) heights of the rows.

    Returns:
        (N, R) first column, and (N, R) column after the last; the first isn't before the other where there is none.
    """
    (x, begin), (end_x, end) = (np.moveaxis(one, 2, 0)[..., None] for one in (corners, np.roll(corners, -1, axis=1)))
    crosses = (begin <= y) != (end <= y)
    at = x + (y - begin) * (end_x - x) / np.where(begin == end, 1.0, end - begin)
    left, right = np.where(crosses, at, np.inf).min(axis=1), np.where(crosses, at, -np.inf).max(axis=1)
    far = float(np.iinfo(np.int32).max // 2)  # a centre lies half a pixel behind the begin of its column
    return tuple(np.clip(np.ceil(side - 0.5), -far, far).astype(np.int32) for side in (left, right))
