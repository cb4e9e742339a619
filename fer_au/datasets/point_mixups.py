"""Mix-ups of units, orders and frames in 68 points: which of them, undone, gives faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fer_au.datasets.face_shape import Floats, compare, is_face
from fer_au.ibug68 import MIRROR, N_POINTS

_UPRIGHT = 75.0  # degrees that a face leans where an undone mix-up is believed
_PRICE = 45.0  # degrees of lean that are believed before another mix-up is


@dataclass(frozen=True)
class _Mixup:
    """A mix-up in points, and how it is undone.

    Attributes:
        kind: How: a unit, an order or an orientation, as ``_undo`` knows them.
        cause: What the points look like; empty for points that are as they should be.
        remedy: What to do about it.
    """

    kind: str
    cause: str = ""
    remedy: str = ""


_RIGHT = _Mixup("right")
_SCALE = "multiply x by the picture's width and y by its height"
_UNITS = (
    _RIGHT,
    _Mixup("unit", "normalised to [0, 1]", _SCALE),
    _Mixup("signed", "normalised to [-1, 1]", f"add 1, halve them, and {_SCALE}"),
    _Mixup(
        "percent",
        "like percent of the picture, or pixels of another size of it",
        f"divide percent by 100 and {_SCALE}, and scale pixels",
    ),
)
_ORDERS = (
    _RIGHT,
    _Mixup("planar", "like all x and then all y", "write x and y of each point in turn"),
    _Mixup("swapped", "like y before x", "swap x and y of each point"),
    _Mixup("swapped planar", "like all y and then all x", "write x and y of each point in turn"),
)
_TURN = "pictures are set upright by their EXIF orientation: turn the points with them"
_ORIENTATIONS = (
    _RIGHT,
    _Mixup(
        "mirrored",
        "mirrored",
        "point 0 is at the jaw on the picture's left; points of a mirrored picture must be mirrored back",
    ),
    _Mixup("upwards", "like y counted from the picture's bottom", "subtract y from the picture's height"),
    _Mixup("upside down", "upside down", _TURN),
    _Mixup("clockwise", "lying on the side", _TURN),
    _Mixup("counter-clockwise", "lying on the side", _TURN),
)


def explain_points(points: Floats, sizes: Floats) -> NDArray[np.object_]:
    """Name the mix-ups that make faces of points (N, 68, 2) as the data set has them; empty where none do.

    Of several the simplest is taken, which leaves a face most upright: a mirrored face that leans by 45 degrees is one
    with swapped axes, too.
    """
    texts = np.full(len(points), "", object)
    best = np.full(len(points), np.inf)
    for mixups in product(_UNITS, _ORDERS, _ORIENTATIONS):
        if wrong := [mixup for mixup in mixups if mixup is not _RIGHT]:
            undone = _undo(points, sizes, mixups)
            cost = np.where(is_face(undone, sizes, _UPRIGHT), compare(undone)[1] + _PRICE * len(wrong), np.inf)
            causes, remedies = " and ".join(one.cause for one in wrong), ", and ".join(one.remedy for one in wrong)
            better = cost < best - 1  # units that differ in scale alone leave one lean: the first is taken
            texts[better] = f"points look {causes}; {remedies}"
            best[better] = cost[better]
    return texts


def _undo(points: Floats, sizes: Floats, mixups: Sequence[_Mixup]) -> Floats:
    """Undo a mix-up of order, one of unit and one of orientation, in points (N, 68, 2) as the data set has them."""
    unit, order, orientation = (mixup.kind for mixup in mixups)
    flat = points.reshape(len(points), 2 * N_POINTS)
    if order.endswith("planar"):
        points = np.stack([flat[:, :N_POINTS], flat[:, N_POINTS:]], axis=2)
    if order.startswith("swapped"):
        points = points[..., ::-1]
    whole = sizes[:, None]
    shares = {"unit": points, "signed": (points + 1) / 2, "percent": points / 100}
    points = shares[unit] * whole if unit in shares else points
    if orientation == "mirrored":
        return points[:, MIRROR]
    x, y = points[..., 0], points[..., 1]
    width, height = whole[..., 0], whole[..., 1]
    turned = {
        "upwards": (x, height - y),
        "upside down": (width - x, height - y),
        "clockwise": (width - y, x),
        "counter-clockwise": (y, height - x),
    }
    return np.stack(turned[orientation], axis=2) if orientation in turned else points
