"""The iBUG-68 landmark scheme: groups, mirror permutation and the distance that face errors are measured in.

Indices count from 0. "Left" and "right" are the person's own, as in FACS: the person's right eye is on the left of
the picture. Source of the numbering: Sagonas et al. 2013, "300 Faces in-the-Wild Challenge", Fig. 1 (there from 1).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fer_au.answers import library_of
from fer_au.arguments import read_number
from fer_au.array_arguments import Points, as_floats, in_main_memory, read_array
from fer_au.errors import ArgumentError

N_POINTS = 68

JAW = tuple(range(17))
RIGHT_BROW = tuple(range(17, 22))
LEFT_BROW = tuple(range(22, 27))
BROWS = RIGHT_BROW + LEFT_BROW
NOSE_BRIDGE = tuple(range(27, 31))
NOSE_BASE = tuple(range(31, 36))
NOSE = NOSE_BRIDGE + NOSE_BASE
RIGHT_EYE = tuple(range(36, 42))
LEFT_EYE = tuple(range(42, 48))
EYES = RIGHT_EYE + LEFT_EYE
OUTER_LIPS = tuple(range(48, 60))
INNER_LIPS = tuple(range(60, 68))
MOUTH = OUTER_LIPS + INNER_LIPS

CHIN = 8
NOSE_TIP = 30
SUBNASALE = 33
RIGHT_EYE_OUTER, RIGHT_EYE_INNER = 36, 39
LEFT_EYE_INNER, LEFT_EYE_OUTER = 42, 45
RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER = 48, 54

GROUPS: dict[str, tuple[int, ...]] = {
    "jaw": JAW,
    "right_brow": RIGHT_BROW,
    "left_brow": LEFT_BROW,
    "nose": NOSE,
    "right_eye": RIGHT_EYE,
    "left_eye": LEFT_EYE,
    "mouth": MOUTH,
}
"""Partition of the 68 points into parts of the face."""


def _mirror_permutation() -> NDArray[np.int64]:
    order = list(range(N_POINTS))
    runs = [
        (JAW, JAW[::-1]),
        (RIGHT_BROW, LEFT_BROW[::-1]),
        (NOSE_BASE, NOSE_BASE[::-1]),
        (RIGHT_EYE, (45, 44, 43, 42, 47, 46)),
        (OUTER_LIPS[:7], OUTER_LIPS[6::-1]),
        (OUTER_LIPS[7:], OUTER_LIPS[:6:-1]),
        (INNER_LIPS[:5], INNER_LIPS[4::-1]),
        (INNER_LIPS[5:], INNER_LIPS[:4:-1]),
    ]
    for one, other in runs:
        for i, j in zip(one, other, strict=True):
            order[i], order[j] = j, i
    permutation = np.array(order, np.int64)
    permutation.flags.writeable = False
    return permutation


MIRROR: NDArray[np.int64] = _mirror_permutation()
"""(68,) permutation: point i of a mirrored face is point ``MIRROR[i]`` of the face. It is its own inverse."""


def _read(name: str, points: Points) -> Points:
    """Read points (..., 68, 2) as floats of 32 bits or more, in which differences can be squared."""
    read: Points = as_floats(read_array(name, points, ("...", N_POINTS, 2)))
    return read


def mirror_points(points: Points, width: float) -> Points:
    """Mirror points with their picture: x -> width - x, then the left-right swap of the scheme.

    Args:
        points: Points (..., 68, 2) xy in pixels; an array, a tensor or nested lists.
        width: Width of the picture in pixels; 0 mirrors about the origin.

    Returns:
        Points of the same shape, in the float type of the points, or in one of 32 bits or more if theirs is narrower.

    Raises:
        ArgumentError: The points have another shape.
    """
    width = read_number("width", width, above=-math.inf)
    moved = _read("points", points)[..., MIRROR.copy(), :]
    moved[..., 0] = width - moved[..., 0]
    return moved


def inter_ocular_distance(points: Points) -> Points:
    """Compute the distance between the outer eye corners (points 36 and 45), the unit of errors and of AU map sizes.

    Args:
        points: Points (..., 68, 2) xy; an array, a tensor or nested lists.

    Returns:
        Distances (...) in the points' unit; NaN where an eye corner is NaN.

    Raises:
        ArgumentError: The points have another shape.
    """
    return _outer_eyes(_read("points", points))


def _outer_eyes(points: Points) -> Points:
    span = points[..., LEFT_EYE_OUTER, :] - points[..., RIGHT_EYE_OUTER, :]
    return _length(span)


def _length(vectors: Points) -> Points:
    square = (vectors**2).sum(-1)
    length: Points = np.sqrt(square) if library_of(square) == "numpy" else square.sqrt()
    return length


def normalised_error(points: Points, truth: Points) -> Points:
    """Compute the distance of each point from the truth, in inter-ocular distances of the truth.

    Args:
        points: Found points (..., 68, 2) xy; an array, a tensor or nested lists.
        truth: True points, of the same shape.

    Returns:
        Errors (..., 68), tensors if the points are; NaN where either point is NaN.

    Raises:
        ArgumentError: An array has another shape.
    """
    found, true = _read("points", points), _read("truth", truth)
    if tuple(found.shape) != tuple(true.shape):
        raise ArgumentError(f"truth: expected the shape of the points, {tuple(found.shape)}, got {tuple(true.shape)}")
    if library_of(found) != library_of(true):
        true = as_floats(in_main_memory(true)) if library_of(found) == "numpy" else found.new_tensor(true)
    return _length(found - true) / _outer_eyes(true)[..., None]


# The average neutral frontal face of the project, exactly symmetric, in inter-ocular units: x is right, y down, the
# midpoint of the outer eye corners is the origin and their distance is 1.
_MEAN_RIGHT_HALF: dict[int, tuple[float, float]] = {
    0: (-0.825, 0.030), 1: (-0.805, 0.230), 2: (-0.775, 0.435), 3: (-0.735, 0.640), 4: (-0.660, 0.840),
    5: (-0.545, 1.010), 6: (-0.390, 1.150), 7: (-0.205, 1.255), 8: (0.000, 1.290),
    17: (-0.670, -0.180), 18: (-0.570, -0.275), 19: (-0.435, -0.305), 20: (-0.295, -0.285), 21: (-0.165, -0.235),
    27: (0.000, -0.020), 28: (0.000, 0.115), 29: (0.000, 0.250), 30: (0.000, 0.385),
    31: (-0.165, 0.475), 32: (-0.085, 0.500), 33: (0.000, 0.520),
    36: (-0.500, 0.000), 37: (-0.415, -0.055), 38: (-0.300, -0.055), 39: (-0.205, 0.010), 40: (-0.305, 0.030),
    41: (-0.415, 0.030),
    48: (-0.310, 0.785), 49: (-0.200, 0.725), 50: (-0.080, 0.695), 51: (0.000, 0.710), 59: (-0.205, 0.855),
    58: (-0.090, 0.895), 57: (0.000, 0.905),
    60: (-0.265, 0.785), 61: (-0.080, 0.760), 62: (0.000, 0.768), 67: (-0.080, 0.800), 66: (0.000, 0.808),
}  # fmt: skip


def _complete_mean_face() -> NDArray[np.float64]:
    points = np.full((N_POINTS, 2), np.nan)
    for index, (x, y) in _MEAN_RIGHT_HALF.items():
        points[index] = x, y
        points[MIRROR[index]] = -x, y
    points.flags.writeable = False
    return points


MEAN_FACE: NDArray[np.float64] = _complete_mean_face()
"""Points (68, 2) of the average neutral frontal face: x right, y down, in inter-ocular distances, origin between the
outer eye corners; exactly symmetric."""
