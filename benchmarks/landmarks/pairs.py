"""Run one detector with one extractor as the stages align and landmarks do, from a picture to points in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.landmarks.accuracy import Outcome, face_outcome, true_box
from benchmarks.landmarks.faces import FaceSet
from fer_au.compute import batched
from fer_au.faces.alignment import AlignedFace, Aligner
from fer_au.faces.crops import decode_crop_bytes, encode_crop
from fer_au.faces.detectors import vouches
from fer_au.faces.geometry import apply_matrix, invert_matrix, map_box
from fer_au.landmarks.agreement import extract_if_agreed
from fer_au.landmarks.extractors import Extractor
from fer_au.stores.schemas import FaceStatus

GIVEN_BOX = "provided"
"""The detector that takes a data set's box: here the true one, so that it shows what a perfect detector would do."""

_BATCH = 32  # crops per call, as in the stage


@dataclass(frozen=True)
class Crops:
    """Aligned crops of one detector.

    Attributes:
        data: N encoded crops, empty where there is no face.
        boxes: (N, 4) the face in the crop, xyxy.
        matrices: (N, 2, 3) picture -> crop.
        sure: (N,) True where a detector vouches for the face.
        outcomes: N outcomes: OK, NO_FACE or WRONG_FACE.
    """

    data: tuple[bytes, ...]
    boxes: NDArray[np.float64]
    matrices: NDArray[np.float64]
    sure: NDArray[np.bool_]
    outcomes: tuple[Outcome, ...]

    @property
    def usable(self) -> list[int]:
        """Rows of the crops that show the right face."""
        return [row for row, outcome in enumerate(self.outcomes) if outcome is Outcome.OK]


def hint_of(detector: str, faces: FaceSet, row: int) -> NDArray[np.float64] | None:
    """Choose the box that a detector is told: the data set's, or for ``provided`` the true one where it has none."""
    hint = faces.hints[row]
    if hint is not None:
        return np.array(hint)
    return true_box(faces.truth.points[row]) if detector == GIVEN_BOX else None


def align_faces(aligner: Aligner, faces: FaceSet) -> Crops:
    """Find and align the face of every picture."""
    aligned = [aligner(faces.picture(row), hint_of(aligner.detectors[0], faces, row)) for row in range(len(faces))]
    outcomes = [
        face_outcome(face.box if face.status == FaceStatus.OK else None, points)
        for face, points in zip(aligned, faces.truth.points, strict=True)
    ]
    return Crops(
        data=tuple(encode_crop(face.crop) for face in aligned),
        boxes=np.array([box_in_crop(aligner, face) for face in aligned]),
        matrices=np.array([face.matrix for face in aligned]),
        sure=np.array([vouched(face) for face in aligned]),
        outcomes=tuple(outcomes),
    )


def box_in_crop(aligner: Aligner, face: AlignedFace) -> NDArray[np.float64]:
    """Locate the face in its crop: where the template puts it, or else its own box (see ``crop_face_boxes``)."""
    if aligner.target.aligned and face.status == FaceStatus.OK:
        return np.asarray(aligner.target.face_box(aligner.size), np.float64)
    return map_box(face.matrix, face.box)


def vouched(face: AlignedFace) -> bool:
    """Tell whether the points need no second look (see ``vouched_rows`` of the stage landmarks)."""
    return face.status == FaceStatus.OK and vouches(face.detector) and not face.score < 0


def extract(extractor: Extractor, crops: Crops, rows: Sequence[int]) -> NDArray[np.float64]:
    """Extract the points of some crops in their pictures, (len(rows), 68, 2) xy; NaN where there are none."""
    images = {row: decode_crop_bytes(crops.data[row]) for row in rows}
    return to_pictures(crops, rows, points_in_crops(extractor, images, crops))


def points_in_crops(
    extractor: Extractor, images: Mapping[int, NDArray[np.uint8]], crops: Crops
) -> dict[int, NDArray[np.float32]]:
    """Run an extractor over decoded crops by row, as the stage does: unsure faces are looked at from several boxes."""
    found: dict[int, NDArray[np.float32]] = {}
    for sure in (True, False):
        group = [row for row in images if bool(crops.sure[row]) is sure]
        for rows in batched(group, _BATCH):
            batch, boxes = np.stack([images[row] for row in rows]), crops.boxes[rows]
            points = extractor.extract(batch, boxes)[0] if sure else extract_if_agreed(extractor, batch, boxes)[0]
            found |= dict(zip(rows, points, strict=True))
    return found


def to_pictures(crops: Crops, rows: Sequence[int], found: Mapping[int, NDArray[np.float32]]) -> NDArray[np.float64]:
    """Map points of crops back into the pictures they were cut from."""
    if not rows:
        return np.empty((0, 68, 2))
    return np.stack([apply_matrix(invert_matrix(crops.matrices[row]), found[row]) for row in rows])


def find_points(extractor: Extractor, crops: Crops) -> tuple[NDArray[np.float64], list[Outcome]]:
    """Find points (N, 68, 2) in the pictures, NaN where there are none, and the outcome of each face."""
    points = np.full((len(crops.data), 68, 2), np.nan)
    rows = crops.usable
    points[rows] = extract(extractor, crops, rows)
    whole = np.isfinite(points).all(axis=(1, 2))
    outcomes = [
        Outcome.NO_POINTS if outcome is Outcome.OK and not right else outcome
        for outcome, right in zip(crops.outcomes, whole.tolist(), strict=True)
    ]
    points[~whole] = np.nan
    return points, outcomes
