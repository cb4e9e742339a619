"""Whether the points that a data set brings lie on the face that ``align`` found in the same picture.

``ingest`` takes what is a face in its picture. Points that were measured on a smaller copy, or that are another
picture's, are such a face, too; only a look at the pixels finds them out, and ``align`` has looked. In an aligned crop,
eyes, nose and corners of the mouth have fixed places. On 3,741 photographs the points of dlib68, mediapipe and
faceapi68 lie 0.06 inter-ocular distances from these on average, 0.14 in one face of a hundred, and 0.52 at most. Points
of a copy of 0.8 times the size lie 0.31 from them, of half the size 0.77 (medians).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_au.faces.templates import Template, five_points
from fer_au.ibug68 import inter_ocular_distance

ASIDE = 1.0
"""Mean distance of the five points from their places, in inter-ocular distances, from which they are another face's."""

_SHIFTED = 0.25  # the same for most faces of a set, which then has one cause: see the module
_FEW = 5  # faces that tell nothing of a set


def placement(points: NDArray[np.floating], template: Template, size: int) -> NDArray[np.float64]:
    """Measure how far eyes, nose and corners of the mouth lie from where the crop has them.

    Args:
        points: Points (N, 68, 2) xy in pixels of crops that were aligned to ``template``.
        template: The template.
        size: Side of the crops.

    Returns:
        Mean distances (N,) in inter-ocular distances of the average face; NaN for a face without points.
    """
    places, unit = template.five(size), float(inter_ocular_distance(template.mean_face(size)))
    found = np.array([five_points(face) for face in points], np.float64).reshape(-1, 5, 2)
    distance: NDArray[np.float64] = np.sqrt(((found - places) ** 2).sum(axis=2)).mean(axis=1) / unit
    return distance


def blame_placement(distances: NDArray[np.float64]) -> str:
    """Say that the points of most faces lie beside them; empty if they don't.

    Args:
        distances: Distances as of ``placement``, of all faces with points.
    """
    beside = int((distances > _SHIFTED).sum())
    if len(distances) < _FEW or 2 * beside <= len(distances):
        return ""
    return (
        f"the data set's points of {beside} of {len(distances)} faces lie beside the faces that align found, by "
        f"{np.median(distances):.2f} inter-ocular distances (median); they may be measured on another size of the "
        "pictures, or be those of other pictures"
    )
