"""Whether 68 points are a face in their picture, told by the picture's size and the shape of a face, not by pixels.

The limits were set by points of dlib68, mediapipe and faceapi68 on 3,741 photographs (found faces, tight crops among
them) and by the demo's head in space, turned up to 90 degrees with the chin up or down by 30:

* Distance from the average face: at most 0.42 on photographs and 0.78 in full profile; mirrored faces, swapped axes
  and other orders give 0.94 and more.
* Faces of photographs lean by 59 degrees at most, so that turned upside down they lean by 121 and more.
* A tenth beside the picture's edges is too little: 4 to 7 % of the faces in tight crops have more than a tenth of
  dlib's points there, brows and chins. With a fifth, and three tenths of the points, 1 of 11,207 faces fails.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_au.ibug68 import MEAN_FACE, inter_ocular_distance

Floats = NDArray[np.float64]

LEAST_EYES = 4.0
"""Pixels between the outer corners of the eyes, the unit in which maps are sized."""

UPSIDE_DOWN = 110.0
"""Degrees that a face leans."""

_MARGIN = 0.2  # of the picture's sides, around it: points there still belong to it
_INSIDE = 0.7  # least share of the points in the picture and its margin
_UNLIKE = 0.85  # distance from the average face, 0 to 1, from which points are no face


def is_face(points: Floats, sizes: Floats, most_lean: float = UPSIDE_DOWN) -> NDArray[np.bool_]:
    """Tell which points are a face in their picture.

    Args:
        points: Points (N, 68, 2) xy in pixels of the pictures, finite.
        sizes: Width and height (N, 2) of each picture.
        most_lean: Degrees that a face may lean.
    """
    unlike, lean = compare(points)
    return (unlike < _UNLIKE) & (lean < most_lean) & in_picture(points, sizes) & ~tiny(points)


def in_picture(points: Floats, sizes: Floats) -> NDArray[np.bool_]:
    """Tell which points lie in their picture, with what a tight crop cuts off; arguments as ``is_face``."""
    whole = sizes[:, None]
    inside = ((points >= -_MARGIN * whole) & (points <= (1 + _MARGIN) * whole)).all(axis=2)
    return np.asarray(inside.mean(axis=1) >= _INSIDE)


def tiny(points: Floats) -> NDArray[np.bool_]:
    """Tell which faces (N, 68, 2) have their eyes too close together for maps."""
    return np.asarray(inter_ocular_distance(points) < LEAST_EYES)


def compare(points: Floats) -> tuple[Floats, Floats]:
    """Fit the average face by a similarity.

    Returns:
        What the fit leaves: the root of its share of the points' variance (N,), 0 to 1; and the degrees (N,) that the
        face leans, either way. Both 1 and 0 for points at one place.
    """
    mean = _as_complex(MEAN_FACE[None])[0]
    found = _as_complex(points)
    size = (np.abs(found) ** 2).sum(axis=1)
    turn = (found * mean.conj()).sum(axis=1)
    explained = np.abs(turn) ** 2 / np.maximum(size * (np.abs(mean) ** 2).sum(), 1e-12)
    return np.sqrt(np.clip(1 - explained, 0, 1)), np.abs(np.degrees(np.angle(turn)))


def _as_complex(points: Floats) -> NDArray[np.complex128]:
    plane = points[..., 0] + 1j * points[..., 1]
    return np.asarray(plane - plane.mean(axis=1, keepdims=True), np.complex128)
