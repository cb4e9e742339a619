"""Whether the points that a data set brings lie on the face that ``align`` found in the same picture.

``ingest`` takes what is a face in its picture. Points that were measured on a smaller copy, or that are another
picture's, are such a face, too; only a look at the pixels finds them out, and ``align`` has looked. In an aligned crop,
eyes, nose and corners of the mouth have fixed places. On 3,741 photographs the points of dlib68, mediapipe and
faceapi68 lie 0.06 inter-ocular distances from these on average, 0.14 in one face of a hundred, and 0.52 at most. Points
of a copy of 0.8 times the size lie 0.31 from them, of half the size 0.77 (medians).

The middle of the five points says more of a set: ``align`` puts it on the template's middle, whatever the five look
like, so that profiles and wide mouths don't move it. On these photographs and 7,577 smaller ones, aligned by dlib's
points or by YuNet's, the middles of dlib68's points lie 0.01 inter-ocular distances to one side (median of a set); in
the worst of 3,000 draws of five faces, 0.12. Points of a copy of 1.02 times the size lie 0.03 to one side, of 1.05
times 0.08, of 1.1 or 0.9 times 0.15, of 1.25 times 0.38. Size and place together tell the cause.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from fer_au.faces.geometry import apply_matrix, invert_matrix
from fer_au.faces.templates import Template, five_points
from fer_au.ibug68 import inter_ocular_distance

ASIDE = 1.0
"""Mean distance of the five points from their places, in inter-ocular distances, from which they are another face's."""

_SHIFTED = 0.25  # the same for most faces of a set, which then has one cause: see the module
_TO_ONE_SIDE = 0.12  # of the middles, as a median of the set: see the module
_FEW = 5  # faces that tell nothing of a set

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Placement:
    """How the points of faces lie to the faces that ``align`` found; NaN for faces without points.

    Attributes:
        distance: Mean distances (N,) of the five points from their places, in inter-ocular distances of the average
            face.
        middle: Middles (N, 2) of the five places, xy in pixels of the pictures.
        shift: Ways (N, 2) from there to the middles of the points, pixels of the pictures.
        size: Sizes (N,) of the five points, relative to their places'.
        unit: Inter-ocular distances (N,) of the faces, pixels of the pictures.
    """

    distance: Floats
    middle: Floats
    shift: Floats
    size: Floats
    unit: Floats

    def __getitem__(self, rows: NDArray[np.bool_]) -> Placement:
        """Take some faces."""
        return Placement(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def join(cls, parts: list[Placement]) -> Placement:
        """Put parts of a set together, one at least."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def place_points(
    points: NDArray[np.floating], matrices: Floats, template: Template, size: int, seen: NDArray[np.bool_]
) -> Placement:
    """Measure how points lie to the faces that ``align`` found.

    Args:
        points: Points (N, 68, 2) xy in pixels of the pictures.
        matrices: Matrices (N, 2, 3) from the pictures to the crops.
        template: Template that the crops were aligned to; it has places for the five points, if any face was seen.
        size: Side of the crops.
        seen: Faces (N,) that were found and aligned; the others are NaN.
    """
    placement = Placement(*(np.full((len(points), *shape), np.nan) for shape in ((), (2,), (2,), (), ())))
    if not seen.any():
        return placement
    places, unit = template.five(size), float(inter_ocular_distance(template.mean_face(size)))
    given = np.array([five_points(face) for face in points[seen].astype(np.float64)])
    backwards = np.array([invert_matrix(matrix) for matrix in matrices[seen]])
    expected = apply_matrix(backwards, np.broadcast_to(places, given.shape))
    middle = expected.mean(axis=1)
    placement.distance[seen] = np.hypot(*np.moveaxis(apply_matrix(matrices[seen], given) - places, 2, 0)).mean(1) / unit
    placement.middle[seen] = middle
    placement.shift[seen] = given.mean(axis=1) - middle
    # By the fit that align makes, from the points to their places: 1 for points that it aligned by, in profile, too.
    its, shape = _as_complex(given), _as_complex(expected)
    placement.size[seen] = (np.abs(its) ** 2).sum(axis=1) / np.maximum(np.abs((its.conj() * shape).sum(axis=1)), 1e-9)
    placement.unit[seen] = unit * np.sqrt(np.abs(np.linalg.det(backwards[:, :, :2])))
    return placement


def blame_placement(placement: Placement) -> str:
    """Say that the points of a set lie beside its faces, and why; empty if they don't.

    Args:
        placement: Placement of all faces with points.
    """
    faces = len(placement.distance)
    if faces < _FEW:
        return ""
    way = np.median(placement.shift / placement.unit[:, None], axis=0)
    if (aside := float(np.hypot(*way))) > _TO_ONE_SIDE:
        return (
            f"the data set's points lie to one side of the faces that align found, by {aside:.2f} inter-ocular "
            f"distances (median of {faces} faces), {_cause(placement)}"
        )
    beside = int((placement.distance > _SHIFTED).sum())
    if 2 * beside <= faces:
        return ""
    return (
        f"the data set's points of {beside} of {faces} faces lie beside the faces that align found, by "
        f"{np.median(placement.distance):.2f} inter-ocular distances (median), and not to one side; they may be those "
        "of other pictures"
    )


def _cause(placement: Placement) -> str:
    """Name the likely cause of points that all lie to one side.

    Pictures of another size give points that lie at f times the place and are f times as large.
    """
    there = ((placement.middle + placement.shift) * placement.middle).sum(axis=1) / (placement.middle**2).sum(axis=1)
    factor, size = float(np.median(there)), float(np.median(placement.size))
    if abs(factor - size) <= abs(factor - 1) / 2:
        return (
            f"and are {size:.2f} times as large: they seem to be measured on pictures of about {factor:.2f} times "
            "the size; scale them"
        )
    right, down = np.median(placement.shift, axis=0).round().astype(int).tolist()
    way = f"{abs(right)} pixels {'right' if right > 0 else 'left'} and {abs(down)} {'down' if down > 0 else 'up'}"
    return (
        f"{way}, and are {size:.2f} times as large: they seem to be measured before the pictures were cut or padded; "
        "shift them"
    )


def _as_complex(points: Floats) -> NDArray[np.complex128]:
    plane = points[..., 0] + 1j * points[..., 1]
    return np.asarray(plane - plane.mean(axis=1, keepdims=True), np.complex128)
