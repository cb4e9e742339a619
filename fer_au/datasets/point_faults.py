"""Faults of the 68 points that a data set brings, told by the picture's size and the shape of a face, not by pixels.

Points in another unit, order or frame are numbers like any others, and every map drawn from them would be wrong without
a word. A face's points must lie in its picture, be some pixels wide, show a face in the order of iBUG, and stand
upright. Where they don't, the usual mix-ups are undone in turn: the simplest that gives a face names the cause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fer_au.datasets.base import Annotations
from fer_au.datasets.face_shape import LEAST_EYES, Floats, in_picture, is_face, tiny
from fer_au.datasets.manifest import ManifestRow
from fer_au.datasets.point_mixups import explain_points
from fer_au.ibug68 import inter_ocular_distance
from fer_au.rejects import Reason, Reject

_LEAST_OVERLAP = 0.1  # of the points' box and the face's box: align tells faces apart by it
_PROFILE = 4.0  # length of a face in distances of its eyes, seen from the front at most 2
_PIECE = 4096  # faces that are looked at at once


def judge_points(annotations: Annotations, rows: Sequence[ManifestRow]) -> tuple[Annotations, list[Reject]]:
    """Look at the points of all faces of a manifest.

    Args:
        annotations: Annotations of the set, with or without points.
        rows: Rows of the manifest.

    Returns:
        The annotations with NaN for faulty points; and the faults, a line each, with cause and remedy.
    """
    if "points" not in annotations.columns:
        return annotations, []
    points = np.array(annotations.columns["points"], np.float32)
    place = {id_: number for number, id_ in enumerate(annotations.ids)}
    known = [row for row in rows if row.id in place and np.isfinite(points[place[row.id]]).all()]
    rejects: list[Reject] = []
    for start in range(0, len(known), _PIECE):
        piece = known[start : start + _PIECE]
        at = [place[row.id] for row in piece]
        sizes = np.array([(row.width, row.height) for row in piece], np.float64)
        boxes = np.array([row.box or (np.nan,) * 4 for row in piece], np.float64)
        for row, number, text in zip(
            piece, at, find_faults(points[at], sizes, boxes, annotations.points_offset), strict=True
        ):
            if text:
                points[number] = np.nan
                rejects.append(Reject(row.id, Reason.BAD_POINTS, text))
    return replace(annotations, columns={**annotations.columns, "points": points}), rejects


def find_faults(
    points: NDArray[np.floating], sizes: Floats, boxes: Floats | None = None, offset: float = 0.0
) -> list[str]:
    """Tell what is wrong with the points of each face.

    Args:
        points: Points (N, 68, 2) xy in pixels of the pictures, finite.
        sizes: Width and height (N, 2) of each face's picture.
        boxes: Boxes (N, 4) of the faces, xyxy in pixels of the pictures; NaN for faces without one.
        offset: Pixels that were added to the data set's numbers.

    Returns:
        A text for each face, ``cause; remedy``; empty where nothing is wrong.
    """
    given = np.asarray(points, np.float64)
    texts = np.full(len(given), "", object)
    seen = ~is_face(given, sizes)
    bad = np.flatnonzero(seen)
    if len(bad):
        texts[bad] = explain_points(given[bad] - offset, sizes[bad])
    for face in np.flatnonzero(seen & (texts == "")).tolist():
        texts[face] = _describe(given[face], sizes[face])
    if boxes is not None:
        for face in np.flatnonzero(~seen & _beside(given, boxes)).tolist():
            texts[face] = (
                f"points lie beside the face's box; {_extent(given[face])}, and the box is {_box(boxes[face])}"
            )
    return list(texts)


def blame_points(annotations: Annotations, rows: Sequence[ManifestRow], rejects: Sequence[Reject]) -> str:
    """Say that most points of a set can't be used, by the most frequent cause; empty if most can.

    Args:
        annotations: Annotations with NaN for faulty points.
        rows: Rows of the manifest.
        rejects: Items that can't be used, those of other reasons among them.
    """
    faults = sorted(one for one in rejects if one.reason is Reason.BAD_POINTS)
    if not faults:
        return ""
    whole = np.isfinite(annotations.columns["points"]).all(axis=(1, 2)).tolist()
    usable = len({id_ for id_, good in zip(annotations.ids, whole, strict=True) if good} & {row.id for row in rows})
    if len(faults) <= usable:
        return ""
    causes = Counter(one.detail.partition(";")[0] for one in faults)
    cause = max(causes, key=lambda text: (causes[text], text))
    first = next(one for one in faults if one.detail.partition(";")[0] == cause)
    number = "" if causes[cause] == len(faults) else f", {causes[cause]} of them for one cause"
    return (
        f"{annotations.points_from}: {len(faults)} of {len(faults) + usable} faces have unusable points{number} "
        f"(key points): {first.detail}; such as {first.id}"
    )


def _describe(points: Floats, size: Floats) -> str:
    """Say what is wrong where no mix-up explains it."""
    one, (width, height) = points[None], size.astype(int).tolist()
    if not in_picture(one, size[None])[0]:
        return (
            f"points lie outside the picture; {_extent(points)} in {width}x{height} pixels: if they were measured on "
            "another size of it, scale them"
        )
    if tiny(one)[0]:
        distance = float(inter_ocular_distance(points))
        if np.ptp(points, axis=0).max() > _PROFILE * LEAST_EYES:
            return (
                f"a full profile, whose eyes lie over each other; points 36 and 45 are {distance:.3g} pixels apart, "
                f"and maps are sized by that distance, from {LEAST_EYES:g} on"
            )
        return f"eyes less than {LEAST_EYES:g} pixels apart; points 36 and 45 are {distance:.3g} pixels apart"
    return "points are no face in the order of iBUG; another scheme, or points of another picture?"


def _beside(points: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """Tell which points and boxes (N, 4) hardly overlap; False where there is no box."""
    low, high = points.min(axis=1), points.max(axis=1)
    common = np.clip(np.minimum(high, boxes[:, 2:]) - np.maximum(low, boxes[:, :2]), 0, None).prod(axis=1)
    both = (high - low).prod(axis=1) + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - common
    return np.asarray(common < _LEAST_OVERLAP * both)


def _extent(points: Floats) -> str:
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return f"x from {left:.4g} to {right:.4g}, y from {top:.4g} to {bottom:.4g}"


def _box(box: Floats) -> str:
    return " ".join(f"{edge:.4g}" for edge in box.tolist())
